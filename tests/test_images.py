"""Do files and arrays become the right pixels, and are bad ones refused with a reason?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from convsight import picture
from convsight.errors import DataError, DataNotFound, InputError, StorageError
from convsight.images import Images
from convsight.picture import cut_short, picture_header, read_picture

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (12, 20), dtype=np.uint8)


def saved(path, image, **options):
    image.save(path, **options)
    return path


def test_a_png_comes_back_to_the_grey_level(tmp_path):
    images = Images.open(saved(tmp_path / "a.png", Image.fromarray(COLOUR)))
    assert images.pixels.dtype == torch.float32 and images.pixels.shape == (1, 3, 12, 20)
    assert np.array_equal((images.pixels[0] * 255).numpy().transpose(1, 2, 0).round(), COLOUR)


def test_grey_stays_grey_and_one_bit_is_black_or_white(tmp_path):
    grey = Images.open(saved(tmp_path / "g.png", Image.fromarray(GREY)))
    assert grey.channels == 1
    assert torch.equal(grey.pixels[0, 0], torch.from_numpy(GREY) / 255)
    bits = Images.open(saved(tmp_path / "b.png", Image.fromarray(GREY > 99)))
    assert torch.equal(bits.pixels[0, 0], torch.from_numpy(GREY > 99).float())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_picture_as_the_standard_says(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "e.png", Image.fromarray(GREY), exif=exif)
    upright = {  # EXIF 2.32, table 6: where row 0 and column 0 of the stored picture belong
        1: GREY,
        2: GREY[:, ::-1],
        3: GREY[::-1, ::-1],
        4: GREY[::-1],
        5: GREY.T,
        6: GREY.T[:, ::-1],
        7: GREY.T[::-1, ::-1],
        8: GREY.T[::-1],
    }[orientation]
    assert np.array_equal((read_picture(path)[0] * 255).round().numpy(), upright)
    assert picture_header(path) == (upright.shape, 1)


def test_the_header_of_a_png_is_read_without_its_pixels(tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    before = saved(tmp_path / "before.png", Image.fromarray(GREY), exif=exif)
    parts = chunks(before.read_bytes())
    parts.insert(
        -1, parts.pop([kind for kind, _ in parts].index(b"eXIf"))
    )  # after the pixels: allowed, and rare
    after = tmp_path / "after.png"
    after.write_bytes(before.read_bytes()[:8] + b"".join(whole for _, whole in parts))
    assert picture_header(after) == picture_header(before) == ((20, 12), 1)
    assert torch.equal(read_picture(after), read_picture(before))

    def decoded(_image):
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImageFile, "load", decoded)
    assert picture_header(before) == ((20, 12), 1)
    assert picture_header(saved(tmp_path / "plain.png", Image.fromarray(COLOUR))) == ((12, 20), 3)


def chunks(png):
    """The chunks of a PNG's bytes as (kind, whole chunk)."""
    found, at = [], 8
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")
        found.append((png[at + 4 : at + 8], png[at:end]))
        at = end
    return found


def test_sixteen_bit_grey_is_divided_by_65535(tmp_path):
    deep = RNG.integers(0, 65536, (5, 7), dtype=np.uint16)
    for name in ("d.png", "d.tif"):
        pixels = read_picture(saved(tmp_path / name, Image.fromarray(deep)))
        assert torch.allclose(pixels[0], torch.from_numpy(deep / 65535).float(), atol=1e-7)


def test_a_float_file_outside_0_1_is_refused_with_its_range(tmp_path):
    path = saved(tmp_path / "f.tif", Image.fromarray(np.full((3, 3), 7, np.float32)))
    with pytest.raises(DataError, match=r"f\.tif.*7\.\.7.*0\.\.1"):
        Images.open(path)


def test_transparency_is_laid_on_white(tmp_path):
    rgba = np.concatenate([COLOUR, GREY[..., None]], axis=2)
    pixels = read_picture(saved(tmp_path / "t.png", Image.fromarray(rgba)))
    alpha = GREY[..., None] / 255
    by_hand = COLOUR / 255 * alpha + 1 - alpha
    assert np.abs(pixels.numpy().transpose(1, 2, 0) - by_hand).max() <= 1.01 / 255
    from_array = Images.open(rgba).pixels[0].numpy().transpose(1, 2, 0)
    assert np.abs(from_array - by_hand).max() < 1e-6


def test_grey_with_alpha_stays_grey(tmp_path):
    both = Image.merge("LA", [Image.fromarray(GREY), Image.new("L", (20, 12), 0)])
    assert torch.equal(read_picture(saved(tmp_path / "la.png", both)), torch.ones(1, 12, 20))


