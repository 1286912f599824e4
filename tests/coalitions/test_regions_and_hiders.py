"""Pictures are cut and hidden as asked, and passes are those of the network itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.every_method.networks import STYLES

import convsight as cs
from convsight.coalitions.game import Game, scores_for
from convsight.coalitions.hiding import DONORS, hider
from convsight.coalitions.regions import as_regions, grid, regions_of
from convsight.errors import InputError
from convsight.occluding import whole
from convsight.occluding.whole import WholePasses


def images(n: int = 2, channels: int = 1) -> cs.Images:
    return cs.Images(torch.rand(n, channels, 28, 28, generator=torch.Generator().manual_seed(3)))


def test_a_grid_has_rectangles_as_equal_as_pixels_allow() -> None:
    cut = grid((28, 30), 4, 7)
    areas = cut.flatten().bincount()
    assert len(areas) == 28 and areas.min() >= 7 * 4 and areas.max() <= 7 * 5
    assert int(cut[0, 0]) == 0 and int(cut[0, -1]) == 6 and int(cut[-1, -1]) == 27


def test_superpixels_are_connected_colours() -> None:
    picture = torch.zeros(1, 3, 28, 28)
    picture[0, 0, :, 14:] = 1.0
    cut = regions_of("superpixels", cs.Images(picture))[0]
    assert 20 <= int(cut.max()) + 1 <= 80
    across = {tuple(sorted(pair)) for pair in zip(cut[:, 13].tolist(), cut[:, 14].tolist(), strict=True)}
    assert all(a != b for a, b in across)  # no superpixel reaches over the edge


def test_a_label_image_keeps_the_order_of_its_labels(tmp_path: Path) -> None:
    drawn = np.zeros((28, 28), np.int64)
    drawn[:, 20:], drawn[5:9, 3:8] = 7, 200
    cut = regions_of(as_regions(drawn), images())
    assert cut.shape == (2, 28, 28) and cut[0, 0, 0] == 0 and cut[0, 0, 25] == 1 and cut[1, 6, 4] == 2
    Image.fromarray(drawn.astype(np.uint8)).save(tmp_path / "labels.png")
    assert torch.equal(regions_of(str(tmp_path / "labels.png"), images()), cut)
    mask = torch.from_numpy(drawn == 200)
    assert int(regions_of(as_regions(mask), images()).max()) == 1


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (np.zeros((9, 9), int), "labels of regions are 28×28"),
        (np.zeros((28, 28), int), "one label is one region"),
        (np.zeros((28, 28)), "a label image is whole numbers"),
        ("nowhere.png", "no such file; a number for a square grid"),
        (29, "29 rows of regions in pictures of 28 px"),
        ((2, 3, 4), r"regions=\(2, 3, 4\) is not possible; a number for a square grid"),
    ],
)
def test_regions_that_cannot_be_say_what_would(given: object, answer: str) -> None:
    with pytest.raises(InputError, match=answer):
        regions_of(as_regions(given), images())


def test_a_game_is_the_network_on_pictures_hidden_by_hand() -> None:
    net, given = STYLES["functional"](), images()
    cut, fills = grid((28, 28), 2, 2), torch.rand(3, 1, 28, 28)
    game = Game(given.pixels[0], fills, cut, scores_for(net, net.target(["a", "c"], given), [0, 1], 10))
    shown = torch.tensor([[True, False, False, True], [False, True, True, True]])
    found = game.values(shown, torch.tensor([2, 0]))
    for row, fill, values in zip(shown, (2, 0), found, strict=True):
        by_hand = given.pixels[0].clone()
        for region in range(4):
            if not row[region]:
                by_hand[:, cut == region] = fills[fill][:, cut == region]
        assert torch.allclose(values.float(), net.scores(by_hand[None])[0, [0, 2]], atol=1e-5)
    none, every = game.ends()
    assert torch.allclose(none.float(), net.scores(fills)[:, [0, 2]].mean(0), atol=1e-5)
    assert torch.allclose(every.float(), net.scores(given)[0, [0, 2]], atol=1e-5) and game.passes == 2 + 4


@pytest.mark.parametrize("style", ["functional", "in-place", "reused", "skip", "train mode", "float16"])
def test_whole_passes_are_the_networks_own(style: str) -> None:
    net = STYLES[style]()
    passes, given = WholePasses(net, 10_000), images(6, net.channels)
    assert (passes._program is not None) == (style != "float16")
    right = net.explained(given)
    assert torch.allclose(passes(given.pixels), right, rtol=1e-4, atol=1e-4 * float(right.abs().max()))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_pictures_in_parts_on_threads_score_the_same(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    net, given = STYLES["skip"](), images(7)
    right, before = net.explained(given), torch.get_num_threads()
    monkeypatch.setattr(whole, "PIXELS", 2 * given.pixels[0].numel())
    torch.set_num_threads(threads)
    try:
        found = WholePasses(net, 1000)(given.pixels)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.allclose(found, right, rtol=1e-4, atol=1e-4) and not found.requires_grad


def test_a_program_that_is_wrong_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    net, given = STYLES["skip"](), images(5)
    right = net.explained(given)
    monkeypatch.setattr(whole.WholePasses, "_run", lambda self, program, pixels: 1.01 * right[: len(pixels)])
    assert torch.equal(WholePasses(net, 1000)(given.pixels), right)


def test_other_pictures_hide_and_never_the_picture_itself() -> None:
    net, data = STYLES["functional"](), cs.dataset("drawn-garments", limit=60, n_train=60, n_test=60)
    asked = data.test[:3]
    found = hider("data", net, asked, data, 2.0, seed=0)
    assert found.pixels.shape == (3, DONORS, 1, 28, 28)
    for own, others in zip(asked.pixels, found.pixels, strict=True):
        assert not any(torch.equal(own, other) for other in others)
    with pytest.raises(InputError, match="other pictures' pixels and needs them; give data="):
        hider("data", net, asked, None, 2.0, seed=0)
