"""Do pictures of any number of channels, from any kind of file, come in as the numbers that were written?"""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from convsight.errors import ConvsightError, DataError, DataNotFound, InputError, MissingExtra
from convsight.images import Images
from convsight.imaging.depth import top_of

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("channels", [2, 4, 12])
def test_a_given_number_of_channels_is_found_on_either_side(channels):
    chw = RNG.random((channels, 20, 30), dtype=np.float32)
    for array in (
        chw,
        chw.transpose(1, 2, 0),
        chw[None],
        chw.transpose(1, 2, 0)[None],
        torch.from_numpy(chw),
    ):
        pixels = Images.open(array, channels=channels).pixels
        assert pixels.shape == (1, channels, 20, 30) and np.array_equal(pixels[0].numpy(), chw)


def test_axes_say_what_a_shape_does_not():
    array = RNG.random((12, 12, 7, 12), dtype=np.float32)
    pixels = Images.open(array, axes="whcn").pixels
    assert pixels.shape == (12, 7, 12, 12)
    assert np.array_equal(pixels[3, 2].numpy(), array[:, :, 2, 3].T)
    with pytest.raises(InputError, match=r"axes='hwd' must name each of h and w once"):
        Images.open(array[0], axes="hwd")
    with pytest.raises(InputError, match=r"names 3 axes; the array of shape \(12, 12, 7, 12\) has 4"):
        Images.open(array, axes="chw")


def test_an_axis_of_channels_is_never_guessed_among_other_numbers():
    with pytest.raises(InputError, match=r"\(2, 12, 20, 20\) has no axis of 1, 3 or 4 channels; channels="):
        Images.open(torch.rand(2, 12, 20, 20))
    with pytest.raises(InputError, match=r"no axis of 5 channels; axes='chw' or 'hwc'"):
        Images.open(np.zeros((12, 20, 20)), channels=5)
    stack = Images.open(np.zeros((12, 20, 30)))
    assert (
        len(stack) == 12 and "12 grey pictures of 20×30" in stack.notes[0] and "axes='chw'" in stack.notes[0]
    )


def test_four_channels_are_transparency_only_unless_they_are_asked_for():
    array = RNG.random((4, 8, 9), dtype=np.float32)
    assert np.array_equal(Images.open(array, channels=4).pixels[0].numpy(), array)
    flat = Images.open(array)
    assert np.abs(flat.pixels[0].numpy() - (array[:3] * array[3] + 1 - array[3])).max() < 1e-6
    assert "laid on white; channels=4" in flat.notes[0]


def test_four_bands_of_a_file_are_kept_if_asked_for(tmp_path):
    rgba = RNG.integers(0, 256, (8, 9, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    kept = Images.open(tmp_path / "a.png", channels=4)
    assert np.array_equal((kept.pixels[0] * 255).round().numpy().transpose(1, 2, 0), rgba) and not kept.notes
    flat = Images.open(tmp_path / "a.png")
    assert flat.channels == 3 and "laid on white" in flat.notes[0]
    both = Image.merge("LA", Image.fromarray(rgba).split()[:2])
    both.save(tmp_path / "la.png")
    assert Images.open(tmp_path / "la.png", channels=2).pixels.shape == (1, 2, 8, 9)


def test_arrays_in_npy_and_npz_are_pictures(tmp_path):
    array = RNG.random((12, 6, 7), dtype=np.float32)
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "b.npz", pixels=array, cloud=np.zeros(3))
    for name in ("a.npy", "b.npz"):
        opened = Images.open(tmp_path / name, channels=12)
        assert np.array_equal(opened.pixels[0].numpy(), array)
    assert "only 'pixels' was read, not cloud" in opened.notes[0]
    np.savez(tmp_path / "c.npz", first=array, second=array)
    with pytest.raises(DataError, match=r"c\.npz: has first, second"):
        Images.open(tmp_path / "c.npz")
    with pytest.raises(DataNotFound, match=r"no file .*gone\.npy"):
        Images.open(tmp_path / "gone.npy")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"o\.npy: cannot be read"):
        Images.open(tmp_path / "o.npy")
    with pytest.raises(InputError, match=r"a\.npy: an array of shape .* has no axis of 5"):
        Images.open(tmp_path / "a.npy", channels=5)


def test_the_pages_of_a_tiff_are_channels_and_that_is_said(tmp_path):
    pages = RNG.integers(0, 256, (5, 6, 7), dtype=np.uint8)
    first, *others = map(Image.fromarray, pages)
    first.save(tmp_path / "p.tif", save_all=True, append_images=others)
    asked = Images.open(tmp_path / "p.tif", channels=5)
    assert np.array_equal((asked.pixels[0] * 255).round().numpy(), pages) and not asked.notes
    guessed = Images.open(tmp_path / "p.tif")
    assert (
        torch.equal(guessed.pixels, asked.pixels)
        and "5 pages of p.tif were read as 5 channels" in guessed.notes[0]
    )
    grey = Images.open(tmp_path / "p.tif", channels=1)
    assert np.array_equal((grey.pixels[0, 0] * 255).round().numpy(), pages[0])
    assert "Of the 5 pages of p.tif the first was read" in grey.notes[0]
    with pytest.raises(InputError, match="5 channels, where 4 channels are wanted"):
        Images.open(tmp_path / "p.tif", channels=4)


