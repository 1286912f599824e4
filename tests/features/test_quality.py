"""Are trustworthiness, neighbour preservation and label agreement what they say they are?"""

import numpy as np
import torch
from sklearn.manifold import trustworthiness as peer_trustworthiness

from convsight.datasets.sampling import some
from convsight.features.quality import judge, label_agreement


def spaces(n: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    high = torch.randn(n, 10, generator=torch.Generator().manual_seed(0))
    return high, high[:, :2] + 0.3 * torch.randn(n, 2, generator=torch.Generator().manual_seed(1))


def brute_neighbours(values: torch.Tensor, k: int) -> np.ndarray:
    distances = torch.cdist(values.double(), values.double()).fill_diagonal_(torch.inf)
    return distances.argsort(1)[:, :k].numpy()


def test_trustworthiness_is_scikit_learns():
    high, low = spaces()
    for k in (5, 10):
        expected = peer_trustworthiness(high.numpy(), low.numpy(), n_neighbors=k)
        assert abs(judge(high, low, None, k=k).trustworthiness - expected) < 1e-6


def test_preservation_and_agreement_are_what_a_slow_loop_counts():
    high, low = spaces()
    labels = torch.arange(300) % 4
    above, below = brute_neighbours(high, 10), brute_neighbours(low, 10)
    kept = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(above, below, strict=True)])
    shared = [
        np.mean([(labels[f] == labels[i]).float().mean() for i, f in enumerate(b)]) for b in (below, above)
    ]
    found = judge(high, low, labels, k=10)
    np.testing.assert_allclose(
        [found.preservation, found.agreement, found.agreement_before], [kept, *shared], rtol=1e-6
    )
    assert abs(label_agreement(high, labels)[0] - shared[1]) < 1e-6


def test_labels_of_which_each_occurs_once_agree_with_nothing_and_nothing_is_said():
    high, low = spaces()
    found = judge(high, low, torch.arange(300))
    assert found.agreement is None and "label" not in found.sentence("the features")


def test_a_perfect_map_scores_one_and_a_random_one_about_a_half():
    high, _ = spaces()
    perfect = judge(high, high, None)
    random = judge(high, torch.rand(300, 2, generator=torch.Generator().manual_seed(5)), None)
    assert perfect.trustworthiness == 1 and perfect.preservation == 1
    assert 0.4 < random.trustworthiness < 0.6 and random.preservation < 0.1


def test_a_sample_estimates_the_whole():
    high, low = spaces(1500)
    whole, sampled = judge(high, low, None, sample=1500), judge(high, low, None, sample=400)
    assert sampled.sampled == 400 and abs(whole.trustworthiness - sampled.trustworthiness) < 0.01


def test_few_pictures_still_get_a_number():
    high, low = spaces(4)
    assert 0 <= judge(high, low, torch.zeros(4, dtype=torch.int64)).trustworthiness <= 1


def test_the_sample_follows_the_seed():
    assert torch.equal(some(100, 10, 3), some(100, 10, 3)) and not torch.equal(
        some(100, 10, 3), some(100, 10, 4)
    )
    assert some(5, 10, 0).tolist() == [0, 1, 2, 3, 4]
