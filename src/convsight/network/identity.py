"""On what, beside its weights, do the answers of a classifier depend?"""

from __future__ import annotations

import xxhash
from torch import Tensor

from convsight.network.classifier import Classifier


def identity_of(net: Classifier) -> str:
    """16 hexadecimal digits of the weights, the module as it prints itself, and how the classifier was made.

    Input size, normalisation, class names and task are among the latter. What a module's own code computes is
    not seen where its printed form does not tell.

    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    >>> plain, shifted = Classifier(module, None, 4, 1), Classifier(module, None, 4, 1, mean=0.5)
    >>> identity_of(plain) == identity_of(shifted), identity_of(plain) == identity_of(Classifier(module, None, 4, 1))
    (False, True)
    """
    made = {
        name: value.tolist() if isinstance(value, Tensor) else repr(value)
        for name, value in sorted(vars(net).items())
        if not name.startswith("_")
    }
    kind = f"{type(net.module).__module__}.{type(net.module).__qualname__}"
    made["module"] = f"{kind} {net.module!r}"
    return xxhash.xxh3_64_hexdigest(f"{net.weights_hash}{made}".encode())
