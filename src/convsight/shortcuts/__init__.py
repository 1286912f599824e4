"""Which shortcuts does a classifier lean on, and how are they unlearned? `find_shortcuts` in `find.py`, `fix` in `fix.py`.

Nothing is imported here: the statistics of an audit take a second to load, and pages ask for what was found before.
"""
