"""Is a shortcut found where there is one, with true numbers, and none where there is none?"""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from tests.shortcuts.known_nets import (
    SANDAL,
    Bright,
    Corner,
    Everywhere,
    cornered,
    garments,
    glyph,
    lifted,
    marked,
    net_with,
    scattered,
)
from tests.shortcuts.test_probes import corner_mask
from torch import nn

import convsight as cs
from convsight.errors import DataError, DataNotFound, InputError
from convsight.results.kinds import Verdict
from convsight.shortcuts.localise import overlap
from convsight.shortcuts.saved import load_verdicts, mark_own, owned, probe_of, read_verdicts, save_verdicts


@cache
def audited(name: str) -> list[Verdict]:
    """The audit of sandals by a net whose only shortcut is known."""
    cases: dict[str, tuple[nn.Module | None, Callable]] = {
        "corner": (Corner(glyph()), cornered),
        "unused corner": (None, cornered),
        "patch": (Everywhere(glyph()), scattered),
        "background": (Bright(), lifted),
        "nothing": (None, lambda pixels: pixels),
    }
    sensor, paint = cases[name]
    return cs.find_shortcuts(net_with(sensor), marked(paint), target="Sandal")


def test_a_corner_is_found_with_its_pixels_and_what_it_does() -> None:
    first = audited("corner")[0]
    assert first.found and (first.target, first.kind) == ("Sandal", "place")
    assert first.sentence.startswith("Sandal leans on the top-right corner. ")
    assert first.region is not None and overlap(first.region, corner_mask()) >= 0.6
    assert first.flip_rate > 0.9 and first.control_rate < 0.1
    assert first.interval[0] > 0.8 and first.p_value < 1e-6 and first.score == first.interval[0]


def test_the_claimed_rate_is_what_the_true_cue_does() -> None:
    net, test = net_with(Corner(glyph())), garments().test
    others = test.take((test.labels != SANDAL).nonzero().flatten())[:].pixels
    before, after = (net.predict(pixels) == SANDAL for pixels in (others, cornered(others)))
    truth = float((after.float() - before.float()).mean())
    first = audited("corner")[0]
    assert abs(first.flip_rate - first.control_rate - truth) < 0.1


def test_the_pictures_that_carry_it_are_named() -> None:
    first = audited("corner")[0]
    assert first.prevalence == pytest.approx(0.9, abs=0.1)
    data = marked(cornered)
    who = (data.test.labels == SANDAL).nonzero().flatten()
    carrying = {data.test.ids[i] for i in who[: round(0.9 * len(who))].tolist()}
    assert first.carriers and set(first.carriers) <= carrying


def test_a_patch_at_any_place_is_found() -> None:
    first = audited("patch")[0]
    assert first.found and first.kind == "patch" and first.region is None
    probe = probe_of(first)
    assert probe is not None
    assert torch.allclose(first.tensors["template"][0], glyph(), atol=0.05)


def test_a_lighter_background_is_found_with_its_level() -> None:
    first = audited("background")[0]
    assert first.found and first.kind == "background"
    assert first.parameters["level"] == pytest.approx([0.2], abs=0.01)
    assert first.accuracy is not None and first.accuracy[1] is not None


@pytest.mark.parametrize("name", ["unused corner", "nothing"])
def test_what_the_network_does_not_use_is_not_found(name: str) -> None:
    verdicts = audited(name)
    assert not any(v.found for v in verdicts)
    assert verdicts[0].sentence.startswith("Nothing found")
    assert "candidates were tried" in verdicts[0].caption and "would have been missed" in verdicts[0].notes[0]


def test_the_same_seed_gives_the_same_verdicts() -> None:
    again = cs.find_shortcuts(net_with(Corner(glyph())), marked(cornered), target=SANDAL)
    assert _without_seconds(again) == _without_seconds(audited("corner"))


def test_what_was_found_says_what_was_tried_and_for_how_long() -> None:
    assert re.search(
        r"\d+ candidates were tried for 1 of 10 classes on 800 pictures in \d+ s",
        audited("corner")[0].notes[-1],
    )


