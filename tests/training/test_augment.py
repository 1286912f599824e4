"""Does augmentation do to a batch what a slow loop over its pictures would?"""

import torch

from convsight.training.augment import Augment, alternating_coins, cut_out, mirrored, shifted


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_two_epochs_show_both_sides_of_every_picture():
    first, second = (alternating_coins(1000, epoch, seed=7) for epoch in (0, 1))
    assert (first ^ second).all()
    assert 400 < first.sum() < 600
    assert torch.equal(first, alternating_coins(1000, 2, seed=7))


def test_mirrored_swaps_left_and_right_where_the_coin_says_so():
    pixels = torch.arange(24, dtype=torch.uint8).view(2, 1, 3, 4)
    out = mirrored(pixels, torch.tensor([True, False]))
    assert torch.equal(out[0], pixels[0].flip(2))
    assert torch.equal(out[1], pixels[1])
    assert out.dtype == torch.uint8


def test_shifted_moves_every_channel_of_a_picture_by_the_same_whole_pixels():
    pixels = torch.randint(0, 256, (40, 3, 9, 11), generator=seeded(), dtype=torch.uint8)
    out = shifted(pixels, 2, seeded(1))
    seen = set()
    for before, after in zip(pixels, out, strict=True):
        padded = torch.nn.functional.pad(before[None].float(), (2, 2, 2, 2), mode="replicate")[0]
        places = [
            (dy, dx)
            for dy in range(5)
            for dx in range(5)
            if torch.equal(padded[:, dy : dy + 9, dx : dx + 11], after.float())
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert len(seen) > 10


def test_cut_out_fills_one_square_with_the_mean_and_touches_nothing_else():
    pixels = torch.rand(30, 3, 12, 12, generator=seeded())
    out = cut_out(pixels, 4, seeded(1))
    for before, after in zip(pixels, out, strict=True):
        changed = (before != after).any(0)
        rows, cols = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
        assert 2 <= len(rows) <= 4
        assert 2 <= len(cols) <= 4
        assert changed.sum() == len(rows) * len(cols)
        torch.testing.assert_close(after[:, changed], before.mean().expand(3, int(changed.sum())))


def test_nothing_is_done_unless_asked_for():
    pixels = torch.rand(4, 1, 8, 8)
    assert torch.equal(Augment()(pixels, torch.ones(4, dtype=torch.bool), seeded()), pixels)


def test_the_same_generator_gives_the_same_batch():
    augment = Augment(flip="random", shift_px=2, cutout_px=3)
    pixels, coins = torch.rand(16, 1, 10, 10), torch.zeros(16, dtype=torch.bool)
    assert torch.equal(augment(pixels, coins, seeded(5)), augment(pixels, coins, seeded(5)))
    assert not torch.equal(augment(pixels, coins, seeded(5)), augment(pixels, coins, seeded(6)))
