"""Which pixels does a unit really see? Found by changing them, without knowing anything about the network."""

import torch


def _values(net, layer, pixels, y, x):
    with torch.no_grad(), net.record(layer) as seen:
        net.forward(pixels)
    return seen[layer][:, :, y, x]


def _noise(net, seed, trials):
    made = torch.Generator().manual_seed(seed)
    return torch.randn(trials, net.channels, *net.input_size, generator=made, dtype=torch.float64) * 2


def changes(net, layer, y, x, mask, trials=16):
    """Whether new values of the masked pixels change unit (y, x) of any channel in any of `trials` pictures."""
    before, after = _noise(net, 0, trials), _noise(net, 1, trials)
    moved = _values(net, layer, torch.where(mask, after, before), y, x) - _values(net, layer, before, y, x)
    return bool((moved.abs() > 1e-9).any())


def sides(box):
    """Rows and columns of pixels along the four sides of a box, as slices."""
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    return {
        "top": (slice(box.top, box.top + 1), columns),
        "bottom": (slice(box.bottom - 1, box.bottom), columns),
        "left": (rows, slice(box.left, box.left + 1)),
        "right": (rows, slice(box.right - 1, box.right)),
    }


def disagreements(net, layer, y, x, tight=True, trials=16):
    """What is wrong with the box of one unit: pixels outside that matter, sides of it that do not."""
    box = net.layers.receptive_box(layer, y, x)
    outside = torch.ones(net.input_size, dtype=torch.bool)
    if box is not None:
        outside[box.top : box.bottom, box.left : box.right] = False
    found = ["outside matters"] if outside.any() and changes(net, layer, y, x, outside, trials) else []
    for side, (rows, columns) in (sides(box) if tight and box is not None else {}).items():
        inside = torch.zeros(net.input_size, dtype=torch.bool)
        inside[rows, columns] = True
        found += [] if changes(net, layer, y, x, inside, trials) else [f"{side} does not matter"]
    return [f"{layer} ({y}, {x}) {box}: {problem}" for problem in found]