@pytest.mark.parametrize(
    ("shape", "options"),
    [((6, 7, 8), {"planarconfig": "contig"}), ((8, 6, 7), {"planarconfig": "separate"}), ((8, 6, 7), {})],
)
def test_many_bands_of_a_tiff_are_channels_in_sixteen_bits(tmp_path, shape, options):
    array = RNG.integers(0, 65536, shape, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "b.tif", array, photometric="minisblack", **options)
    chw = array if shape[0] == 8 else array.transpose(2, 0, 1)
    pixels = Images.open(tmp_path / "b.tif", channels=8).pixels
    assert np.allclose(pixels[0].numpy(), chw / 65535, atol=1e-7)


def test_sixteen_bit_colour_is_not_cut_down_to_eight(tmp_path):
    array = RNG.integers(0, 65536, (6, 7, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "rgb.tif", array, photometric="rgb")
    pixels = Images.open(tmp_path / "rgb.tif").pixels[0]
    assert np.allclose(pixels.numpy(), array.transpose(2, 0, 1) / 65535, atol=1e-7)


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch):
    tifffile.imwrite(
        tmp_path / "b.tif", np.zeros((6, 7, 8), np.uint8), photometric="minisblack", planarconfig="contig"
    )
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(MissingExtra, match=r"b\.tif: a TIFF of more than 4 bands.*convsight\[tiff\]"):
        Images.open(tmp_path / "b.tif")


def test_heic_is_read_with_its_plugin_and_names_it_without(tmp_path, monkeypatch):
    import pillow_heif

    grey = np.full((16, 16, 3), 128, np.uint8)
    pillow_heif.from_pillow(Image.fromarray(grey)).save(tmp_path / "phone.heic", quality=90)
    assert abs(float(Images.open(tmp_path / "phone.heic").pixels.mean()) - 128 / 255) < 0.02
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    with pytest.raises(ConvsightError, match="pillow-heif"):
        Images.open(tmp_path / "phone.heic")


@pytest.mark.parametrize(("highest", "top"), [(3000, 4095), (4095, 4095), (4096, 16383), (16384, 65535)])
def test_sixteen_bit_numbers_are_divided_by_their_real_range(highest, top):
    array = np.array([[0, highest]], np.uint16)
    opened = Images.open(array)
    assert opened.pixels.flatten().tolist() == pytest.approx([0, highest / top])
    assert bool(opened.notes) == (top != 65535)
    if opened.notes:
        assert f"reach {highest:,} at most" in opened.notes[0] and f"divided by {top:,}" in opened.notes[0]
    assert Images.open(array, bits=16).pixels.max().item() == pytest.approx(highest / 65535)


def test_one_range_holds_for_all_pictures_of_a_list(tmp_path):
    arrays = [np.full((4, 4), value, np.uint16) for value in (1000, 9000)]
    assert Images.open(arrays).pixels[:, 0, 0, 0].tolist() == pytest.approx([1000 / 16383, 9000 / 16383])
    for i, array in enumerate(arrays):
        Image.fromarray(array).save(tmp_path / f"{i}.png")
    opened = Images.open(tmp_path)
    assert opened.pixels[:, 0, 0, 0].tolist() == pytest.approx([1000 / 16383, 9000 / 16383]) and opened.notes
    with pytest.raises(InputError, match=r"9,000, which is more than bits=12 hold"):
        Images.open(arrays, bits=12)
    assert top_of([np.zeros(3)]) == (None, ())


def test_known_bits_scale_other_whole_numbers_too():
    assert Images.open(np.array([[0, 1023]]), bits=10).pixels.max() == 1
    with pytest.raises(InputError, match=r"0\.\.1024, where bits=10 hold 0\.\.1,023"):
        Images.open(np.array([[0, 1024]]), bits=10)


def test_channels_are_chosen_and_wrong_ones_refused():
    images = Images(torch.rand(2, 12, 4, 4), bands=(3, 2, 1))
    assert torch.equal(images.take_channels([3, 2, 1]).pixels, images.pixels[:, [3, 2, 1]])
    assert images[0].bands == (3, 2, 1)
    with pytest.raises(InputError, match="no channels.*there are 12, numbered 0 to 11"):
        images.take_channels([12])
    with pytest.raises(InputError, match="must name 3 channels"):
        Images(torch.rand(1, 12, 4, 4), bands=(1, 2))
    with pytest.raises(InputError, match="12 channels, where 3 channels .RGB. are wanted.*take_channels"):
        images.fit(None, 3)
    with pytest.raises(InputError, match="hold 1 or 3 channels, not 12"):
        images.save("x.png")
