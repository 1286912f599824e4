"""How do the convolutions of a stage run, forwards and backwards, for all pictures of a batch?

Some pictures at a time are brought into frames, where they fit a core's cache, and convolved there. Numba compiles this
file when it is first imported on a machine; only `stage` imports it. What is no array or `shape` (`framed_kernel`) is a
number, or an address, as `Tensor.data_ptr()` gives it.
"""

# pyright: reportCallIssue=false
from __future__ import annotations

import numpy as np
from numba import njit

from convsight.architectures.stages.convolved_kernel import convolve, weigh
from convsight.architectures.stages.framed_kernel import (
    CACHE,
    LARGER_CACHE,
    fill,
    framed,
    places_in,
    room_for,
    take,
)
from convsight.architectures.stages.pooled_kernel import choose, collect, give


@njit(cache=True, nogil=True)
def _panels(weight):  # type: ignore[no-untyped-def]
    """Weights laid out for 32 outputs at a time if there are so many, else 16: row, column, channel, output."""
    outputs, channels = weight.shape[0], weight.shape[3]
    wide = 32 if outputs % 32 == 0 else 16
    panels = np.empty((outputs // wide, 3, 3, channels, wide), dtype=np.float32)
    for k in range(outputs):
        for y in range(3):
            for x in range(3):
                for c in range(channels):
                    panels[k // wide, y, x, c, k % wide] = weight[k, y, x, c]
    return panels


@njit(cache=True, nogil=True)
def _turned(weight):  # type: ignore[no-untyped-def]
    """Weights with which a convolution gives gradients back: channels for outputs, and the other way round."""
    outputs, channels = weight.shape[0], weight.shape[3]
    turned = np.empty((channels, 3, 3, outputs), dtype=np.float32)
    for k in range(outputs):
        for y in range(3):
            for x in range(3):
                for c in range(channels):
                    turned[c, 2 - y, 2 - x, k] = weight[k, y, x, c]
    return turned


@njit(cache=True, nogil=True)
def _pairs(weight):  # type: ignore[no-untyped-def]
    """Weights of eight channels with a fourth column of zeros, once behind the others and once before them."""
    outputs = weight.shape[0]
    pairs = np.zeros((2, outputs, 3, 4, 8), dtype=np.float32)
    for k in range(outputs):
        for y in range(3):
            for x in range(3):
                for c in range(8):
                    pairs[0, k, y, x, c] = pairs[1, k, y, x + 1, c] = weight[k, y, x, c]
    return pairs.reshape(outputs * 192)


@njit(cache=True, nogil=True)
def choose_all(maps, size, weight, out, where):  # type: ignore[no-untyped-def]
    """Write the pooled maps, and which corner of each window won."""
    pictures, shape, outputs = size[0], framed(size, CACHE), weight.shape[0]
    panels, room, places = _panels(weight), room_for(shape), places_in(shape, 2)
    each = len(places) // shape[5]
    for n in range(0, pictures, shape[5]):
        some, done = min(shape[5], pictures - n), n * each * outputs
        fill(room, maps + n * shape[0] * shape[1] * shape[2], some, shape)
        to = panels, outputs, out + done * 4, where + done
        choose(places, some * each, room, shape[3], weight.shape[3], *to)


@njit(cache=True, nogil=True)
def convolve_all(maps, size, weight, turned, out, onto):  # type: ignore[no-untyped-def]
    """Write the convolved maps, plus what lies at `onto` if that is not 0; `turned` gives gradients back instead."""
    pictures, shape, weight = size[0], framed(size, LARGER_CACHE), _turned(weight) if turned else weight
    outputs, panels, room, places = weight.shape[0], _panels(weight), room_for(shape), places_in(shape, 1)
    each = len(places) // shape[5]
    for n in range(0, pictures, shape[5]):
        some, done = min(shape[5], pictures - n), n * each * outputs * 4
        fill(room, maps + n * shape[0] * shape[1] * shape[2], some, shape)
        to = panels, outputs, out + done, onto + done if onto else 0
        convolve(places, some * each, room, shape[3], weight.shape[3], *to)


@njit(cache=True, nogil=True)
def weigh_all(maps, size, gradient, of_weight):  # type: ignore[no-untyped-def]
    """Add to the weights' gradients what the maps and the gradient of their convolution say."""
    pictures, shape, outputs, channels = size[0], framed(size, CACHE), of_weight.shape[0], of_weight.shape[3]
    room, places = room_for(shape), places_in(shape, 1)
    each = len(places) // shape[5]
    for n in range(0, pictures, shape[5]):
        some = min(shape[5], pictures - n)
        fill(room, maps + n * shape[0] * shape[1] * shape[2], some, shape)
        given = gradient + n * each * outputs * 4
        weigh(places, some * each, room, shape[3], channels, given, outputs, of_weight)


@njit(cache=True, nogil=True)
def collect_all(maps, size, gradient, where, of_weight):  # type: ignore[no-untyped-def]
    """Windows by bands that fit the cache together with their gradients, since each output goes through all."""
    pictures, shape, outputs, channels = size[0], framed(size, CACHE), of_weight.shape[0], of_weight.shape[3]
    room, places = room_for(shape), places_in(shape, 2)
    each = len(places) // shape[5]
    corners = np.array([0, shape[2], shape[3], shape[3] + shape[2]])
    for n in range(0, pictures, shape[5]):
        some = min(shape[5], pictures - n)
        fill(room, maps + n * shape[0] * shape[1] * shape[2], some, shape)
        bands = (shape[4] * some + each * some * outputs * 5 + CACHE - 1) // CACHE
        band = (some * each + bands - 1) // bands
        for first in range(0, some * each, band):
            done, count = (n * each + first) * outputs, min(band, some * each - first)
            given = channels, gradient + done * 4, outputs, where + done, of_weight
            collect(places, first, count, corners, room, shape[3], *given)


@njit(cache=True, nogil=True)
def give_all(of_maps, size, weight, gradient, where):  # type: ignore[no-untyped-def]
    """Write the gradients of maps that were convolved and pooled."""
    pictures, shape, outputs, channels = size[0], framed(size, CACHE), weight.shape[0], weight.shape[3]
    room, places = room_for(shape), places_in(shape, 2)
    own = _pairs(weight) if channels == 8 else weight.reshape(outputs * 9 * channels)
    each = len(places) // shape[5]
    for n in range(0, pictures, shape[5]):
        some, done = min(shape[5], pictures - n), n * each * outputs
        room.fill(0)
        give(places, some * each, room, shape[3], channels, own, outputs, gradient + done * 4, where + done)
        take(of_maps + n * shape[0] * shape[1] * shape[2], room, some, shape)
