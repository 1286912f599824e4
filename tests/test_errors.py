"""What was wrong, what was given and what would work are fields of every error; the message has them in words."""

import pickle

import pytest

from convsight import errors
from convsight.methods import find_method


@pytest.mark.parametrize("kind", [
    errors.InputError, errors.DataError, errors.DataNotFound, errors.ModelError, errors.TrainingError, errors.StorageError,
])  # fmt: skip
def test_fields_make_the_message_and_survive_a_pickle(kind: type[errors.ConvsightError]) -> None:
    for error in (kind("no layer 'x'", given="x", works="there is y"), kind("no layer 'x'; none; at all")):
        twin = pickle.loads(pickle.dumps(error))
        assert str(twin) == str(error) and (twin.given, twin.works) == (error.given, error.works)
    assert str(kind("no layer 'x'", works="there is y")) == "no layer 'x'; there is y"
    assert str(errors.MissingExtra("umap", "umap", "UMAP")).startswith("UMAP needs umap")


def test_a_wrong_name_offers_the_others_in_a_field() -> None:
    with pytest.raises(errors.InputError) as raised:
        find_method("salency")
    assert "did you mean saliency" in raised.value.works and "; " not in raised.value.what
