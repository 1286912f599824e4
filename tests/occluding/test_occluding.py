"""One freely placed occluder is answered as the hidden picture run whole, whatever its shape and fill."""

import threading

import pytest
import torch
from tests.occluding.networks import shared_module, smooth
from torch import nn

import convsight as cs
from convsight.architectures.lesson import LessonTwo
from convsight.errors import InputError
from convsight.occluding.dragged import Occluding


def lesson():
    torch.manual_seed(0)
    return cs.Classifier(LessonTwo(4), input_size=28, channels=1)


BOXES = [(0, 0, 1, 1), (3, 7, 6, 4), (20, 20, 30, 30), (-3, 5, 9, 2), (0, 0, 28, 28), (27, 27, 1, 1)]


@pytest.mark.parametrize("fill", ["grey", "black", "white", "mean", "blur", "noise"])
def test_every_box_and_fill_equals_the_hidden_picture_run_whole(fill):
    net = lesson()
    asked = Occluding(net, smooth(1, 1, (28, 28)))
    assert asked.incremental
    for box in BOXES:
        hidden = asked.hidden(box, fill)
        torch.testing.assert_close(asked.scores(box, fill), net.scores(hidden[None])[0], rtol=0, atol=1e-5)


def test_a_box_hides_its_pixels_and_no_others():
    asked = Occluding(lesson(), smooth(1, 1, (28, 28)) * 0.5)
    changed = asked.hidden((3, 7, 6, 4), "white") != asked.picture
    expected = torch.zeros(1, 28, 28, dtype=torch.bool)
    expected[:, 3:9, 7:11] = True
    assert torch.equal(changed, expected)


def test_masks_and_pasted_pictures_are_answered():
    net, picture = lesson(), smooth(1, 1, (28, 28))
    asked = Occluding(net, picture)
    mask, other = smooth(1, 1, (28, 28), seed=4)[0, 0] > 0.6, smooth(1, 1, (28, 28), seed=5)[0]
    wanted = net.scores(torch.where(mask, other, picture[0])[None])[0]
    torch.testing.assert_close(asked.scores(mask, other), wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        asked.scores(mask[:, :, None].permute(2, 0, 1)[0], other), wanted, rtol=0, atol=1e-5
    )


def test_an_unchanged_picture_has_the_clean_scores():
    net = lesson()
    asked = Occluding(net, smooth(1, 1, (28, 28)))
    torch.testing.assert_close(asked.clean, net.scores(asked.picture[None])[0])
    assert torch.equal(asked.scores_of(asked.picture), asked.clean)


def test_mobilenet_is_answered_from_windows(shared_models):
    module = shared_module(shared_models, "mobilenet_v2").load(
        shared_models / "mobilenet_v2_imagenet.safetensors"
    )
    net = cs.Classifier(module, input_size=(160, 150), mean=0.5, std=0.5)
    asked = Occluding(net, smooth(1, 3, (160, 150)))
    assert asked.incremental
    for box in [(0, 0, 20, 20), (90, 70, 16, 40), (140, 130, 20, 20), (30, 30, 100, 90)]:
        wanted = net.scores(asked.hidden(box)[None])[0]
        effect = (wanted - asked.clean).abs().max()
        assert (asked.scores(box) - wanted).abs().max() < 1e-4 * effect + 1e-6


def test_a_network_without_a_fixed_program_is_run_whole():
    class Moody(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(64, 3)

        def forward(self, x):
            return self.head(x.flatten(1)) * float(x.sum())

    net = cs.Classifier(Moody(), input_size=8, channels=1)
    asked = Occluding(net, smooth(1, 1, (8, 8)))
    assert not asked.incremental
    hidden = asked.hidden((1, 1, 3, 3))
    torch.testing.assert_close(asked.scores((1, 1, 3, 3)), net.scores(hidden[None])[0])


def test_a_wrong_rule_is_found_when_the_object_is_made(monkeypatch):
    from convsight.occluding.rules.geometry import KernelAxis

    right = KernelAxis.reads
    monkeypatch.setattr(KernelAxis, "reads", lambda self, span: right(self, span) + 1)
    assert not Occluding(lesson(), smooth(1, 1, (28, 28))).incremental


def test_questions_from_several_threads_take_turns():
    net = lesson()
    asked, found = Occluding(net, smooth(1, 1, (28, 28))), {}

    def ask(box):
        found[box] = [asked.scores(box) for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(box,)) for box in BOXES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for box, answers in found.items():
        wanted = net.scores(asked.hidden(box)[None])[0]
        for answer in answers:
            torch.testing.assert_close(answer, wanted, rtol=0, atol=1e-5)


def test_what_hides_nothing_or_has_another_size_is_refused():
    asked = Occluding(lesson(), smooth(1, 1, (28, 28)))
    with pytest.raises(InputError, match="hides no pixel"):
        asked.scores((30, 2, 4, 4))
    with pytest.raises(InputError, match="a mask is 28×28"):
        asked.scores(torch.ones(5, 5, dtype=torch.bool))
    with pytest.raises(InputError, match="one picture is needed; given 2"):
        Occluding(lesson(), smooth(2, 1, (28, 28)))
    with pytest.raises(InputError, match="edited picture has the shape"):
        asked.scores_of(torch.zeros(1, 5, 5))
    with pytest.raises(InputError, match="no fill 'gray'"):
        asked.scores((1, 1, 3, 3), "gray")
