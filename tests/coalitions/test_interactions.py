"""The prior of interactions is the sum over all triples of regions, written out; windows lie around the regions."""

import itertools

import pytest
import torch
from torch import Tensor

from convsight.coalitions.exact import every, shapley_values
from convsight.coalitions.interactions import FLOOR, WINDOWS, interactions, windows
from convsight.coalitions.regions import grid


def listed(effects: Tensor, near: Tensor) -> tuple[list[tuple[int, ...]], Tensor]:
    """Every triple of regions, and the prior variance of its coefficient."""
    strength = (effects.abs() / effects.abs().mean() + FLOOR).sqrt()
    triples = list(itertools.combinations(range(len(effects)), 3))
    sums = [float(sum(w[list(t)].prod() for w in near) * strength[list(t)].prod()) for t in triples]
    variance = torch.tensor(sums, dtype=torch.float64)
    return triples, variance / variance.sum()


@pytest.mark.parametrize("near", [torch.ones(1, 6).double(), windows(grid((6, 4), 3, 2))])
def test_the_prior_is_that_of_all_triples_listed(near: Tensor) -> None:
    noise = torch.Generator().manual_seed(0)
    effects, shown = torch.randn(6, generator=noise).double(), every(6)
    x = 2.0 * shown.double() - 1
    found, (triples, variance) = interactions(x, effects, near), listed(effects, near)
    terms = torch.stack([x[:, list(t)].prod(1) for t in triples], 1)
    of_terms = shapley_values(terms)  # r × triples: each term's own Shapley values, by enumeration
    assert torch.allclose(found.among, terms * variance @ terms.T, atol=1e-12)
    assert torch.allclose(found.with_values, of_terms * variance @ terms.T, atol=1e-12)
    assert torch.allclose(found.of_values, of_terms * variance @ of_terms.T, atol=1e-12)


def test_a_region_is_nearest_to_itself_and_to_its_neighbours_whatever_the_sizes_number() -> None:
    of_grid = windows(grid((28, 28), 7, 7))
    assert of_grid.shape == (49, 49) and torch.equal(of_grid.diagonal(), torch.ones(49).double())
    assert of_grid[24, 25] == of_grid[24, 17] > of_grid[24, 16] > of_grid[24, 26]
    assert torch.allclose(windows(grid((224, 224), 7, 7)), of_grid)
    of_many = windows(grid((28, 28), 14, 14))
    assert of_many.shape == (49, 196) and len(of_many) <= WINDOWS and of_many[0, 1] > of_grid[0, 1]
    assert bool((of_many.amax(0) > 0.3).all())  # every region is in some window
