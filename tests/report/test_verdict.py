"""Does the verdict say of very many or very small classes only what is known?"""

import torch

from convsight.report.verdict import _worst
from convsight.training.evaluate import class_metrics


def measured(truth: list[int], said: list[int], k: int) -> dict:
    scores = torch.nn.functional.one_hot(torch.tensor(said), k).float()
    return class_metrics(scores, torch.tensor(truth), tuple(f"class {i}" for i in range(k)))


def test_of_classes_found_as_seldom_the_one_with_most_pictures_is_named_and_the_others_counted():
    test = measured([0, 1, 1, 2, 3, 3], [1, 0, 0, 0, 3, 3], 4)
    worst = _worst(test)
    assert worst is not None and worst.answer == "class 1"
    assert worst.sentence == (
        "0.0% of its 2 test pictures are found (95% interval 0.0% to 65.8%). 2 other classes are found as seldom."
    )


def test_where_all_is_found_no_class_is_worst():
    worst = _worst(measured([0, 1, 2], [0, 1, 2], 3))
    assert worst is not None
    assert (worst.answer, worst.sentence) == ("none", "All pictures of all 3 classes are found.")


def test_one_worst_class_is_told_with_what_it_is_taken_for():
    worst = _worst(measured([0, 1, 1, 1], [1, 1, 1, 1], 2))
    assert worst is not None and worst.answer == "class 0"
    assert worst.sentence == (
        "0.0% of its 1 test picture is found (95% interval 0.0% to 79.3%). Most often taken for class 1 (1 of 1)."
    )
