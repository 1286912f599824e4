"""Properties, odd pictures and small classes where the right answer is known."""

import torch

import convsight as cs
from convsight.checking.properties import OF_PIXELS, Properties, of_pixels
from convsight.checking.telling import tell
from convsight.datasets import dataset


def test_a_property_that_decides_the_class_is_found_and_noise_is_not() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2
    noise = torch.rand(200, generator=generator)
    deciding = labels + 0.2 * torch.rand(200, generator=generator)
    told = {
        t.name: t
        for t in tell(Properties(torch.stack([noise, deciding], 1), ("noise", "deciding")), labels, 2)
    }
    assert told["deciding"].recall == 1 and told["deciding"].skill == 1
    assert abs(told["noise"].recall - 0.5) < 0.12 and told["noise"].chance == 0.5
    assert told[""].recall > 0.95  # both together


def test_properties_of_pictures_made_by_hand() -> None:
    pixels = torch.zeros(2, 3, 20, 20)
    pixels[0, 0] = 1.0  # red
    pixels[1, :, ::2] = 1.0  # stripes
    values = dict(zip(OF_PIXELS, of_pixels(cs.Images(pixels)).T, strict=True))
    assert torch.allclose(values["brightness"], torch.tensor([1 / 3, 0.5]))
    assert values["saturation"].tolist() == [1.0, 0.0] and values["balance of red and green"].tolist() == [
        1.0,
        0.0,
    ]
    assert values["sharpness"][0] == 0 and values["sharpness"][1] > 1


def test_brightness_that_gives_the_class_away_is_a_finding_with_a_picture() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % 3
    pixels = 0.2 * torch.rand(120, 3, 16, 16, generator=generator) + 0.25 * labels[:, None, None, None]
    found = cs.check(dataset((pixels, labels), classes=["dark", "mid", "light"]))
    rows = [row for row in found.rows if row[1] == "statistic"]
    brightness = next(row for row in rows if row[7].startswith("The brightness alone"))
    assert (
        brightness[4] > 0.85 and "chance 33%" in brightness[7]
    )  # a stretch may hold the end of one class and the next
    assert all(row[0] and row[8] for row in rows)
    assert any("Image properties alone" in note for note in found.notes)


def test_a_class_with_few_test_pictures_says_what_that_means() -> None:
    labels = torch.tensor([0] * 60 + [1] * 8)
    pixels = torch.rand(68, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    found = cs.check(dataset((pixels, labels), classes=["many", "few"]))
    rows = [row for row in found.rows if row[1] == "few"]
    assert {row[2] for row in rows} >= {"few"}
    assert len({row[2] for row in rows}) == len(rows), "a class is one row, whatever it is short of"
    assert any("only known to be above" in row[7] for row in rows)
    # 1 of 1 right: Wilson's interval begins at 1 / (1 + z²) = 21%
    assert any("above 21%" in row[7] or "above 34%" in row[7] for row in rows if row[2] == "few")
