"""What can be computed from pixels without a network: a Gaussian blur, filters made by hand, GrabCut."""
