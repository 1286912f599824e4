"""One technique a file; `convsight.catalogue()` lists them. They do not import one another."""
