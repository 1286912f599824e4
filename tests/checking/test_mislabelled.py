"""Suspects are those of cleanlab on the same probabilities, and planted errors come first."""

import numpy as np
import pytest
import torch
from torch import Tensor

from convsight.checking.mislabelled import confident_of, confusion, judge, judged


def probabilities(n: int = 300, k: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy probabilities of true classes, labels of which a tenth is wrong, and which."""
    generator = torch.Generator().manual_seed(seed)
    true = torch.arange(n) % k
    logits = torch.randn(n, k, generator=generator) + 3 * torch.nn.functional.one_hot(true, k)
    wrong = torch.rand(n, generator=generator) < 0.1
    labels = torch.where(wrong, (true + 1 + torch.randint(k - 1, (n,), generator=generator)) % k, true)
    return logits.softmax(1), labels, wrong


def average_precision(score: Tensor, wrong: Tensor) -> float:
    order = score.argsort(descending=True)
    found = wrong[order].float()
    return float((found.cumsum(0) / torch.arange(1, len(found) + 1) * found).sum() / found.sum())


@pytest.mark.filterwarnings("ignore")  # of the libraries that cleanlab takes along
def test_suspects_are_those_of_cleanlab_and_the_order_is_no_worse() -> None:
    count, rank = pytest.importorskip("cleanlab.count"), pytest.importorskip("cleanlab.rank")
    for seed in range(3):
        chances, labels, wrong = probabilities(seed=seed)
        given = (labels.numpy(), chances.double().numpy())
        _, theirs = count.compute_confident_joint(
            *given, calibrate=False, return_indices_of_off_diagonals=True
        )
        ours = judged(chances, labels)
        assert ours.suspect.nonzero()[:, 0].tolist() == sorted(np.asarray(theirs).tolist())
        quality = torch.from_numpy(rank.get_label_quality_scores(*given))
        assert average_precision(ours.suspicion, wrong) >= average_precision(-quality, wrong) - 0.01


def test_the_confident_class_by_hand() -> None:
    chances = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.85, 0.15]])
    labels = torch.tensor([0, 0, 1, 1])
    # means: class 0 of rows 0 and 1 is 0.8; class 1 of rows 2 and 3 is 0.475
    assert confident_of(chances, labels).tolist() == [0, 0, 1, 0]


def test_flipped_labels_come_first_and_get_their_class_back() -> None:
    generator = torch.Generator().manual_seed(0)
    true = torch.arange(200) % 4
    features = torch.randn(200, 6, generator=generator) + 8 * torch.nn.functional.one_hot(true, 6)
    labels = true.clone()
    flipped = torch.arange(0, 200, 21)  # of every class
    labels[flipped] = (true[flipped] + 1) % 4
    found = judge(features, labels, 4)
    worst = found.suspicion.argsort(descending=True)[: len(flipped)].sort().values
    assert worst.tolist() == flipped.tolist()
    assert torch.equal(found.suggested[flipped], true[flipped])
    assert found.suspect[flipped].all() and int(found.suspect.sum()) <= len(flipped) + 4


def test_copies_do_not_confirm_each_others_wrong_label() -> None:
    generator = torch.Generator().manual_seed(1)
    true = torch.arange(80) % 2
    features = torch.randn(80, 30, generator=generator) + 2 * torch.nn.functional.one_hot(true, 30)
    features[40:60] = features[0] + 0.01 * torch.randn(
        20, 30, generator=generator
    )  # twenty copies of a picture of class 0
    labels = true.clone()
    labels[0] = 1
    labels[40:60] = 1
    groups = torch.arange(80)
    groups[40:60] = 0
    apart, together = judge(features, labels, 2), judge(features, labels, 2, groups=groups)
    assert together.chances[0, 0] > apart.chances[0, 0] + 0.3


def told_surely(labels: torch.Tensor, k: int = 5) -> torch.Tensor:
    """Probabilities of a probe that is 96% sure of the true class, which is here number i modulo k."""
    true = torch.arange(len(labels)) % k
    return torch.full((len(labels), k), 0.04 / (k - 1)).scatter(1, true[:, None], 0.96)


def test_a_class_weighs_more_where_errors_go_to_it_and_none_does_where_they_are_random() -> None:
    true = torch.arange(1000) % 5
    taken = torch.where(
        (true == 0) & (torch.arange(1000) % 20 == 0), 1, true
    )  # one class for another, 50 times
    weights = confusion(told_surely(taken), taken)
    assert (
        weights[0, 1] > 2 * weights[~torch.eye(5, dtype=torch.bool)].median()
        and weights.diagonal().sum() == 0
    )

    lot = torch.Generator().manual_seed(0)
    wrong = torch.rand(1000, generator=lot) < 0.05
    random = torch.where(wrong, (true + 1 + torch.randint(4, (1000,), generator=lot)) % 5, true)
    torch.testing.assert_close(confusion(told_surely(random), random), 1 - torch.eye(5))


def test_a_label_that_is_never_told_surely_is_doubted_less_for_it() -> None:
    labels = torch.tensor([0] * 10 + [1] * 10)
    given = torch.tensor([0.5] * 9 + [0.3] + [0.9] * 9 + [0.3])
    chances = torch.stack(
        [torch.where(labels == 0, given, 1 - given), torch.where(labels == 1, given, 1 - given)], 1
    )
    suspicion = judged(chances, labels).suspicion
    assert suspicion[9] < suspicion[19], "0.3 says less of a class whose pictures get 0.48 on average"
