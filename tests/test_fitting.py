"""Do pictures of several sizes come to one size as they should, and is it said what was lost?"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import convsight as cs
from convsight.errors import InputError, ModelError
from convsight.images import Images
from convsight.imaging.fitting import Loss, losses_in_words

WIDE = torch.zeros(1, 1, 10, 30)
WIDE[..., :10] = 1  # an object in the left third


def net(channels=3, size=32, **options):
    module = nn.Sequential(nn.Conv2d(channels, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return cs.Classifier(module.eval(), input_size=size, channels=channels, **options)


def test_the_three_ways_of_fitting_are_what_they_say():
    cropped, padded, stretched = (
        Images(WIDE).fit(10, fit=fit).pixels[0, 0] for fit in ("crop", "pad", "stretch")
    )
    assert torch.equal(cropped, torch.zeros(10, 10))
    assert (
        padded[4, 1] > 0.9 and padded[:3].max() == 0 and padded[7:].max() == 0 and padded[4, 6:].max() < 0.1
    )
    assert torch.allclose(stretched[:, :3], torch.ones(10, 3), atol=0.25) and stretched[:, 4:].max() == 0
    with pytest.raises(InputError, match="fit='squash' is not possible"):
        Images(WIDE).fit(10, fit="squash")


@pytest.mark.parametrize(
    ("size", "fit", "crop", "said"),
    [
        ((64, 192), "crop", 1.0, "p 67% (left and right)"),
        ((192, 64), "crop", 1.0, "p 67% (top and bottom)"),
        ((64, 79), "crop", 1.0, None),  # 1 - 64/79 = 0.19
        ((64, 81), "crop", 1.0, "p 21% (left and right)"),
        ((64, 64), "crop", 0.875, None),  # the network's own crop, as for every picture
        ((64, 79), "crop", 0.875, None),
        (
            (64, 81),
            "crop",
            0.875,
            "p 40% (all four sides) (of which 23% is the network's own",
        ),  # 1 - 0.875²·64/81
        ((64, 192), "pad", 1.0, "p 67%"),
        ((64, 192), "stretch", 1.0, "p 3.0-fold"),
        ((64, 70), "stretch", 1.0, None),
    ],
)
def test_more_than_a_fifth_is_said_with_its_name_and_share(size, fit, crop, said):
    words = losses_in_words([Loss.of("p", size, (64, 64), fit, crop)], (64, 64))
    assert words == () if said is None else said in words[0]


def test_the_note_counts_and_names_the_worst_files_first(tmp_path):
    for i, width in enumerate((64, 100, 192)):
        Image.fromarray(np.zeros((64, width, 3), np.uint8)).save(tmp_path / f"{i}.png")
    (note,) = Images.open(tmp_path, size=64).notes
    assert (
        "2 of 3 pictures" in note
        and note.index("2.png 67%") < note.index("1.png 36%")
        and "0.png" not in note
    )


def test_every_way_of_handing_over_several_sizes_gives_the_maps_of_one_by_one(tmp_path):
    rng, files, arrays, ours = np.random.default_rng(0), [], [], net()
    for i, shape in enumerate([(40, 60, 3), (64, 48, 3), (31, 31)]):
        files.append(tmp_path / f"{i}.png")
        arrays.append(rng.integers(0, 256, shape, dtype=np.uint8))
        Image.fromarray(arrays[-1]).save(files[-1])
    for fit in ("crop", "pad", "stretch"):
        alone = torch.cat([cs.saliency(ours, file, target=1, fit=fit).values for file in files])
        pictures = [Image.fromarray(a) for a in arrays]
        for given in (files, tmp_path, arrays, pictures, [torch.tensor(a) for a in arrays]):
            assert torch.allclose(cs.saliency(ours, given, target=1, fit=fit).values, alone, atol=1e-6)


def test_the_note_is_on_the_result_of_a_technique(tmp_path):
    Image.fromarray(np.zeros((64, 192, 3), np.uint8)).save(tmp_path / "wide.png")
    result = cs.gradcam(net(), tmp_path / "wide.png", target=0)
    assert any("wide.png 67% (left and right)" in note for note in result.notes)
    whole = cs.gradcam(net(), tmp_path / "wide.png", target=0, fit="pad")
    assert not any("cut away" in note for note in whole.notes) and any("padding" in n for n in whole.notes)


def test_padding_takes_the_mean_of_the_network():
    black = net().fit(Images(torch.ones(1, 3, 16, 32)), "pad").pixels
    mean = net(mean=(0.1, 0.2, 0.3)).fit(Images(torch.ones(1, 3, 16, 32)), "pad").pixels
    assert black[0, :, 0, 0].tolist() == [0, 0, 0]
    assert mean[0, :, 0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_networks_of_sequences_and_volumes_are_refused_with_what_is_taken():
    sequence = nn.Sequential(nn.Conv1d(3, 4, 3), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2))
    volume = nn.Sequential(nn.Conv3d(2, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2))
    for module, words in ((sequence, "Conv1d.*sequences"), (volume, "Conv3d.*volumes or films")):
        with pytest.raises(ModelError, match=rf"take pictures n×c×h×w.*{words}"):
            cs.Classifier(module, input_size=16, channels=2)

    class Rows(nn.Module):
        """A sequence network that takes pictures: it is none of ours to refuse."""

        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv1d(3 * 8, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(self.conv(x.flatten(1, 2)).mean(2))

    assert cs.Classifier(Rows(), input_size=8).scores(torch.rand(5, 3, 8, 8)).shape == (5, 2)
