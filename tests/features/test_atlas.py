"""Is every point's thumbnail where the payload says it is?"""

import json

import pytest
import torch
from torch import nn

import convsight as cs
from convsight.errors import InputError
from convsight.features.atlas import write_map
from convsight.features.selection import Selection


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=150)
    module = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.Linear(6, 10))
    net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    points, folder = cs.pca(net, data), tmp_path_factory.mktemp("map")
    write_map(points, Selection.of(data, "test"), folder, quality=95)
    return data, points, folder


def test_picture_i_is_at_its_cell_of_its_page(made):
    data, _, folder = made
    told = json.loads((folder / "map.json").read_text())
    (name,) = told["pages"]
    page = cs.Images.open(folder / name, channels=1).pixels[0, 0]
    h, w = told["thumbnail"]
    assert page.shape == (3 * h, 64 * w) and (h, w) == (28, 28)
    for i in (0, 63, 64, 149):
        row, column = i // told["across"], i % told["across"]
        cell = page[row * h : (row + 1) * h, column * w : (column + 1) * w]
        assert (cell - data.test[i].pixels[0, 0]).abs().mean() < 0.03
    assert page[2 * h :, 22 * w :].min() > 0.98  # beyond the last picture


def test_the_columns_are_the_maps(made):
    data, points, folder = made
    told = json.loads((folder / "map.json").read_text())
    torch.testing.assert_close(torch.tensor(told["xy"]).view(-1, told["dims"]), points.xy, atol=1e-4, rtol=0)
    assert told["ids"] == list(points.ids) and told["labels"] == data.test.labels.tolist()
    assert told["predicted"] == points.predicted.tolist() and told["classes"] == list(data.classes)


def test_pictures_of_another_selection_are_refused(made, tmp_path):
    data, points, _ = made
    with pytest.raises(InputError, match="other pictures than 40 train pictures"):
        write_map(points, Selection.of(data, "train"), tmp_path)
