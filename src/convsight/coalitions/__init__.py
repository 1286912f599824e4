"""What do the regions of a picture add to a score, alone and together?

A coalition is a set of regions that are shown while the others are hidden. Start reading in `game`, which gives the
score of every coalition; `regression` and `exact` make Shapley values of them.
"""
