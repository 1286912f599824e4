"""Does an epoch show what is hard, and some of what is easy, and does the training know what it left out?"""

from types import SimpleNamespace

import pytest
import torch

from convsight.training.focus import LastLosses, Share, share, shown

LOSSES = torch.rand(1000, generator=torch.Generator().manual_seed(5))


def draw(seed: int, of: Share):
    return shown(of, LOSSES, torch.Generator().manual_seed(seed))


def test_the_first_and_the_last_epoch_show_everything():
    for epoch in (0, 7):
        order, stand_for = draw(1, share(1000, epoch, 8, 0.4, 0.25))
        assert sorted(order.tolist()) == list(range(1000))
        assert torch.equal(stand_for, torch.ones(1000))


def test_the_opening_shows_some_and_what_it_left_out_comes_first() -> None:
    of = share(1000, 0, 8, 0.4, 0.25, opening=0.7)
    order, stand_for = draw(1, of)
    assert len(set(order.tolist())) == 700 == len(order)
    assert stand_for[order].sum() == pytest.approx(1000)
    losses = LastLosses(torch.full((1000,), torch.inf), torch.full((1000,), torch.inf))
    losses.note(order, LOSSES[order])
    second = share(1000, 1, 8, 0.4, 0.25, opening=0.7)
    shown_then, _ = shown(second, losses.now, torch.Generator().manual_seed(0))
    assert set(range(1000)) - set(order.tolist()) <= set(shown_then.tolist())
    assert share(1000, 0, 1, 1.0, 1.0, opening=0.3) == Share(1000), "an only epoch shows all"
    assert share(1000, 1, 2, 1.0, 1.0, opening=0.3) == Share(1000)


def test_between_them_the_hardest_are_always_shown_and_others_in_turn():
    of = share(1000, 3, 8, 0.4, 0.25)
    assert (of, len(of)) == (Share(400, 150, 600), 550)
    hardest = set(LOSSES.topk(400).indices.tolist())
    first, second = (set(draw(seed, of)[0].tolist()) for seed in (1, 2))
    assert len(first) == len(second) == 550
    assert hardest < first and hardest < second
    assert len((first & second) - hardest) < 80  # by chance 150 · 150 / 600 = 37.5
    assert draw(1, of)[0].tolist() != sorted(draw(1, of)[0].tolist(), key=lambda i: -LOSSES[i])


def test_what_was_left_out_is_stood_for():
    of = share(1000, 3, 8, 0.4, 0.25)
    means = []
    for seed in range(200):
        order, stand_for = draw(seed, of)
        assert stand_for[order].sum() == pytest.approx(1000, rel=1e-5)
        means.append((LOSSES * stand_for)[order].sum() / 1000)
    spread = torch.stack(means).std() / 200**0.5
    assert abs(torch.stack(means).mean() - LOSSES.mean()) < 4 * spread < 0.002


def test_no_easy_pictures_at_all_can_be_asked_for():
    order, _ = draw(0, share(1000, 1, 8, 0.4, 0.0))
    assert set(order.tolist()) == set(LOSSES.topk(400).indices.tolist())


def test_no_epoch_is_empty():
    assert len(share(1000, 1, 8, 0.0, 0.0)) == len(share(3, 1, 8, 0.1, 0.0)) == 1


def test_a_picture_never_seen_counts_as_hard():
    losses = LastLosses()
    losses.start(6, torch.device("cpu"))
    losses.note(torch.tensor([0, 1, 2, 4]), torch.tensor([9.0, 0.1, 0.2, 8.0]))
    assert losses.before.isinf().all()  # the epoch that is being shown was chosen by what was known before it
    losses.close(SimpleNamespace(world_size=1))
    order, _ = shown(Share(3, 0, 3), losses.before, torch.Generator())
    assert sorted(order.tolist()) == [0, 3, 5]


def test_processes_that_saw_different_pictures_choose_alike():
    both = [LastLosses(torch.full((5,), 3.0), torch.full((5,), 3.0)) for _ in range(2)]
    both[0].note(torch.tensor([0, 3]), torch.tensor([1.0, 2.0]))
    both[1].note(torch.tensor([1]), torch.tensor([0.5]))
    sent = []
    for losses in both:  # the first round only says what each process sends
        losses_before = LastLosses(losses.before.clone(), losses.now.clone())
        losses_before.close(
            SimpleNamespace(world_size=2, all_reduce=lambda x, reduce_op: sent.append(x) or x)
        )
    for losses in both:
        losses.close(SimpleNamespace(world_size=2, all_reduce=lambda x, reduce_op: sent[0] + sent[1]))
        assert losses.before.tolist() == [1.0, 0.5, 3.0, 2.0, 3.0]
