"""The former place of `convsight.bring.torchvision_shim`, for scripts that import it from here."""

from convsight.bring.torchvision_shim import import_torchvision as import_torchvision
