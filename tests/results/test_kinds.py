"""Every kind of result saves what it holds, and says what it cannot save as."""

import csv
import io
import json
import re

import numpy as np
import pyarrow.parquet
import pytest
import torch

from convsight.errors import InputError, StorageError
from convsight.images import Images
from convsight.results.kinds import Curve, Map, Pictures, Points, Ranking, Series, Table, Verdict

MAP = Map(
    title="M <b>",
    values=torch.tensor([[[0.0, -1.0], [2.0, 0.5]]]),
    signed=True,
    pictures=torch.rand(1, 1, 2, 2),
)
PICTURES = Pictures(title="P", images=torch.rand(5, 1, 6, 6), columns=3, captions=("one",))
ANIMATION = Pictures(title="A", images=torch.rand(4, 1, 6, 6), fps=4)
POINTS = Points(
    title="X",
    xy=torch.rand(6, 2),
    ids=tuple("abcdef"),
    labels=torch.tensor([0, 0, 1, 1, 2, 2]),
    classes=("u", "v", "w"),
)
RANKING = Ranking(
    title="R", ids=(("1", "2"),), distances=torch.tensor([[0.1, 0.2]]), labels=torch.tensor([[0, 1]]), classes=("u", "v"),
    query=Images(torch.rand(1, 1, 6, 6), labels=torch.tensor([0])), pictures=torch.rand(1, 2, 1, 6, 6),
)  # fmt: skip
CURVE = Curve(title="C", series=(Series("s", (1, 2), (0.5, 0.25)),), x_label="epoch", y_label="loss")
TABLE = Table(title="T", columns=("class", "n"), rows=(("a <b>", 3), ("b", 1234)), shade=True)
VERDICT = Verdict(found=False, sentence="Nothing found.")
EVERY = [MAP, PICTURES, ANIMATION, POINTS, RANKING, CURVE, TABLE, VERDICT]


@pytest.mark.parametrize("result", EVERY, ids=lambda r: f"{type(r).__name__} {r.title}")
def test_it_saves_as_everything_it_names(result, tmp_path) -> None:
    for suffix in result.suffixes:
        assert result.save(tmp_path / f"r.{suffix}").stat().st_size > 0
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["kind"] == type(result).__name__ and data["title"] == result.title


def test_the_numbers_come_back_from_npz(tmp_path) -> None:
    with np.load(MAP.save(tmp_path / "m.npz"), allow_pickle=False) as saved:
        np.testing.assert_array_equal(saved["values"], MAP.values.numpy())


def test_csv_holds_the_rows() -> None:
    read = list(csv.reader(io.StringIO(TABLE._encoded("csv").decode())))
    assert read == [["class", "n"], ["a <b>", "3"], ["b", "1234"]]
    assert CURVE._encoded("csv").decode().splitlines()[1:] == ["s,1,0.5", "s,2,0.25"]
    assert POINTS._encoded("csv").decode().splitlines()[1].startswith("a,u,")


def test_a_map_in_parquet_has_a_row_a_picture() -> None:
    points = Points(
        xy=torch.tensor([[1.0, 2.0], [3.0, 4.5]]), ids=("a", "b"), labels=torch.tensor([1, -1]),
        classes=("bag", "shoe"), predicted=torch.tensor([0, 1]), losses=torch.tensor([0.5, 0.25]),
    )  # fmt: skip
    rows = pyarrow.parquet.read_table(io.BytesIO(points._encoded("parquet"))).to_pylist()
    assert rows == [
        {"id": "a", "class": "shoe", "x": 1.0, "y": 2.0, "predicted": 0, "loss": 0.5},
        {"id": "b", "class": None, "x": 3.0, "y": 4.5, "predicted": 1, "loss": 0.25},
    ]


def test_html_escapes_what_users_named() -> None:
    assert "a &lt;b&gt;" in TABLE.html() and "<b>" not in re.sub(r"base64,[^\"]*", "", MAP.html())


def test_parts_stand_below(tmp_path) -> None:
    both = Table(title="T", columns=("a",), rows=((1,),), parts=(CURVE,))
    assert both.draw().shape[0] > CURVE.draw().shape[0]
    assert both.html().count("<figure") == 2 and both.data()["parts"][0]["kind"] == "Curve"
    with np.load(both.save(tmp_path / "b.npz")) as saved:
        assert "part0.s.y" in saved


def test_a_wrong_suffix_says_which_would_work(tmp_path) -> None:
    with pytest.raises(InputError, match=r"saved as \.png, \.npz, \.json, \.html; given 'docx'"):
        MAP.save(tmp_path / "m.docx")


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        MAP.save(tmp_path / "file" / "m.png")


def test_hover_values_are_small_enough_to_send() -> None:
    large = Map(values=torch.rand(2, 224, 224))
    assert len(json.dumps(large.data())) < 120_000


def test_it_shows_itself_in_a_notebook() -> None:
    assert (
        MAP._repr_html_().startswith('<figure class="convsight">')
        and "data:image/png;base64," in MAP._repr_html_()
    )
    assert "data:image/gif;base64," in ANIMATION._repr_html_()


def test_right_and_wrong_neighbours_are_told_apart_by_colour() -> None:
    from convsight.results import sheet

    page = RANKING.draw().reshape(-1, 3).tolist()
    assert list(sheet.RIGHT) in page and list(sheet.WRONG) in page


def test_empty_cells_and_nan_are_saved_too(tmp_path) -> None:
    table = Table(title="T", columns=("a", "b"), rows=((1, "x"), (None, None)))
    with np.load(table.save(tmp_path / "t.npz"), allow_pickle=False) as saved:
        assert saved["a"][0] == 1 and np.isnan(saved["a"][1]) and saved["b"].tolist() == ["x", ""]
    assert Map(values=torch.full((1, 2, 2), float("nan"))).data()["arrays"]["values"]["range"] is None
