"""The linear head against scikit-learn, which solves the same problem in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from convsight.errors import DataError, InputError
from convsight.training import linear_head
from convsight.training.cross_validation import out_of_fold
from convsight.training.folds import folds
from convsight.training.linear_head import balanced, fit_head

N, D, K = 300, 12, 3


@pytest.fixture(scope="module")
def blobs() -> tuple[Tensor, Tensor]:
    """Features of very different scales, and the class of each row; the classes overlap."""
    random = torch.Generator().manual_seed(1)
    labels = torch.randint(0, K, (N,), generator=random)
    centres = torch.randn(K, D, generator=random)
    features = centres[labels] + 1.5 * torch.randn(N, D, generator=random)
    return features * torch.logspace(-2, 2, D) + 5, labels


def standardised(features: Tensor) -> np.ndarray:
    return ((features - features.mean(0)) / features.std(0, correction=0)).double().numpy()


@pytest.mark.parametrize("strength", [1.0, 0.01])
def test_probabilities_are_those_of_scikit_learn(blobs: tuple[Tensor, Tensor], strength: float) -> None:
    features, labels = blobs
    peer = LogisticRegression(C=1 / (N * strength), tol=1e-9, max_iter=5000)
    peer.fit(standardised(features), labels.numpy())
    head = fit_head(features, labels, strengths=[strength])
    expected = peer.predict_proba(standardised(features))
    np.testing.assert_allclose(head.answers(features).numpy(), expected, atol=2e-3)


def test_weights_of_pictures_are_those_of_scikit_learn(blobs: tuple[Tensor, Tensor]) -> None:
    features, labels = blobs
    rare = torch.cat([(labels == 0).nonzero()[:10, 0], (labels != 0).nonzero()[:, 0]])
    features, labels = features[rare], labels[rare]
    weights = balanced(labels)
    totals = torch.stack([weights[labels == k].sum() for k in range(K)])
    torch.testing.assert_close(totals, totals.mean().expand(K))
    peer = LogisticRegression(C=1 / (len(rare) * 0.1), class_weight="balanced", tol=1e-9, max_iter=5000)
    peer.fit(standardised(features), labels.numpy())
    head = fit_head(features, labels, strengths=[0.1], weights=weights)
    expected = peer.predict_proba(standardised(features))
    np.testing.assert_allclose(head.answers(features).numpy(), expected, atol=2e-3)


def test_labels_are_told_one_by_one_as_in_scikit_learn(blobs: tuple[Tensor, Tensor]) -> None:
    features, labels = blobs
    hot = torch.nn.functional.one_hot(labels, K)
    head = fit_head(features, hot, "multilabel", strengths=[0.05])
    for k in range(K):  # our loss is the mean over K labels, so each label's own penalty is K times as strong
        peer = LogisticRegression(C=1 / (N * 0.05 * K), tol=1e-9, max_iter=5000)
        peer.fit(standardised(features), hot[:, k].numpy())
        expected = peer.predict_proba(standardised(features))[:, 1]
        np.testing.assert_allclose(head.answers(features)[:, k].numpy(), expected, atol=2e-3)
    alone = fit_head(features, hot[:, 0], "binary", strengths=[0.05 * K])
    torch.testing.assert_close(alone.answers(features)[:, 0], head.answers(features)[:, 0], atol=2e-3, rtol=0)


def test_numbers_are_those_of_ridge_regression(blobs: tuple[Tensor, Tensor]) -> None:
    features, _ = blobs
    x = torch.tensor(standardised(features)).float()
    truth = torch.stack([x[:, 0] * 40 + x[:, 1] + 1000, x[:, 2].abs()], 1)
    spread = truth.std(0, correction=0).double().numpy()
    peer = Ridge(alpha=N * 0.2 * 2).fit(standardised(features), truth.double().numpy() / spread)
    head = fit_head(features, truth, "regress", strengths=[0.2])
    expected = peer.predict(standardised(features)) * spread
    np.testing.assert_allclose(head.answers(features).numpy(), expected, atol=5e-3, rtol=1e-4)


def test_strength_is_the_one_with_the_lowest_loss_on_validation(blobs: tuple[Tensor, Tensor]) -> None:
    features, labels = blobs
    head = fit_head(features[:60], labels[:60], validation=(features[60:], labels[60:]))
    for strength, said in head.tried:
        alone = fit_head(features[:60], labels[:60], strengths=[strength], n_outputs=K)
        loss = torch.nn.functional.cross_entropy(alone.scores(features[60:]), labels[60:])
        assert said == pytest.approx(float(loss), abs=2e-3)
    assert dict(head.tried)[head.strength] == min(said for _, said in head.tried)
    assert len(head.tried) > 3


def test_noise_is_held_smaller_than_what_tells_the_classes() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(80) % 2
    noise = torch.randn(80, 200, generator=random)
    sure, lost = noise.clone(), noise
    sure[:, 0] += 6 * labels
    assert fit_head(lost, labels).strength > 10 * fit_head(sure, labels).strength


def test_layer_answers_like_the_head(blobs: tuple[Tensor, Tensor]) -> None:
    features, labels = blobs
    head = fit_head(features, labels, strengths=[0.1])
    torch.testing.assert_close(head.layer()(features), head.scores(features))


def test_a_feature_that_never_varies_has_no_say() -> None:
    features = torch.tensor([[7.0, 0.0], [7.0, 1.0], [7.0, 4.0], [7.0, 5.0]])
    head = fit_head(features, torch.tensor([0, 0, 1, 1]), strengths=[0.1])
    assert head.weight[:, 0].abs().max() < 1e-6
    assert head.answers(features).argmax(1).tolist() == [0, 0, 1, 1]


def test_what_does_not_fit_is_named() -> None:
    x, y = torch.ones(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(InputError, match="no linear head for the task 'segment'"):
        fit_head(x, y, "segment")
    with pytest.raises(InputError, match=r"features n d and n targets .* \(4, 2\) and \(3,\)"):
        fit_head(x, y[:3])
    with pytest.raises(DataError, match="of 1 of 4 pictures are not finite"):
        fit_head(torch.tensor([[1.0], [2.0], [3.0], [float("nan")]]), y)
    with pytest.raises(InputError, match="4 pictures .* cannot be divided into 5 folds"):
        folds(4, 5)


def test_folds_spread_every_class_evenly() -> None:
    labels = torch.tensor([0] * 50 + [1] * 13 + [2] * 5)
    fold = folds(len(labels), 5, labels=labels, seed=3)
    for k in range(3):
        counts = fold[labels == k].bincount(minlength=5)
        assert counts.max() - counts.min() <= 1
    assert not torch.equal(fold, folds(len(labels), 5, labels=labels, seed=4))


def test_groups_stay_in_one_fold_and_classes_stay_even() -> None:
    random = torch.Generator().manual_seed(0)
    groups = torch.randint(0, 60, (200,), generator=random)
    labels = groups % 4
    fold = folds(200, 5, labels=labels, groups=groups, seed=0)
    for group in groups.unique():
        assert len(fold[groups == group].unique()) == 1
    for k in range(4):
        counts = fold[labels == k].bincount(minlength=5).double()
        assert counts.max() <= 2 * counts.mean()


def test_out_of_fold_answers_come_from_heads_that_did_not_see_the_picture(
    blobs: tuple[Tensor, Tensor],
) -> None:
    features, labels = blobs
    said = out_of_fold(features, labels, folds=4, seed=2, strengths=[0.1])
    fold = folds(N, 4, labels=labels, seed=2)
    for number in range(4):
        held = fold == number
        alone = fit_head(features[~held], labels[~held], strengths=[0.1])
        torch.testing.assert_close(said[held], alone.answers(features[held]))


def test_labels_drawn_at_random_are_not_told_out_of_fold() -> None:
    """With as many features as pictures any labels can be learned by heart, and none of it holds elsewhere."""
    random = torch.Generator().manual_seed(0)
    features, labels = torch.randn(200, 200, generator=random), torch.arange(200) % 2
    by_heart = fit_head(features, labels, strengths=[1e-4]).answers(features).argmax(1)
    assert (by_heart == labels).float().mean() == 1
    told = out_of_fold(features, labels).argmax(1)
    assert (told == labels).float().mean() < 0.6


@pytest.mark.parametrize("scores", [40, 500])
def test_the_loss_in_pieces_has_the_same_solution(
    blobs: tuple[Tensor, Tensor], scores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = blobs
    weights = balanced(labels)
    whole = fit_head(features, labels, strengths=[0.01], weights=weights)
    monkeypatch.setattr("convsight.training.head_solver.SCORES", scores)
    pieces = fit_head(features, labels, strengths=[0.01], weights=weights)
    torch.testing.assert_close(pieces.answers(features), whole.answers(features), atol=2e-3, rtol=0)


def test_of_many_pictures_a_part_chooses_the_strength(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convsight.training.linear_head.MOST", 60)
    sizes: list[int] = []
    solver = linear_head.Solver.__init__
    monkeypatch.setattr(
        linear_head.Solver, "__init__", lambda self, x, *rest: sizes.append(len(x)) or solver(self, x, *rest)
    )
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    labels = (x[:, 0] > 0).long()
    head = fit_head(x, labels, validation=(x[:50], labels[:50]))
    assert sizes == [60, 200], "60 to choose, all to fit"
    assert (head.answers(x).argmax(1) == labels).float().mean() > 0.95
