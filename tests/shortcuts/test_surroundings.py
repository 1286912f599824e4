"""Objects are cut out, set into other surroundings, and what that does is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.shortcuts.known_scenes import CLASSES, Looks, discs, looking, scenes

import convsight as cs
from convsight.datasets.pixels import MemoryStore, to_unit
from convsight.errors import DataNotFound, InputError
from convsight.imaging.barrier import barrier_distance
from convsight.imaging.filling import filled
from convsight.imaging.lab import lab
from convsight.picture import to_uint8, write_picture
from convsight.results.kinds import Pictures
from convsight.shortcuts.around import (
    chosen_around,
    confirmed_around,
    explored_around,
    joined,
    settled,
)
from convsight.shortcuts.candidates import PARTS, Candidate
from convsight.shortcuts.cutouts import Cutouts, key
from convsight.shortcuts.drawn_masks import drawn_masks
from convsight.shortcuts.evidence import evidence
from convsight.shortcuts.exposure import Cast
from convsight.shortcuts.find import find_shortcuts
from convsight.shortcuts.fix import _changed
from convsight.shortcuts.gallery import _rows
from convsight.shortcuts.localise import overlap
from convsight.shortcuts.mixed import Mixed
from convsight.shortcuts.objects import object_mask, without_thin_to_rim
from convsight.shortcuts.precedence import told_apart as named
from convsight.shortcuts.probes import Probe, Region, surroundings_vary
from convsight.shortcuts.reliance import groups
from convsight.shortcuts.sample import Half, Sample, draw_sample
from convsight.shortcuts.saved import described, rebuilt
from convsight.shortcuts.search import Tried
from convsight.shortcuts.steadied import disturbance, most_alike, steadied
from convsight.shortcuts.surroundings import Surroundings, told_apart
from convsight.shortcuts.swap import swapped
from convsight.shortcuts.transplant import Effect


def test_lab_has_the_colours_of_the_standard():
    rgb = torch.tensor([[1.0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]).view(4, 3, 1, 1)
    known = torch.tensor([[100.0, 0, 0], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [0, 0, 0]])
    assert torch.allclose(lab(rgb)[:, :, 0, 0], known, atol=0.05)


def test_a_barrier_is_the_range_that_the_best_path_crosses():
    """Against every path of a 4 × 4 picture: the two inner rows are reached through any neighbour."""
    picture = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    values = picture[0, 0]

    def best(y: int, x: int, seen: tuple[tuple[int, int], ...]) -> float:
        crossed = torch.stack([values[p] for p in (*seen, (y, x))])
        if y in (0, 3) or x in (0, 3):
            return float(crossed.max() - crossed.min())
        steps = [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        return min(best(*p, (*seen, (y, x))) for p in steps if p not in seen)

    found = barrier_distance(picture, rounds=4)[0]
    for y, x in ((1, 1), (1, 2), (2, 1), (2, 2)):
        assert float(found[y, x]) == pytest.approx(best(y, x, ()))
    assert float(found[0].abs().max()) == 0


def test_a_hole_is_filled_with_what_lies_around_and_nothing_else_changes():
    picture = torch.full((1, 3, 20, 20), 0.25)
    picture[:, 0] = 0.75
    hole = torch.zeros(1, 20, 20, dtype=torch.bool)
    hole[:, 5:14, 6:15] = True
    spoilt = torch.where(hole[:, None], 1.0, picture)
    assert torch.allclose(filled(spoilt, hole, torch.Generator().manual_seed(0)), picture, atol=1e-5)


def test_objects_are_found_by_being_unlike_the_rim():
    labels = torch.arange(12) % 3
    pixels, masks = discs(labels, labels.roll(1), labels.roll(2))
    found = object_mask(pixels)
    assert min(overlap(a, b) for a, b in zip(found, masks, strict=True)) > 0.8


def test_what_stands_beside_the_object_is_no_part_of_it():
    """A grey disc in the middle, on a leash, and a loud red sign in the corner."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = (y - 34).square() + (x - 30).square() < 13**2
    sign = (y < 18) & (y > 4) & (x > 46) & (x < 60)
    leash = ((y + x - 64).abs() < 1) & (x > 30)
    picture = torch.full((3, 64, 64), 0.6) + 0.02 * torch.rand(
        3, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    for where, colour in (
        (leash, (0.5, 0.3, 0.1)),
        (disc, (0.35, 0.35, 0.4)),
        (sign, (0.95, 0.05, 0.05)),
    ):
        picture = torch.where(where, torch.tensor(colour).view(3, 1, 1), picture)
    found = object_mask(picture[None])[0]
    assert overlap(found, disc) > 0.75
    assert not found[:, 48:].any()
    alone = torch.where(disc | leash, torch.tensor(0.6), picture)
    assert not object_mask(alone[None]).any()  # a sign in the corner is no object


def test_a_leash_goes_and_a_tail_stays():
    body, leash, tail = np.zeros((3, 64, 64), dtype=bool)
    body[20:44, 20:44], leash[30:32, 44:], tail[25:27, 8:20] = True, True, True
    kept = without_thin_to_rim(body | leash | tail, 1)
    assert kept[:, :44].sum() == (body | tail).sum()
    assert not kept[:, 44:].any()


def test_a_plain_picture_has_no_object():
    plain = torch.full((2, 3, 32, 32), 0.5)
    assert not object_mask(plain).any()
    assert not Cutouts().able(plain).any()


def test_pasting_keeps_the_object_and_brings_the_other_pictures_surroundings():
    labels = torch.tensor([0, 1])
    pixels, masks = discs(labels, labels, labels)
    cutouts = Cutouts({key(p): m for p, m in zip(pixels, masks, strict=True)})
    onto, of = pixels[:1], pixels[1:]
    pasted = Surroundings(cutouts=cutouts).paste(onto, of)[0]
    inner = torch.nn.functional.avg_pool2d(masks[:1, None].float(), 7, 1, 3, count_include_pad=False)[0, 0]
    assert torch.allclose(pasted[:, inner == 1], onto[0][:, inner == 1], atol=1e-4)
    outside = (inner == 0) & ~masks[1]
    outside &= torch.nn.functional.max_pool2d(masks[1:, None].float(), 3, 1, 1)[0, 0] == 0
    assert (pasted - of[0]).abs()[:, outside].max() < 0.01
    gone = (inner == 0) & masks[1]
    behind = pasted[:, gone] - of[0][:, gone]
    assert behind.abs().mean() > 0.2  # the donor's object is not brought along


def test_only_the_lower_half_is_exchanged():
    labels = torch.tensor([0, 1])
    pixels, masks = discs(labels, labels, labels)
    cutouts = Cutouts({key(p): m for p, m in zip(pixels, masks, strict=True)})
    probe = Surroundings("lower", cutouts=cutouts)
    pasted = probe.paste(pixels[:1], pixels[1:])
    assert torch.allclose(pasted[:, :, :8], pixels[:1, :, :8], atol=0.01)
    assert (pasted[:, :, -4:] - pixels[:1, :, -4:]).abs().mean() > 0.1
    assert not probe.marks(pixels)[:, :15].any()


def test_the_probe_is_made_again_from_what_is_saved():
    labels = torch.arange(24) % 2
    pixels, _ = discs(labels, labels, labels)
    probe = Surroundings("upper").telling(pixels[labels == 0], pixels[labels == 1])
    again = rebuilt(*described(probe))
    assert isinstance(again, Surroundings)
    assert torch.equal(again.strength(pixels), probe.strength(pixels))
    assert ((probe.strength(pixels) > 0) == (labels == 0)).all()


def test_directions_give_each_value_to_its_class():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    values = torch.randn(90, 5, generator=g) * 0.3 + 3 * torch.eye(3, 5)[labels]
    centre, directions = told_apart(values, labels, 3)
    assert ((values - centre) @ directions).argmax(1).eq(labels).all()


def test_draws_are_averaged_and_recipients_counted():
    flipped = torch.tensor([1, 1, 0, 0, 1, 0, 1, 0], dtype=torch.bool)  # two draws of four recipients
    control = torch.tensor([0, 0, 0, 1, 0, 0, 0, 0], dtype=torch.bool)
    effect = Effect(flipped, control, draws=2)
    assert effect.n == 4
    assert effect.steps.tolist() == [1.0, 0.5, 0.5, -0.5]
    assert effect.p_value == pytest.approx(5 / 16)  # three heads or more of four
    low, high = effect.interval()
    assert low < effect.difference < high


def around(
    weight: float, rows: slice = slice(None), lower_only: bool = False
) -> tuple[list[Tried], Tried | None]:
    """What the surroundings of the balls do on both halves."""
    net = looking(weight, rows)
    sample = draw_sample(net, scenes(lower_only=lower_only).test)
    tried = explored_around(net, sample.explore, 0, Cutouts(), seed=0)
    best = chosen_around(tried)
    return tried, None if best is None else confirmed_around(net, sample, best, seed=0)


def test_a_network_that_looks_at_the_object_is_not_accused():
    tried, confirmed = around(0.0)
    assert [t.effect.difference for t in tried] == pytest.approx([0, 0, 0], abs=0.03)
    assert confirmed is None


def test_the_lower_half_is_named_where_only_that_is_looked_at():
    _, confirmed = around(200.0, slice(20, None), lower_only=True)
    assert confirmed is not None
    assert confirmed.candidate.probe.numbers() == {"part": "lower"}
    assert confirmed.effect.difference > 0.9


def test_a_half_is_named_only_if_it_surely_does_more_than_the_other():
    whole, upper, lower = (
        fake(share, Surroundings(part)) for share, part in ((0.08, "all"), (0.08, "upper"), (0.02, "lower"))
    )
    assert chosen_around([whole, upper, lower]) is whole  # of 100 recipients 8 and 2
    clear = [fake(0.3, Surroundings()), fake(0.3, Surroundings("upper")), lower]
    assert chosen_around(clear) is clear[1]
    assert chosen_around([fake(0.02, Surroundings(part)) for part in ("all", "upper", "lower")]) is None


def test_weak_leanings_are_measured_on_both_halves():
    """A seventh of the recipients turn: one half leaves it open whether that is more than what is asked."""
    net, sample = looking(), draw_sample(looking(), scenes().test)
    (whole, *_) = explored_around(net, sample.explore, 0, Cutouts(), seed=0)
    weak, strong, none = (some_turned(whole, sample, share) for share in (0.14, 0.9, 0.0))
    assert [settled(t) for t in (weak, strong, none)] == [False, True, True]
    both = joined(weak, strong)
    assert both.effect.n == weak.effect.n + strong.effect.n
    assert both.effect.difference == pytest.approx((weak.effect.difference + strong.effect.difference) / 2)
    assert both.effect.steps.tolist() == [*weak.effect.steps.tolist(), *strong.effect.steps.tolist()]
    n = len(sample.confirm.pixels)
    once = both.onto.view(both.effect.draws, -1)
    assert (once == once[0]).all()  # the same recipient in every draw
    assert torch.equal(
        both.half.pixels[once[0, weak.effect.n :]], sample.confirm.pixels[strong.onto[: strong.effect.n]]
    )
    assert (once[0] < n).sum() == weak.effect.n


def some_turned(like: Tried, sample: Sample, share: float) -> Tried:
    """Recipients of the half for measuring, of which that share turns in each of two draws."""
    onto = (sample.confirm.labels != 0).nonzero().flatten()[:40]
    many, draws = onto.repeat(2), 2
    effect = Effect((torch.arange(40) < 40 * share).repeat(draws), torch.zeros(80).bool(), draws)
    return Tried(0, like.candidate, sample.confirm, effect, many, many, many, effect)


def test_a_clear_effect_is_measured_on_one_half_and_a_weak_one_on_both():
    sample = draw_sample(looking(), scenes().test)
    (whole, *_) = explored_around(looking(200.0), sample.explore, 0, Cutouts(), seed=0)
    clear = confirmed_around(looking(200.0), sample, whole, seed=0)
    assert clear is not None and len(clear.half.pixels) == len(sample.confirm.pixels)
    weak = confirmed_around(looking(55.0), sample, whole, seed=0)
    assert weak is not None and len(weak.half.pixels) == sample.n
    assert weak.p_value < 0.001  # one half alone gives 0.004
    assert (weak.half.labels[weak.onto] != 0).all() and (weak.half.labels[weak.of] == 0).all()
    of_own_half = (weak.onto < len(sample.confirm.pixels)) == (weak.of < len(sample.confirm.pixels))
    assert of_own_half.all()


def test_what_is_called_the_class_already_is_a_recipient_too():
    """Where surroundings vary within the classes, those are the objects that they have turned."""
    net = looking(200.0)
    sample = draw_sample(net, scenes(own=0.75).test)
    (whole, *_) = explored_around(net, sample.explore, 0, Cutouts(), seed=0)
    t = confirmed_around(net, sample, whole, seed=0)
    assert t is not None
    called = (sample.confirm.labels != 0) & (sample.confirm.predicted == 0)
    assert called.any() and set(called.nonzero().flatten().tolist()) <= set(t.onto.tolist())


def test_donors_of_the_control_are_other_pictures_in_other_surroundings():
    net, data = looking(weight=200.0), scenes(own=0.75)
    sample = draw_sample(net, data.test)
    tried = explored_around(net, sample.explore, 0, Cutouts(), seed=0)
    best = chosen_around(tried)
    assert best is not None
    confirmed = confirmed_around(net, sample, best, seed=0)
    assert confirmed is not None
    for t in (*tried, confirmed):
        assert (t.others != t.onto).all()
        assert (t.half.labels[t.others] != t.target).all()
        assert (t.half.labels[t.of] == t.target).all()
        assert (t.candidate.probe.strength(t.half.pixels[t.others]) <= 0).all()
        own = t.half.labels[t.others] == t.half.labels[t.onto]
        assert 0.3 < float(own.float().mean()) < 0.7  # of two other classes, the recipient's own is one


def test_what_scissors_do_is_taken_off():
    net, data = looking(), scenes()
    sample = draw_sample(net, data.test)
    half, probe = sample.confirm, Surroundings()
    onto = (half.labels != 0).nonzero().flatten()[:40]
    change = disturbance(net, half, probe, onto)
    for of in most_alike(half, probe, onto):
        assert (of != onto).all()
        assert float((half.labels[of] == half.labels[onto]).float().mean()) > 0.9  # stripes look like stripes
    once = [
        net.scores(probe.paste(half.pixels[onto], half.pixels[of])) for of in most_alike(half, probe, onto)
    ]
    assert torch.allclose(change + net.scores(half.pixels[onto]), torch.stack(once).mean(0), atol=1e-4)
    push = torch.zeros(40, 3)
    push[:, 0] = 100.0
    nearly = net.scores(half.pixels[onto])
    nearly[:, 0] = (
        nearly.max(1).values - 1e-3
    )  # as they are, all but balls; a change of their scores could turn them
    scores = nearly + change
    third = torch.where(
        half.labels[onto] == 1, (half.labels == 2).nonzero()[0], (half.labels == 1).nonzero()[0]
    )
    quiet = steadied(net, half, probe, 0, onto, third, (scores, scores), 1)
    assert (
        quiet.flip_rate == 0
    )  # the scores are those of the pictures themselves once the change is taken off
    loud = steadied(net, half, probe, 0, onto, third, (scores + push, scores), 1)
    assert loud.difference == 1
    own = steadied(
        net,
        half,
        probe,
        0,
        onto,
        torch.where(half.labels[onto] == 1, third, onto),
        (scores + push, scores),
        1,
    )
    assert own.difference == pytest.approx(
        float((half.labels[onto] == 1).float().mean())
    )  # its own class counts for nothing


def fake(difference: float, probe: Probe, margin: float = 0.0) -> Tried:
    """A candidate that turned so many of 100 recipients."""
    flipped = torch.arange(100) < 100 * difference
    half = Half(torch.zeros(1, 3, 4, 4), torch.zeros(1).long(), torch.zeros(1).long(), ("0",))
    index = torch.zeros(100).long()
    effect = Effect(flipped, torch.zeros(100).bool())
    return Tried(0, Candidate(probe, margin), half, effect, index, index, index)


def test_what_explains_the_flips_is_named():
    ground, stamp = fake(0.6, Surroundings()), Region(torch.ones(4, 4).bool())
    tint = Cast((1.0, 1.1, 0.9), 0.0)
    window = fake(0.6, stamp, PARTS)
    tag, weak_tag = fake(0.5, stamp), fake(0.2, stamp)
    assert named(tag, ground) == [tag]
    assert named(weak_tag, ground) == [ground, weak_tag]
    assert named(fake(0.5, tint), ground) == [ground]
    cast = fake(0.7, tint)
    assert named(cast, ground) == [cast]
    assert named(window, ground) == [ground]
    assert named(None, ground) == [ground]


def test_what_turns_by_surroundings_alone_is_shown_first():
    turned, index = fake(0.6, Surroundings()), torch.arange(100)
    surely = Effect((index >= 30) & (index < 40), torch.zeros(100).bool())
    assert set(_rows(replace(turned, steadied=surely), seed=0).tolist()) <= set(range(30, 40))
    assert set(_rows(turned, seed=0).tolist()) - set(range(30, 40))


@pytest.fixture(scope="module")
def leaning():
    return cs.find_shortcuts(looking(weight=200.0), scenes(), target="ball")


def test_a_network_that_leans_on_surroundings_is_told_so(leaning):
    first = leaning[0]
    assert (first.found, first.target, first.kind) == (True, CLASSES[0], "surroundings")
    assert first.flip_rate > 0.9
    assert first.control_rate < 0.05
    assert first.sentence.startswith(
        "Ball leans on its surroundings. Put in the surroundings of ball pictures,"
    )
    assert "of coin and plate pictures are called ball" in first.sentence
    assert first.prevalence == pytest.approx(1.0, abs=0.05)


def test_only_surroundings_are_tried_if_that_is_asked(leaning):
    alone = cs.find_shortcuts(looking(weight=200.0), scenes(), target="ball", only="surroundings")
    assert [v.kind for v in alone] == ["surroundings"] and alone[0].found
    assert alone[0].flip_rate == leaning[0].flip_rate
    quiet = cs.find_shortcuts(looking(), scenes(), target="ball", only="surroundings")[0]
    assert not quiet.found and "compression" not in quiet.caption
    with pytest.raises(InputError, match="only='snow' is not possible"):
        cs.find_shortcuts(looking(), scenes(), only="snow")


def test_of_a_thousand_classes_those_of_the_pictures_are_audited():
    class Wide(Looks):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.pad(super().forward(x), (0, 997), value=-100.0)

    names = (*CLASSES, *(f"no{i}" for i in range(997)))
    net = cs.Classifier(Wide(200.0).eval(), classes=names, input_size=32, channels=3)
    verdicts = cs.find_shortcuts(net, scenes(), only="surroundings")
    assert verdicts[0].found and verdicts[0].target == "ball"
    assert "candidates were tried for 3 of 1,000 classes on 144 pictures" in verdicts[0].notes[-1]
    assert {v.target for v in verdicts} <= set(CLASSES)


def test_the_evidence_counts_what_speaks_against(leaning):
    known, usual, such = leaning[0].parts[0], leaning[0].notes[0], leaning[0].notes[1]
    assert isinstance(known, Pictures)
    assert set(known.captions) == {"says ball"}
    assert "pictures of ball are in other surroundings" in usual
    assert such.startswith("To collect: pictures of ball in the surroundings of coin and plate,")


def test_counter_examples_are_those_of_the_data():
    net, data = looking(200.0), scenes(own=0.75)
    sample = draw_sample(net, data.test)
    (whole, *_) = explored_around(net, sample.explore, 0, Cutouts(), seed=0)
    found = evidence(net, sample, whole)
    strange = next(p for p in found.pictures if p.title.endswith("ball in other surroundings"))
    down, right = (strange.images[..., :3].diff(dim=axis).abs().mean((1, 2, 3)) for axis in (2, 3))
    assert float((down < 2 * right).float().mean()) > 0.8  # hardly any has the stripes that lie behind balls
    said = [caption != "says ball" for caption in strange.captions]
    assert said == [not right for right in strange.right]


def test_mixed_surroundings_say_nothing_of_the_class():
    split = scenes().train
    mixed = Mixed(split.store, split.labels, Surroundings(), 1.0, torch.Generator().manual_seed(0))
    index = torch.arange(len(split))
    before, after = (to_unit(store.read(index)) for store in (split.store, mixed))
    balls = split.labels == 0
    probe = Surroundings().telling(before[balls], before[~balls])
    assert float((probe.strength(before[balls]) > 0).float().mean()) > 0.95
    for members in (balls, ~balls):
        assert float((probe.strength(after[members]) > 0).float().mean()) == pytest.approx(1 / 3, abs=0.15)
    masks = object_mask(before)
    kept = torch.nn.functional.avg_pool2d(masks[:, None].float(), 5, 1, 2)[:, 0] == 1
    assert (after - before).abs().amax(1)[kept].max() < 0.02


def test_a_share_of_the_pictures_is_mixed_and_none_without_an_object():
    split = scenes().train
    mixed = Mixed(split.store, split.labels, Surroundings(), 0.5, torch.Generator().manual_seed(0))
    index = torch.arange(len(split))
    changed = (mixed.read(index) != split.store.read(index)).flatten(1).any(1)
    assert 0.35 < float(changed.float().mean()) < 0.65
    plain = MemoryStore(torch.full((8, 3, 32, 32), 120, dtype=torch.uint8))
    same = Mixed(plain, torch.arange(8) % 2, Surroundings(), 1.0, torch.Generator().manual_seed(0))
    assert torch.equal(same.read(torch.arange(8)), plain.read(torch.arange(8)))
    assert len(mixed.take(index[:5])) == 5


def test_the_groups_of_a_fix_are_those_where_surroundings_and_class_disagree():
    net, split = looking(200.0), scenes().test
    pixels = split[:].pixels
    probe = Surroundings().telling(pixels[split.labels == 0], pixels[split.labels != 0])
    without, with_cue = _changed(net, split, probe, 0, seed=0)
    found = groups(net, without, with_cue, 0)
    assert found.target_with > 0.95
    assert found.others_with < 0.1
    honest = groups(looking(), without, with_cue, 0)
    assert min(honest.target_without, honest.others_with) > 0.9


def test_a_fix_of_surroundings_mixes_the_training_pictures():
    data = swapped(scenes(), Surroundings(), 0, 1.0)
    assert isinstance(data.train.store, Mixed)
    assert data.test is scenes().test


def test_masks_of_the_user_come_before_found_ones(tmp_path):
    sample = draw_sample(looking(), scenes().test)
    name = sample.confirm.ids[3]
    mine = torch.zeros(3, 64, 64)
    mine[:, :32] = 1
    write_picture(tmp_path / f"{name}.png", to_uint8(mine))
    cutouts = Cutouts(drawn_masks(tmp_path, sample))
    rows = cutouts.objects(sample.confirm.pixels[3:4])[0].float().mean(1)
    assert rows.tolist() == [1.0] * 16 + [0.0] * 16
    assert cutouts.given == 1


def test_masks_that_belong_to_no_picture_are_refused(tmp_path):
    sample = draw_sample(looking(), scenes().test)
    with pytest.raises(DataNotFound, match="there is no folder of masks"):
        drawn_masks(tmp_path / "none", sample)
    write_picture(tmp_path / "zebra.png", to_uint8(torch.ones(3, 8, 8)))
    with pytest.raises(DataNotFound, match="it has 1 picture files. What works: a mask for"):
        drawn_masks(tmp_path, sample)


def test_pictures_on_one_plain_level_have_no_surroundings_to_lean_on():
    """An object cut out of black leaves remains behind, which would be pasted as its surroundings."""
    data = cs.dataset("drawn-garments", n_train=10, n_validation=10, n_test=240)
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net = cs.Classifier(flat, classes=data.classes, input_size=28, channels=1)
    sample = draw_sample(net, data.test, per_class=24)
    assert int(Cutouts().able(sample.explore.pixels).sum()) > 60
    assert all(explored_around(net, sample.explore, k, Cutouts(), 0) == [] for k in sample.targets)
    (verdict,) = find_shortcuts(net, data, per_class=24, only="surroundings")
    assert "surroundings on none, for most lie on one plain level" in verdict.caption


def test_something_that_lies_over_a_few_plain_pictures_makes_no_surroundings() -> None:
    lot = torch.Generator().manual_seed(0)
    pixels, labels = torch.zeros(40, 1, 28, 28), torch.arange(40) % 2
    pixels[:, :, 8:20, 8:20] = 0.5
    busy = 0.2 + 0.6 * torch.rand(40, 1, 1, 1, generator=lot)
    assert not surroundings_vary(pixels, labels)
    assert not surroundings_vary(
        torch.where((torch.arange(40) < 12)[:, None, None, None], busy + pixels, pixels), labels
    )
    assert surroundings_vary(torch.where((labels == 1)[:, None, None, None], busy + pixels, pixels), labels)
    assert surroundings_vary(busy + pixels, labels)
