"""Is the confusion matrix of very many classes small in a file, and whole when it is read again?"""

import json

import torch

from convsight.results.confusion import for_file, from_file
from convsight.run import METRICS, Run
from convsight.storage import write_json
from convsight.training.evaluate import class_metrics


def measured(k: int, n: int) -> dict:
    """What is measured of n pictures of k classes of which every third is taken for the next class."""
    truth = torch.arange(n) % k
    said = torch.where(torch.arange(n) % 3 == 0, (truth + 1) % k, truth)
    scores = torch.nn.functional.one_hot(said, k).float()
    return class_metrics(scores, truth, tuple(f"class {i}" for i in range(k)))


def test_a_thousand_classes_are_kept_by_the_counts_that_are_not_nought_and_read_back_whole(tmp_path):
    test = measured(1000, 3000)
    assert from_file(json.loads(json.dumps(for_file(test)))) == test

    small = write_json(tmp_path / METRICS, {"test": for_file(test)})
    large = write_json(tmp_path / "dense.json", {"test": test})
    assert small.stat().st_size < 1e6 < 10e6 < large.stat().st_size

    run = Run(tmp_path)
    assert run.metrics["test"]["confusion"] == test["confusion"]
    assert sum(map(sum, run.metrics["test"]["confusion"])) == 3000


def test_a_matrix_of_few_classes_and_a_file_of_before_are_rows(tmp_path):
    few, many = measured(10, 90), measured(100, 900)
    assert for_file(few) == few
    write_json(tmp_path / METRICS, {"test": many, "cross_validation": few})  # as it was written before
    assert Run(tmp_path).metrics == {"test": many, "cross_validation": few}


def test_what_has_no_matrix_stays_as_it_is():
    assert for_file({}) == from_file({}) == {}
    assert for_file({"n": 3, "mae": 0.5}) == {"n": 3, "mae": 0.5}
