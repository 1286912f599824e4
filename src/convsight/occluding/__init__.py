"""Exact occlusion maps: recompute only what a hidden patch can change.

`sweep` answers for every position of an occluder, `occluding` for one at a time that lies anywhere; see the
former for the order of work.
"""
