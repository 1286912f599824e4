"""Pointing is the same for a map and for its coarse copy, and a map that is strong elsewhere does not point."""

import torch
import torch.nn.functional as F

from convsight.trust_checks.pointing import first_touching, points_at, share_around, share_on

TAG = torch.zeros(1, 28, 28, dtype=torch.bool)
TAG[0, 1:6, 22:27] = True  # touches the four cells of 4 × 4 pixels in rows 0 and 1, columns 5 and 6


def coarse(maps: torch.Tensor) -> torch.Tensor:
    """The mean of each of 7 × 7 cells, at every pixel of the cell."""
    return F.interpolate(F.avg_pool2d(maps[:, None], 4), scale_factor=4.0)[:, 0]


def test_a_coarse_copy_points_as_well_as_the_fine_map_but_has_less_on_the_tags_pixels() -> None:
    fine = TAG.float() + 0.01 * torch.rand(1, 28, 28, generator=torch.Generator().manual_seed(0))
    for maps in (fine, coarse(fine)):
        assert points_at(maps, TAG).tolist() == first_touching(maps, TAG).tolist() == [1.0]
    assert torch.allclose(share_around(fine, TAG), share_around(coarse(fine), TAG), atol=1e-5)
    assert float(share_on(fine, TAG)) > 0.8 > 0.5 > float(share_on(coarse(fine), TAG))


def test_shares_are_sums_by_hand() -> None:
    maps = torch.zeros(1, 28, 28)
    maps[0, 3, 24], maps[0, 0, 20], maps[0, 20, 4], maps[0, 5, 23] = 3.0, 1.0, 4.0, -1.0
    assert float(share_on(maps, TAG)) == 3 / 8  # of 3 + 1 + 4 positive ones
    # Cells: 3 (row 0, column 6), 1 (0, 5) and −1 (1, 5) touch the tag, 4 (5, 1) does not.
    assert float(share_around(maps, TAG)) == 4 / 8
    # Of the four strongest, 4, 3 and 1 are positive, and 3 and 1 touch the tag.
    assert first_touching(maps, TAG).tolist() == [2 / 4] and first_touching(-maps, TAG).tolist() == [1 / 4]
    assert points_at(maps, TAG).tolist() == [0.0] and points_at(-maps, TAG).tolist() == [1.0]


def test_a_map_without_anything_positive_points_nowhere() -> None:
    maps = torch.stack([torch.zeros(28, 28), -torch.ones(28, 28)])
    cue = TAG.expand(2, -1, -1)
    assert points_at(maps, cue).tolist() == first_touching(maps, cue).tolist() == [0.0, 0.0]
    assert bool(share_around(maps, cue).isnan().all()) and bool(share_on(maps, cue).isnan().all())
