"""Compiled training of `FastNet`: the numbers its layers give, in two thirds of the time.

`stage` and `first` stand for layers, `where` says where they may; the `*_kernel` files are what Numba compiles.
"""
