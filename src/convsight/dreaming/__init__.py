"""Pictures made by optimisation: how they are parametrised, moved about and compared."""
