"""Colours mean what the legend says, and sheets hold what they were given."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from convsight.results import draw, plot, sheet
from convsight.results.kinds import Series


def test_a_signed_scale_is_blue_white_red_and_white_at_zero() -> None:
    low, zero, high = draw.colours(torch.tensor([[-2.0, 0.0, 2.0]]), signed=True)[0].astype(int)
    assert low[2] > low[0] and high[0] > high[2] and zero.min() > 240


def test_an_unsigned_scale_gets_lighter() -> None:
    ramp = draw.colours(torch.linspace(0, 1, 50)[None], signed=False)[0].astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(ramp) > -0.6).all() and ramp[-1] - ramp[0] > 200


def test_nan_and_constant_maps_are_drawn_without_a_warning() -> None:
    assert draw.colours(torch.zeros(2, 2), signed=True).min() > 240
    assert draw.colours(torch.tensor([[float("nan"), 1.0]]), signed=False).shape == (1, 2, 3)


def test_an_overlay_shows_the_picture_where_the_map_is_zero() -> None:
    picture = torch.rand(3, 4, 4)
    values = torch.zeros(4, 4)
    values[0, 0] = 1
    over = draw.overlay(picture, values, signed=False)
    grey = draw.rgb(picture.mean(0, keepdim=True))
    np.testing.assert_array_equal(over[1:], grey[1:])
    assert (over[0, 0] != grey[0, 0]).any()


def test_small_pictures_are_enlarged_without_smoothing() -> None:
    picture = draw.rgb(torch.tensor([[[0.0, 1.0]]]))
    large = draw.enlarge(picture, 50)
    assert set(np.unique(large)) == {0, 255} and large.shape == (50, 100, 3)


def test_a_sheet_holds_every_tile_unchanged() -> None:
    tiles = [sheet.Tile(np.full((20, 20, 3), shade, np.uint8), f"shade {shade}") for shade in (10, 90, 170)]
    page = sheet.sheet(tiles, 2, title="Three", tile_px=20)
    for shade in (10, 90, 170):
        assert (page == shade).all(-1).sum() >= 400


def test_long_words_never_run_into_the_next_tile() -> None:
    tiles = [sheet.Tile(np.zeros((40, 40, 3), np.uint8), "a caption much wider than its tile")] * 2
    page = sheet.sheet(tiles, 2, headings=("a heading much wider", "than its column"), tile_px=40)
    gap = page[:, 16 + 40 : 16 + 50]
    assert (gap == 255).all()


def test_without_words_a_sheet_is_only_pictures() -> None:
    tile = sheet.Tile(np.zeros((40, 40, 3), np.uint8))
    full = sheet.sheet([tile], 1, title="Title", caption="Words", notes=("note",), footer="foot", tile_px=40)
    with sheet.without_words():
        bare = sheet.sheet(
            [tile], 1, title="Title", caption="Words", notes=("note",), footer="foot", tile_px=40
        )
    assert bare.shape[0] < full.shape[0] - 60


def test_png_and_gif_read_back() -> None:
    frames = [np.full((8, 9, 3), shade, np.uint8) for shade in (0, 128, 255)]
    with Image.open(io.BytesIO(draw.png(frames[1]))) as read:
        np.testing.assert_array_equal(np.asarray(read), frames[1])
    with Image.open(io.BytesIO(draw.gif(frames, fps=5))) as read:
        assert read.n_frames == 3 and read.info["duration"] == 200


@pytest.mark.parametrize("style", ["line", "step", "bar"])
def test_charts_draw_each_style(style: str) -> None:
    series = [Series("a", (1, 2, 3), (0.1, 0.2, 0.3)), Series("b", (1, 2, 3), (0.3, 0.2, 0.1))]
    chart = plot.curves(series, "x", "y", style)
    assert chart.dtype == np.uint8 and (chart < 250).any()


def test_drawing_is_the_same_twice() -> None:
    series = [Series("a", (1, 2), (0.1, 0.2))]
    np.testing.assert_array_equal(plot.curves(series, "x", "y"), plot.curves(series, "x", "y"))


def test_without_a_display_a_shown_picture_is_in_the_file_that_is_named(monkeypatch, capsys):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    path = draw.open_viewer(picture, "Grad-CAM: a cat")
    assert path is not None and str(path) in capsys.readouterr().err
    assert np.array_equal(np.asarray(Image.open(path)), picture)
    path.unlink()
