"""Every kind of output that classifiers have is read as its network means it, or refused with the way out."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import convsight as cs
from convsight.errors import InputError, ModelError
from convsight.network.classifier import Classifier

PIXELS = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(4))
Named = namedtuple("Named", ["logits", "aux_logits"])


@dataclass
class Data:
    loss: Any = None
    logits: Any = None
    hidden_states: Any = None


class Net(nn.Module):
    """A body and a head of k scores, whose forward returns whatever `wrap(scores, body)` makes of them."""

    def __init__(self, k=3, wrap=lambda s, z: s, scale=8.0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.conv, self.head, self.other = nn.Conv2d(1, 4, 3), nn.Linear(4, k), nn.Linear(4, 5)
        with torch.no_grad():
            self.head.weight.mul_(scale)
        self.wrap = wrap

    def logits(self, x):
        return self.head(F.relu(self.conv(x)).mean((2, 3)))

    def forward(self, x):
        z = F.relu(self.conv(x)).mean((2, 3))
        return self.wrap(self.head(z), z)


def made(module, **said):
    return Classifier(module.eval(), input_size=8, channels=1, **said)


def gradient(score, pixels=PIXELS):
    leaf = pixels.clone().requires_grad_()
    return torch.autograd.grad(score(leaf).sum(), leaf)[0]


def hidden_one_by_one(score, pixels, patch):
    """The slow obvious loop: hide each patch with black, and write down how far the score falls."""
    falls = torch.zeros(len(pixels), *pixels.shape[2:])
    with torch.no_grad():
        for y in range(0, pixels.shape[2], patch):
            for x in range(0, pixels.shape[3], patch):
                covered = pixels.clone()
                covered[:, :, y : y + patch, x : x + patch] = 0
                falls[:, y : y + patch, x : x + patch] = (score(pixels) - score(covered))[:, None, None]
    return falls


def same(found, wanted, atol=1e-5):
    assert found.shape == wanted.shape
    assert torch.allclose(found, wanted.to(found), atol=atol, rtol=1e-4)


# ---- which of the outputs ----------------------------------------------------------------------------------

CONTAINERS = {
    "a tensor": lambda s, z: s,
    "extra axes": lambda s, z: s[:, :, None, None],
    "an axis of one in the middle": lambda s, z: s[:, None],
    "a tuple": lambda s, z: (s, None),
    "a list": lambda s, z: [s],
    "loss first": lambda s, z: (s.mean(), s),
    "a loss each first": lambda s, z: (s.mean(1), s),
    "a dictionary": lambda s, z: {"loss": s.mean(), "scores": s},
    "out and aux": lambda s, z: OrderedDict(aux=s * 2, out=s),
    "a dataclass": lambda s, z: Data(loss=s.mean(), logits=s, hidden_states=(z,)),
    "a named tuple with an auxiliary head": lambda s, z: Named(s, s * 2),
    "an object": lambda s, z: SimpleNamespace(hidden=z, logits=s),
    "nested": lambda s, z: {"features": [z], "head": {"logits": s}},
    "probabilities and logits": lambda s, z: (s.softmax(1), s),
    "logits and probabilities": lambda s, z: (s, s.softmax(1)),
    "logits and log-probabilities in a dictionary": lambda s, z: {"p": F.log_softmax(s, 1), "q": s},
    "sigmoids and logits": lambda s, z: (s.sigmoid(), s),
    "features and logits": lambda s, z: (z, s),
    "the answer beside the scores": lambda s, z: (s.argmax(1), s),
}


@pytest.mark.parametrize("wrap", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_the_scores_are_found_whatever_holds_them(wrap):
    module = Net(wrap=wrap)
    net = made(module)
    assert net.task == "classify"
    same(net.scores(PIXELS), module.logits(PIXELS).detach())
    same(net.probabilities(PIXELS), module.logits(PIXELS).softmax(1).detach())
    same(cs.saliency(net, PIXELS, target=2).per_channel, gradient(lambda x: module.logits(x)[:, 2]))


@pytest.mark.parametrize("order", ["probabilities first", "logits first"])
def test_scripted_pairs_of_probabilities_and_logits_are_told_apart_by_their_numbers(order):
    first = order == "probabilities first"
    module = Net(wrap=lambda s, z: (s.softmax(1), s) if first else (s, s.softmax(1)))
    with pytest.warns((DeprecationWarning, FutureWarning)):
        script = torch.jit.trace(module.eval(), PIXELS)
    same(made(script).scores(PIXELS), module.logits(PIXELS).detach(), atol=1e-4)


class TwoHeads(Net):
    def __init__(self, how):
        super().__init__()
        self.how = how

    def forward(self, x):
        z = F.relu(self.conv(x)).mean((2, 3))
        kind, age = self.head(z), self.other(z)
        return {"kind": kind, "age": age} if self.how == "dict" else (kind, age)

    def age(self, x):
        return self.other(F.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize("how, first, second", [("dict", "kind", "age"), ("tuple", "0", "1")])
def test_one_of_two_heads_is_picked_and_said_or_chosen(how, first, second):
    module = TwoHeads(how)
    net = made(module)
    same(net.scores(PIXELS), module.logits(PIXELS).detach())
    told = net.notes[0]
    assert (
        f"2 outputs, {first} (3 numbers), {second} (5 numbers): '{first}' is read, the first of them" in told
    )
    assert repr(second if how == "dict" else 1) in told
    assert told in cs.saliency(net, PIXELS, target=1).notes
    choices = [{"output": second}, {"output": 1}, {"output": -1}, {"classes": list("abcde")}]
    choices.append({"output": lambda out: out["age"] if how == "dict" else out[1]})
    for said in choices:
        chosen = made(module, **said)
        same(chosen.scores(PIXELS), module.age(PIXELS).detach())
        same(
            cs.occlusion(chosen, PIXELS, target=4, patch=2, stride=2, fill="black").values,
            hidden_one_by_one(lambda x: module.age(x)[:, 4], PIXELS, 2),
            atol=1e-4,
        )
    assert made(module, output=second).notes == ()


def test_an_output_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ModelError, match=r"no output 'sex'.*kind \(3 numbers\), age \(5 numbers\)"):
        made(TwoHeads("dict"), output="sex")
    with pytest.raises(ModelError, match="no output 2; the network returns 2"):
        made(TwoHeads("tuple"), output=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_read_alike(dtype):
    module = Net(wrap=lambda s, z: {"loss": s.mean(), "p": s.softmax(1), "scores": s})
    expected = module.logits(PIXELS).softmax(1).detach()
    same(made(module.to(dtype)).probabilities(PIXELS), expected, atol=0.03)


def test_outputs_without_scores_are_refused_with_the_lines_that_help():
    tokens = Net(wrap=lambda s, z: z[:, None, :, None].expand(-1, 3, 4, 2)[..., None])
    with pytest.raises(
        ModelError, match=r"(?s)no row of class scores.*\(2, 3, 4, 2, 1\).*output=lambda.*class Wrapped"
    ):
        made(tokens)

    class Two(Net):
        def forward(self, x, age):
            return self.logits(x) * age

    with pytest.raises(ModelError, match=r"(?s)missing 1 required.*wrap it.*register_buffer"):
        made(Two())


def test_the_first_value_that_is_printed_to_wrap_a_network_works():
    module = Net(wrap=lambda s, z: {"heads": [{"deep": s}]})
    same(
        made(module, output=lambda out: out["heads"][0]["deep"]).scores(PIXELS),
        module.logits(PIXELS).detach(),
    )


# ---- networks that end in a softmax or a sigmoid -----------------------------------------------------------

ENDS = {
    "softmax": lambda s, z: s.softmax(1),
    "functional softmax": lambda s, z: F.softmax(s, dim=-1),
    "softmax on a map of one place": lambda s, z: F.softmax(s[:, :, None, None], dim=1).flatten(1),
    "log_softmax": lambda s, z: F.log_softmax(s, 1),
    "sigmoid": lambda s, z: torch.sigmoid(s),
    "log_sigmoid": lambda s, z: F.logsigmoid(s),
    "a dictionary with a softmax": lambda s, z: {"probs": s.softmax(1)},
}


@pytest.mark.parametrize("how", ENDS)
def test_a_networks_own_probabilities_are_kept_and_its_scores_are_what_went_in(how):
    module = Net(wrap=ENDS[how])
    net = made(module, classes=list("abc"))
    kind = next(k for k in ("log_softmax", "log_sigmoid", "softmax", "sigmoid") if k in how)
    logits = module.logits(PIXELS).detach()
    squashed = {"so": logits.softmax(1), "si": logits.sigmoid()}[kind.removeprefix("log_")[:2]]
    same(net.probabilities(PIXELS), squashed)
    same(net.scores(PIXELS), logits)
    assert net.task == ("multilabel" if "sigmoid" in kind else "classify")

    def own(x):
        found = module(x)
        return (found["probs"] if isinstance(found, dict) else found).flatten(1)

    result = cs.saliency(net, PIXELS, target="b")
    same(result.per_channel, gradient(lambda x: own(x)[:, 1]))
    assert any(f"ends in {kind}" in note for note in result.notes)
    found = cs.occlusion(net, PIXELS, target="b", patch=2, stride=2, fill="black")
    same(found.values, hidden_one_by_one(lambda x: own(x)[:, 1], PIXELS, 2), atol=1e-4)
    assert any(f"ends in {kind}" in note for note in found.notes)
    score = made(module, classes=list("abc"), explain="score")
    same(cs.saliency(score, PIXELS, target="b").per_channel, gradient(lambda x: module.logits(x)[:, 1]))
    same(score.probabilities(PIXELS), squashed)
    for mode in ("exact", "dense"):
        found = cs.occlusion(score, PIXELS, target="b", patch=2, stride=2, fill="black", mode=mode)
        same(found.values, hidden_one_by_one(lambda x: module.logits(x)[:, 1], PIXELS, 2), atol=1e-4)


def test_a_softmax_written_by_hand_is_known_by_its_rows():
    module = Net(wrap=lambda s, z: s.exp() / s.exp().sum(1, keepdim=True))
    net = made(module)
    same(net.probabilities(PIXELS), module.logits(PIXELS).softmax(1).detach())
    same(net.scores(PIXELS).softmax(1), module.logits(PIXELS).softmax(1).detach())
    assert "Every row sums to one" in net.notes[0]


@pytest.mark.parametrize("last", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_the_end_of_a_script_is_read_in_its_graph(last):
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3), last
    )
    with pytest.warns((DeprecationWarning, FutureWarning)):
        script = torch.jit.script(body.eval())
    net = made(script)
    own = body(PIXELS).detach()
    same(net.probabilities(PIXELS), own.exp() if isinstance(last, nn.LogSoftmax) else own)
    assert net.notes


def test_a_softmax_over_the_wrong_axis_is_told_and_not_believed():
    module = Net(wrap=lambda s, z: s.softmax(0))
    net = made(module)
    assert "not over the classes" in net.notes[0]
    alone = torch.cat([module(one) for one in PIXELS.split(1)])  # as a softmax over the pictures needs it
    same(net.probabilities(PIXELS), alone.softmax(1).detach())


def test_a_mean_of_several_softmaxes_is_a_probability():
    module = Net(wrap=lambda s, z: torch.stack([s.softmax(1), (2 * s).softmax(1)]).mean(0))
    logits = module.logits(PIXELS).detach()
    same(made(module).probabilities(PIXELS), (logits.softmax(1) + (2 * logits).softmax(1)) / 2)


# ---- one score, two classes --------------------------------------------------------------------------------

ONE = {
    "n": lambda s, z: s.squeeze(1),
    "n×1": lambda s, z: s,
    "n×1×1×1": lambda s, z: s[:, :, None, None],
    "squeezed of every one": lambda s, z: s[:, :, None, None].squeeze(),
    "in a dictionary": lambda s, z: {"loss": s.mean(), "logit": s},
}


@pytest.mark.parametrize("wrap", ONE.values(), ids=ONE.keys())
@pytest.mark.parametrize("n", [1, 3])
def test_one_score_speaks_for_two_classes(wrap, n):
    module, pixels = Net(1, wrap), PIXELS[:n]
    net = made(module, classes=["healthy", "ill"])
    logit = module.logits(pixels).detach()
    assert net.task == "binary"
    assert net.classes == ("healthy", "ill")
    same(net.probabilities(pixels), torch.cat([(-logit).sigmoid(), logit.sigmoid()], 1))
    assert net.predict(pixels).tolist() == (logit[:, 0] > 0).long().tolist()
    same(
        cs.saliency(net, pixels, target="ill").per_channel, gradient(lambda x: module.logits(x)[:, 0], pixels)
    )
    same(cs.saliency(net, pixels, target=0).per_channel, gradient(lambda x: -module.logits(x)[:, 0], pixels))
    for mode in ("exact", "dense"):
        found = cs.occlusion(net, pixels, target="healthy", patch=2, stride=2, fill="black", mode=mode)
        same(found.values, hidden_one_by_one(lambda x: -module.logits(x)[:, 0], pixels, 2), atol=1e-4)
        chance = torch.gather(net.probabilities(pixels), 1, torch.zeros(n, 1, dtype=torch.long))
        assert found.probabilities.shape == (n, 4, 4)
        assert float((found.probabilities - chance[:, :, None]).abs().max()) < 1


def test_one_sigmoid_speaks_for_two_classes():
    module = Net(1, lambda s, z: s.sigmoid())
    net = made(module)
    p = module(PIXELS).detach()
    assert net.task == "binary"
    assert net.classes == ("0", "1")
    same(net.probabilities(PIXELS), torch.cat([1 - p, p], 1))
    same(net.scores(PIXELS)[:, 1:], module.logits(PIXELS).detach())
    same(cs.saliency(net, PIXELS, target=0).per_channel, gradient(lambda x: -module(x)[:, 0]))


def test_the_second_of_two_softmax_probabilities_alone_is_a_probability():
    module = Net(2, lambda s, z: s.softmax(1)[:, 1])
    net = made(module, classes=["no", "yes"])
    same(net.probabilities(PIXELS), module.logits(PIXELS).softmax(1).detach())
    same(net.scores(PIXELS).sigmoid(), module.logits(PIXELS).softmax(1).detach())


def test_one_class_name_gets_its_opposite_and_a_threshold_moves_the_answer():
    module = Net(1)
    net = made(module, classes=["ill"], thresholds=1.0)
    assert net.classes == ("not ill", "ill")
    assert any("not ill" in note for note in net.notes)
    assert net.predict(PIXELS).tolist() == [0, 0, 0]
    assert made(module, classes=["ill"], thresholds=0).predict(PIXELS).tolist() == [1, 1, 1]


# ---- several labels, numbers ------------------------------------------------------------------------------


def test_labels_are_independent_of_each_other():
    module = Net(4)
    net = made(
        module, classes=["smoke", "fire", "person", "car"], task="multilabel", thresholds=[0.5, 0, 1, 0.5]
    )
    logits = module.logits(PIXELS).detach()
    same(net.probabilities(PIXELS), logits.sigmoid())
    expected = (logits.sigmoid() >= torch.tensor([0.5, 0, 1, 0.5])).long()
    assert torch.equal(net.predict(PIXELS), expected)
    assert expected[:, 1].all()
    assert not expected[:, 2].any()
    result = cs.saliency(net, PIXELS)
    assert [label.split()[0] for label in result.labels_of] == [
        net.classes[i] for i in logits.argmax(1).tolist()
    ]
    assert any("most probable label" in note for note in result.notes)
    found = cs.occlusion(net, PIXELS, target="car", patch=2, stride=2, fill="black")
    same(found.values, hidden_one_by_one(lambda x: module.logits(x)[:, 3], PIXELS, 2), atol=1e-4)
    clean = net.probabilities(PIXELS)[:, 3]
    assert found.labels is None
    assert float((found.probabilities[:, 0, 0] - clean).abs().max()) < 1


def test_the_task_of_a_hub_network_is_in_its_configuration():
    module = Net(4)
    module.config = SimpleNamespace(problem_type="multi_label_classification")
    assert made(module).task == "multilabel"


def test_numbers_have_names_units_and_no_probabilities():
    module = Net(2)
    net = made(module, outputs=["age", "weight"], units=["years", "kg"])
    assert net.task == "regress"
    assert net.units == ("years", "kg")
    same(net.scores(PIXELS), module.logits(PIXELS).detach())
    same(net.predict(PIXELS), module.logits(PIXELS).detach())
    same(cs.saliency(net, PIXELS, target="weight").per_channel, gradient(lambda x: module.logits(x)[:, 1]))
    with pytest.raises(InputError, match="'regress' has no probabilities.*net.scores"):
        net.probabilities(PIXELS)
    assert any("first output, 'age'" in note for note in cs.saliency(net, PIXELS).notes)


def test_one_number_without_names_is_a_number():
    net = made(Net(1))
    assert net.task == "regress"
    assert "two names make it the score of the second" in net.notes[0]


# ---- maps, boxes, vectors, functions -----------------------------------------------------------------------


class UNet(nn.Module):
    def __init__(self, how, k=4):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.down, self.mid = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
            self.up, self.head = nn.ConvTranspose2d(6, 6, 2, stride=2), nn.Conv2d(12, k, 1)
        self.how = how

    def forward(self, x):
        a = F.relu(self.down(x))
        out = self.head(torch.cat([a, self.up(F.relu(self.mid(F.max_pool2d(a, 2))))], 1))
        return {"out": out, "aux": out * 2} if self.how == "dict" else out


REGIONS = {
    "box": ((2, 1, 3, 4), (slice(2, 5), slice(1, 5))),
    "everywhere": ("everywhere", (slice(None), slice(None))),
}


@pytest.mark.parametrize("how", ["tensor", "dict"])
@pytest.mark.parametrize("region", [*REGIONS, "mask"])
def test_a_class_in_a_region_of_a_map(how, region):
    module, mask = UNet(how).eval(), torch.zeros(8, 8)
    asked, where = REGIONS["box"] if region == "mask" else REGIONS[region]
    mask[where] = 1
    net = Classifier(module, classes=["sky", "road", "car", "tree"], input_size=8, channels=1)
    assert net.task == "segment"

    def score(x):
        out = module(x)
        return ((out["out"] if how == "dict" else out)[:, 2] * mask).sum((1, 2))

    target = ("car", mask if region == "mask" else asked)
    same(cs.saliency(net, PIXELS, target=target).per_channel, gradient(score), atol=1e-4)
    for mode in ("exact", "dense"):
        found = cs.occlusion(net, PIXELS, target=target, patch=2, stride=2, fill="black", mode=mode)
        same(found.values, hidden_one_by_one(score, PIXELS, 2), atol=1e-3)


def test_a_class_of_a_map_alone_is_asked_for_where_it_is_predicted():
    module = UNet("tensor").eval()
    net = Classifier(module, classes=["sky", "road", "car", "tree"], input_size=8, channels=1)
    maps = module(PIXELS).detach()
    same(net.maps(PIXELS), maps)
    assert torch.equal(net.predict(PIXELS), maps.argmax(1))
    same(net.probabilities(PIXELS), maps.softmax(1))
    most = maps.argmax(1).flatten(1).mode(1).values
    masks = maps.argmax(1) == most[:, None, None]

    def score(x):
        chosen = module(x)[torch.arange(3), most]
        return (chosen * masks).sum((1, 2))

    result = cs.saliency(net, PIXELS)
    same(result.per_channel, gradient(score), atol=1e-4)
    assert "where predicted" in result.labels_of[0]
    found = cs.occlusion(net, PIXELS, patch=2, stride=2, fill="black")
    same(found.values, hidden_one_by_one(score, PIXELS, 2), atol=1e-3)
    nowhere = next(k for k in range(4) if not (maps.argmax(1) == k).any())
    result = cs.saliency(net, PIXELS, target=nowhere)
    same(result.per_channel, gradient(lambda x: module(x)[:, nowhere].sum((1, 2))), atol=1e-4)
    assert "everywhere (predicted nowhere)" in result.labels_of[0]
    cam = cs.gradcam(net, PIXELS, target="road", layer="mid")
    assert cam.values.shape == (3, 8, 8)


def test_a_map_of_one_class_speaks_for_two():
    module = UNet("tensor", 1).eval()
    net = Classifier(module, classes=["background", "cell"], input_size=8, channels=1)
    out = module(PIXELS).detach()
    same(net.probabilities(PIXELS), torch.cat([(-out).sigmoid(), out.sigmoid()], 1))
    assert torch.equal(net.predict(PIXELS), (out[:, 0] > 0).long())
    same(
        cs.saliency(net, PIXELS, target=("background", "everywhere")).per_channel,
        gradient(lambda x: -module(x).sum((1, 2, 3))),
        atol=1e-4,
    )


def test_a_region_without_pixels_or_of_another_size_is_refused():
    net = Classifier(UNet("tensor").eval(), input_size=8, channels=1)
    with pytest.raises(InputError, match="holds no pixel"):
        cs.saliency(net, PIXELS, target=(1, torch.zeros(8, 8)))
    with pytest.raises(InputError, match="a mask is 8×8"):
        cs.saliency(net, PIXELS, target=(1, torch.ones(5, 5)))
    with pytest.raises(InputError, match=r"no region 'here'.*y,x,height,width"):
        cs.saliency(net, PIXELS, target="1@here")


class Detector(nn.Module):
    """Two boxes a picture, whose scores are the mean brightness inside them."""

    def forward(self, images):
        found = []
        for image in images:
            scores = torch.stack([image[:, :4, :4].mean(), image[:, 4:, 4:].mean() / 2])
            boxes = torch.tensor([[0.0, 0, 4, 4], [4, 4, 8, 8]])
            found.append({"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": scores})
        return found


def test_a_detector_is_asked_about_a_class_or_a_box():
    net = Classifier(Detector(), classes=["background", "cat", "dog"], input_size=8, channels=1)
    assert net.task == "detect"
    cat, dog = PIXELS[:, 0, :4, :4].mean((1, 2)), PIXELS[:, 0, 4:, 4:].mean((1, 2)) / 2
    same(net.scores(PIXELS), torch.stack([torch.zeros(3), cat, dog], 1))
    same(net.probabilities(PIXELS), net.scores(PIXELS))
    expected = torch.zeros(3, 1, 8, 8)
    expected[:, :, 4:, 4:] = 1 / 32
    same(cs.saliency(net, PIXELS, target="dog").per_channel, expected)
    half = cs.saliency(net, PIXELS, target=("dog", (4, 4, 4, 2))).per_channel  # IoU ½
    same(half, expected / 2)
    hides = cs.occlusion(net, PIXELS, target=("cat", (0, 0, 4, 4)), patch=4, stride=4, fill="black")
    same(hides.values[:, 0, 0], cat)
    same(hides.values[:, 5, 5], torch.zeros(3))
    with pytest.raises(ModelError, match=r"does not say how many classes it knows: give classes"):
        Classifier(Detector(), input_size=8, channels=1)


def test_a_vector_is_compared_with_that_of_a_picture():
    module = Net(6)
    net = made(module, task="embed")
    query = PIXELS[:1].flip(3)

    def likeness(x):
        return F.cosine_similarity(module.logits(x), module.logits(query))

    same(cs.saliency(net, PIXELS, target=query).per_channel, gradient(likeness))
    found = cs.occlusion(net, PIXELS, target=query, patch=2, stride=2, fill="black")
    same(found.values, hidden_one_by_one(likeness, PIXELS, 2), atol=1e-4)
    with pytest.raises(InputError, match="target is a picture to be alike"):
        cs.saliency(net, PIXELS)


@pytest.mark.parametrize("mode", ["exact", "dense"])
def test_a_function_of_all_outputs_is_a_target(mode):
    module = TwoHeads("dict")
    net = made(module)

    def gap(out):
        return out["age"][:, 4] - 2 * out["kind"][:, 0]

    def score(x):
        return gap(module(x))

    result = cs.saliency(net, PIXELS, target=gap)
    same(result.per_channel, gradient(score))
    assert "gap of the output" in result.labels_of[0]
    found = cs.occlusion(net, PIXELS, target=gap, patch=2, stride=2, fill="black", mode=mode)
    same(found.values, hidden_one_by_one(score, PIXELS, 2), atol=1e-4)
    with pytest.raises(InputError, match=r"returns one number a picture, a tensor n; it gave \(3, 5\)"):
        cs.saliency(net, PIXELS, target=lambda out: out["age"])


def test_a_view_is_concerned_by_edits_of_its_network():
    module = TwoHeads("dict")
    net = made(module)
    with net.edit({"conv": lambda t: t * 0}):
        found = cs.saliency(net, PIXELS, target=lambda out: out["age"][:, 0])
    assert not found.values.any()


def test_class_names_come_in_a_dictionary_of_numbers():
    assert made(Net(), classes={"2": "owl", "0": "cat", "1": "dog"}).classes == ("cat", "dog", "owl")
    with pytest.raises(ModelError, match="have numbers as keys"):
        made(Net(), classes={"cat": 0})
    with pytest.raises(ModelError, match="not the one word 'cat'"):
        made(Net(), classes="cat")


@pytest.mark.parametrize(
    "said, message",
    [
        ({"task": "sort"}, "no task 'sort'; There are: classify, multilabel"),
        ({"task": "binary"}, "the task 'binary' has one score a picture; the network has 3"),
        ({"task": "segment"}, "needs maps"),
        ({"thresholds": [0.5, 0.5]}, "one number from 0 to 1, or one for each of 3"),
        ({"units": ["px"]}, "1 units were given for 3 numbers"),
        ({"explain": "gradient"}, "explain is 'output' or 'score'"),
        ({"output": lambda out: 3}, "output=function must return a tensor"),
    ],
)
def test_what_does_not_fit_the_outputs_is_refused(said, message):
    with pytest.raises(ModelError, match=message):
        made(Net(), **said)
