"""How is a picture named where there is room for a word or two?"""

from __future__ import annotations

from convsight.images import Images


def name_of(images: Images, i: int) -> str:
    """What a picture is called: its class if that has a name, else its id."""
    if images.labels is None or images.classes is None or images.labels.ndim != 1:
        return images.ids[i]
    return short(images.classes[int(images.labels[i])])


def short(name: str, most: int = 20) -> str:
    """The first of a class's names, as ImageNet lists several: "beagle", "pickup" of "pickup, pickup truck"."""
    first = name.split(",")[0].strip() or name
    return first if len(first) <= most else first[: most - 1] + "…"