def test_palettes_are_looked_up_and_a_grey_palette_is_grey(tmp_path):
    red_or_blue = Image.fromarray((GREY > 127).astype(np.uint8)).convert("P")
    red_or_blue.putpalette([255, 0, 0, 0, 0, 255])
    path = saved(tmp_path / "p.png", red_or_blue)
    assert torch.equal(read_picture(path)[0], torch.from_numpy(GREY <= 127).float())
    assert picture_header(path) == ((12, 20), 3)
    path = saved(tmp_path / "g.gif", Image.fromarray(GREY))
    assert picture_header(path) == ((12, 20), 1)
    assert torch.equal(read_picture(path)[0], torch.from_numpy(GREY) / 255)


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    image = Image.fromarray((GREY > 127).astype(np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    path = saved(tmp_path / "pt.png", image, transparency=0)
    pixels = read_picture(path)
    assert torch.equal(pixels[1], torch.from_numpy(GREY <= 127).float()) and pixels[2].min() == 1


def test_cmyk_becomes_rgb(tmp_path):
    ink = Image.new("CMYK", (8, 8), (0, 255, 255, 0))  # no cyan, all magenta and yellow: red
    red, green, blue = read_picture(saved(tmp_path / "c.tif", ink)).mean((1, 2))
    assert red > 0.9 and green < 0.1 and blue < 0.1


def test_a_truncated_file_is_named_with_the_reason(tmp_path):
    path = saved(tmp_path / "whole.jpg", Image.fromarray(np.tile(COLOUR, (20, 20, 1))))
    assert not cut_short(path)
    half = tmp_path / "half.jpg"
    half.write_bytes(path.read_bytes()[:5000])
    assert cut_short(half)
    with pytest.raises(DataError, match=r"half\.jpg.*truncated"):
        Images.open(half)


def test_what_is_no_picture_is_said_to_be_none(tmp_path):
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"text\.jpg: not a picture"):
        Images.open(tmp_path / "text.jpg")
    with pytest.raises(DataError, match="empty"):
        Images.open(tmp_path / "empty.png")
    with pytest.raises(DataNotFound, match=r"no file .*gone\.png"):
        Images.open(tmp_path / "gone.png")
    assert picture_header(tmp_path / "text.jpg") is None


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = saved(tmp_path / "bomb.png", Image.new("1", (400, 300)))
    monkeypatch.setattr(picture, "MAX_PIXELS", 100_000)
    with pytest.raises(DataError, match=r"bomb\.png.*decompression bomb"):
        Images.open(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)  # Pillow's own refusal reads the same
    with pytest.raises(DataError, match="decompression bomb"):
        Images.open(path)


def test_a_folder_and_a_list_open_in_order_with_their_names(tmp_path):
    for name, value in (("b.png", 200), ("a.png", 100)):
        saved(tmp_path / name, Image.new("L", (4, 4), value))
    (tmp_path / "notes.txt").write_text("not a picture")
    images = Images.open(tmp_path)
    assert images.ids == ("a.png", "b.png")
    assert (images.pixels.mean((1, 2, 3)) * 255).round().tolist() == [100, 200]
    listed = Images.open([tmp_path / "b.png", np.zeros((4, 4), np.uint8)])
    assert (listed.pixels.mean((1, 2, 3)) * 255).round().tolist() == [200, 0]


def test_a_folder_of_folders_points_to_dataset(tmp_path):
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataNotFound, match=r"cats.*convsight\.dataset"):
        Images.open(tmp_path)


def test_mixed_sizes_need_a_size_and_mixed_colour_becomes_rgb(tmp_path):
    mixed = [np.zeros((8, 8), np.uint8), np.zeros((9, 12, 3), np.uint8)]
    with pytest.raises(InputError, match=r"2 sizes \(8×8, 9×12\).*size="):
        Images.open(mixed)
    assert Images.open(mixed, size=8).pixels.shape == (2, 3, 8, 8)
    assert Images.open(mixed, size=(6, 4), channels=1).pixels.shape == (2, 1, 6, 4)


@pytest.mark.parametrize(
    ("shape", "as_tensor", "expected"),
    [
        ((5, 7), False, (1, 1, 5, 7)),
        ((5, 7, 3), False, (1, 3, 5, 7)),
        ((3, 5, 7), False, (1, 3, 5, 7)),
        ((1, 5, 7), True, (1, 1, 5, 7)),
        ((6, 5, 7), False, (6, 1, 5, 7)),
        ((6, 5, 7, 3), False, (6, 3, 5, 7)),
        ((6, 1, 5, 7), True, (6, 1, 5, 7)),
        ((3, 5, 3), False, (1, 3, 3, 5)),  # ambiguous: numpy channels last,
        ((3, 5, 3), True, (1, 3, 5, 3)),  # tensors channels first
    ],
)
def test_array_layouts_are_understood(shape, as_tensor, expected):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    images = Images.open(torch.from_numpy(array) if as_tensor else array)
    assert images.pixels.shape == expected
    assert images.pixels.double().sum().item() == pytest.approx(array.sum() / 255, rel=1e-5)