def _without_seconds(verdicts: list[Verdict]) -> str:
    return re.sub(r" in \d+ s", "", repr([v.data() for v in verdicts]))


def test_the_network_and_the_random_state_stay_as_they_were() -> None:
    net = net_with(Corner(glyph()))
    net.module.train()
    before, state = net.weights_hash, torch.random.get_rng_state()
    cs.find_shortcuts(net, marked(cornered), target="Sandal", per_class=24)
    assert net.module.training and net.weights_hash == before
    assert torch.equal(torch.random.get_rng_state(), state)


def test_verdicts_are_kept_in_a_run_and_come_back_whole(tmp_path: Path) -> None:
    verdicts = audited("corner")
    save_verdicts(tmp_path, verdicts, {"data": "garments"})
    again = read_verdicts(tmp_path)
    assert [v.data() for v in again] == [v.data() for v in verdicts]
    assert again[0].examples is not None and verdicts[0].examples is not None
    assert torch.allclose(again[0].examples.images, verdicts[0].examples.images, atol=1 / 255)
    row, probe = load_verdicts(tmp_path)[0]
    onto = garments().test[:8].pixels
    first = probe_of(verdicts[0])
    assert row["number"] == 1 and row["found"] and probe is not None and first is not None
    assert torch.equal(probe.paste(onto, cornered(onto)), first.paste(onto, cornered(onto)))


def test_what_the_user_calls_the_object_is_passed_over_from_then_on(tmp_path: Path) -> None:
    save_verdicts(tmp_path, audited("corner"), {})
    mark_own(tmp_path, 1)
    again = cs.find_shortcuts(
        net_with(Corner(glyph())), marked(cornered), target="Sandal", own=owned(tmp_path)
    )
    assert not any(
        v.found and v.kind == "place" and v.region is not None and overlap(v.region, corner_mask()) > 0.5
        for v in again
    )
    save_verdicts(tmp_path, again, {})
    assert len(owned(tmp_path)) == 1


def test_a_run_that_was_not_audited_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="convsight audit"):
        load_verdicts(tmp_path)


def test_few_test_pictures_are_audited_together_with_all_others_and_it_is_said() -> None:
    data = garments()
    few = replace(data, test=data.test.take(range(20)))
    verdicts = cs.find_shortcuts(net_with(None), few, target="Sandal", per_class=24)
    assert "the pictures of all splits were audited together" in verdicts[0].notes[-1]
    assert not any("audited together" in note for verdict in verdicts[1:] for note in verdict.notes)
    with pytest.raises(DataError, match="too few pictures"):
        cs.find_shortcuts(net_with(None), few, split="test")


def test_wrong_questions_are_answered_with_what_would_work() -> None:
    net, data = net_with(None), garments()
    with pytest.raises(InputError, match="no split 'tset'; there are train, validation, test"):
        cs.find_shortcuts(net, data, split="tset")
    with pytest.raises(InputError, match="no class 'Sandel'; did you mean Sandal"):
        cs.find_shortcuts(net, data, target="Sandel")
    with pytest.raises(DataError, match="too few pictures"):
        cs.find_shortcuts(net, data.test.take(range(60)))


def test_the_picture_outlines_the_cue_and_says_the_sentence_to_a_page() -> None:
    first = audited("corner")[0]
    assert first.examples is not None and first.marks is not None
    assert len(first.examples.images) == len(first.marks) == len(first.examples.captions)
    drawn = first.draw()
    orange = (drawn == (230, 120, 0)).all(-1)
    assert int(orange.sum()) > 500
    assert "Sandal leans on the top-right corner" in first.html()
    assert not (audited("nothing")[0].draw() == (230, 120, 0)).all(-1).any()


def test_a_network_that_says_one_class_of_everything_is_audited_too():
    data = cs.dataset("drawn-garments", n_train=40, n_validation=10, n_test=400)
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    torch.nn.init.zeros_(module[1].weight)
    torch.nn.init.zeros_(module[1].bias)
    module[1].bias.data[3] = 1.0
    net = cs.Classifier(module, classes=data.classes, input_size=28, channels=1)
    assert not any(verdict.found for verdict in cs.find_shortcuts(net, data))
