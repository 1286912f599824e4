"""Exact occlusion maps: recompute only what a hidden patch can change.

`sweep` answers for every position of an occluder; see its module for the order of work.
"""
