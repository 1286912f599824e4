"""Is a Gram matrix the mean product over places, and likeness the mean cosine over pairs?"""

from __future__ import annotations

import pytest
import torch

from convsight.dreaming.gram import gram, likeness


def test_a_gram_matrix_is_the_mean_product_by_a_slow_loop():
    maps = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    slow = torch.zeros(2, 3, 3)
    for n in range(2):
        for i in range(3):
            for j in range(3):
                slow[n, i, j] = sum(
                    float(maps[n, i, y, x] * maps[n, j, y, x]) for y in range(4) for x in range(5)
                )
    assert torch.allclose(gram(maps), slow / 20, atol=1e-6)


def test_a_gram_matrix_does_not_know_where():
    maps = torch.rand(1, 3, 4, 4)
    elsewhere = torch.roll(maps, (1, 2), (2, 3))
    assert torch.allclose(gram(maps), gram(elsewhere), atol=1e-6)


def test_likeness_is_the_mean_cosine_over_pairs():
    a, b = torch.zeros(2, 3, 3), torch.zeros(2, 3, 3)
    a[0], b[1] = 1.0, 1.0  # textures of different channels: cosine 0
    assert likeness(torch.stack([a, a])) == pytest.approx(1)
    assert likeness(torch.stack([a, b])) == pytest.approx(0)
    assert likeness(torch.stack([a, a, b])) == pytest.approx(1 / 3)
    assert likeness(a[None]) == 0
