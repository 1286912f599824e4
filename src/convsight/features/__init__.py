"""The feature space: the vector of every picture, its exact neighbours, and maps of all of them."""
