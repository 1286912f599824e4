"""`python -m convsight` is `convsight`."""

from convsight.cli import run

run()
