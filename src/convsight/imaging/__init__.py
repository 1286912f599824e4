"""What can be done with pixels without a network: fit, choose, scale and blur them, filter them by hand, cut them out."""
