"""How far can a map be trusted? Three separate questions, each answered yes, no or can't tell, with numbers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from convsight.results.kinds import Pictures
from convsight.results.provenance import provenance_about
from convsight.trust_checks.classes import depends_on_class
from convsight.trust_checks.copies import needs_training
from convsight.trust_checks.donors import opened
from convsight.trust_checks.figure import figure
from convsight.trust_checks.hiding import does_hiding_matter
from convsight.trust_checks.light import Light
from convsight.trust_checks.ranking import rank_methods
from convsight.trust_checks.subject import JudgedMap, subject_of

__all__ = ["Light", "lights", "rank_methods", "trust"]
SOURCE = "Adebayo et al. 2018, arXiv:1810.03292; Samek et al. 2015, arXiv:1509.06321"


def lights(
    net: Any, images: Any, of: Any, target: Any = None, *, data: Any = None, seed: int = 0, **arguments: Any
) -> list[tuple[Light, Light, Light]]:
    """The three lights of each picture's map, as data: for a page, a server or a test. See `trust`.

    >>> import torch, convsight as cs
    >>> net = cs.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), None, 8, 1)
    >>> [light.title for light in lights(net, torch.rand(3, 1, 8, 8), "saliency")[0]]
    ['Does hiding it matter?', 'Does it need the trained weights?', 'Does it depend on the class?']
    """
    return _lights(subject_of(net, images, of, target, arguments), data, seed)


def trust(
    net: Any, images: Any, of: Any, target: Any = None, *, data: Any = None, seed: int = 0, **arguments: Any
) -> Pictures:
    """How far a map can be trusted: three questions beside each other, with pictures, and no overall mark.

    1. *Does hiding it matter?* The strongest tenth of the map is replaced by the same place of five other
    pictures. "Yes" needs a fall of the score that beats 95% of 20 random blobs of that size and is above zero
    in the 95% interval over the fillings; a map that is half or more the picture's strongest edges must also
    beat the edges. 2. *Does it need the trained weights?* Two copies with random weights draw their maps.
    "No" means theirs are alike (rank correlation), no less than the copies' among themselves, and more than
    the picture and its edges explain. 3. *Does it depend on the class?* The runner-up's map, held against the
    map of the same class with invisible noise on the picture.

    None of the three is proof. The second once passed the worst map of a comparison and failed a right one:
    read the sentences, look at the pictures, and mind the notes.

    Parameters: `net` a classifier. `images` the pictures. `of` a Map of them, a technique (`cs.Occlusion(patch=4)`)
    or its name, or any function of (net, images, target=) that answers with a Map; a Map without provenance
    gets the first light only. `target` and further arguments (such as `layer`) are handed to the technique.
    `data` (a data set, Images, or what either opens) gives the pictures whose pixels fill what is hidden; without it the other
    `images` do, or, for a single picture, its own pixels from elsewhere. `seed` draws blobs, noise and
    fillings. The second and third light make four maps more: cheap for gradients, not for occlusion.

    Returns Pictures: a row for each picture, the answers in `notes`, their numbers in the Table in `parts`;
    `lights(...)` gives the same as data. Raises InputError for what is no map of these pictures.

    Sources: Samek et al. 2015, arXiv:1509.06321 (hiding); Adebayo et al. 2018, arXiv:1810.03292 (random
    weights); Yona & Greenfeld 2021, arXiv:2110.14297 (why that misleads). Theirs are averages over data; ours
    are about one map, so they come with "can't tell".

    >>> import torch, convsight as cs
    >>> net = cs.Classifier(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3)), None, 8, 1)
    >>> result = trust(net, torch.rand(3, 1, 8, 8), cs.GradientXInput(), target=1)
    >>> len(result.parts[0].rows)
    3
    """
    started = time.perf_counter()
    subject = subject_of(net, images, of, target, arguments)
    found = _lights(subject, data, seed)
    made = provenance_about(
        subject.map, "trust", {"seed": seed}, {"images": subject.images, "data": data}, SOURCE
    )
    words = {"of": subject.name, "target": target if isinstance(target, (str, int, tuple)) else None}
    took = round(time.perf_counter() - started, 4)
    network = {"network": subject.net.name, "weights": subject.net.weights_hash}
    return figure(subject, found, replace(made, arguments=words, seconds=took, **network))


def _lights(subject: JudgedMap, data: Any, seed: int) -> list[tuple[Light, Light, Light]]:
    others = opened(subject.net, data)
    three = (
        does_hiding_matter(subject, others, seed),
        needs_training(subject),
        depends_on_class(subject, seed),
    )
    return list(zip(*three, strict=True))