def test_numbers_out_of_range_are_refused_with_their_range():
    with pytest.raises(InputError, match=r"\[0, 1\], not 0\.\.255; divide by 255"):
        Images.open(np.array([[0.0, 255.0]]))
    with pytest.raises(InputError, match=r"not -2\.\.1; undo the normalisation"):
        Images.open(torch.tensor([[-2.0, 1.0]]))
    with pytest.raises(InputError, match="NaN"):
        Images.open(torch.tensor([[float("nan"), 1.0]]))
    with pytest.raises(InputError, match=r"\[0, 1\], not inf\.\.inf"):
        Images(torch.full((1, 1, 2, 2), float("inf")))
    with pytest.raises(InputError, match=r"uint8.*int64 with 0\.\.9"):
        Images.open(np.arange(10).reshape(2, 5))


def test_rounding_just_outside_is_clamped():
    images = Images(torch.tensor([-1e-6, 1 + 1e-6]).reshape(1, 1, 1, 2))
    assert images.pixels.flatten().tolist() == [0, 1]


def test_other_things_are_refused_by_what_they_are():
    with pytest.raises(InputError, match="cannot make pictures from dict"):
        Images.open({})
    with pytest.raises(InputError, match="no pictures"):
        Images.open([])
    with pytest.raises(InputError, match="c 1 or more"):
        Images(torch.zeros(1, 0, 4, 4))
    with pytest.raises(InputError, match="2 pictures need labels"):
        Images(torch.zeros(2, 1, 4, 4), labels=torch.zeros(3, dtype=torch.int64))


def test_fit_covers_and_crops_the_centre():
    wide = torch.zeros(1, 1, 10, 30)
    wide[..., 10:20] = 1
    assert torch.equal(Images(wide).fit(10).pixels, torch.ones(1, 1, 10, 10))


def test_resizing_is_antialiased():
    lines = Images((torch.arange(64) % 4 == 0).float().expand(1, 1, 64, 64))  # which plain sampling misses
    small = lines.fit(16).pixels
    assert (small[..., 1:-1] - 0.25).abs().max() < 0.05


def test_grey_of_colour_is_the_luma_pillow_takes():
    ours = Images.open(COLOUR, channels=1).pixels[0, 0] * 255
    assert np.abs(ours.numpy() - np.array(Image.fromarray(COLOUR).convert("L"))).max() <= 1


def test_selections_keep_labels_classes_and_names():
    images = Images(torch.rand(5, 1, 2, 2), torch.arange(5), tuple("abcde"), tuple("vwxyz"))
    for index, expected in (
        (3, [3]),
        (-1, [4]),
        (slice(0, 5, 2), [0, 2, 4]),
        (slice(None, None, -2), [4, 2, 0]),
        ([4, 0], [4, 0]),
        (torch.tensor([True, False, False, True, False]), [0, 3]),
    ):
        chosen = images[index]
        assert chosen.labels.tolist() == expected
        assert chosen.ids == tuple("vwxyz"[i] for i in expected)
        assert torch.equal(chosen.pixels, images.pixels[expected])
    with pytest.raises(InputError, match="no picture 5; there are 5"):
        images[5]
    assert [image.ids[0] for image in images] == list("vwxyz")


def test_concat_joins_and_refuses_other_shapes():
    a, b = (
        Images(torch.rand(2, 1, 4, 4), torch.tensor([0, 1])),
        Images(torch.rand(1, 1, 4, 4), torch.tensor([2])),
    )
    assert Images.concat([a, b]).labels.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match="cannot be joined"):
        Images.concat([a, Images(torch.rand(1, 1, 5, 4))])


def test_saved_pictures_come_back_the_same(tmp_path):
    images = Images.open(np.stack([COLOUR, COLOUR[::-1]]))
    files = images.save(tmp_path / "out")
    assert [f.name for f in files] == ["00000.png", "00001.png"]
    assert torch.equal(Images.open(tmp_path / "out").pixels, images.pixels)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["00000.png", "00001.png"]
    with pytest.raises(InputError, match="ending"):
        images[0].save(tmp_path / "x.nonsense")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"x\.png"):
        images[0].save(tmp_path / "file" / "x.png")


def test_real_photos_open_at_one_size(shared_data):
    photos = Images.open(shared_data / "photos", size=64)
    assert photos.pixels.shape == (60, 3, 64, 64)
    assert 0.05 < photos.pixels.std() < 0.5
