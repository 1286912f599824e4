"""Exact occlusion maps: recompute only what a hidden patch can change.

`sweep` answers for every position of an occluder; `dragged` answers for one occluder at a time, anywhere on a
picture. Start reading in `sweep`, which calls the other files in the order of the work.
"""
