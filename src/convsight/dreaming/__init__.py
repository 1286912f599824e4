"""Pictures made by optimisation: how they are parametrised, transformed and compared."""
