"""Occlusion against a slow loop, captum and networks whose answer is known."""

import pytest
import torch
from captum.attr import Occlusion as CaptumOcclusion
from captum.testing.helpers.basic_models import BasicModel_ConvNet_One_Conv
from torch import nn

import convsight as cs
from convsight.errors import InputError
from convsight.progress import listening

torch.manual_seed(0)


class OneConv(BasicModel_ConvNet_One_Conv):
    """captum's own test network, on its published input 0..15 plus a second input of ones."""

    def forward(self, x):
        return super().forward(15 * x, torch.ones_like(x))


def conv_net(channels=1, classes=4):
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 3 * 4, classes),
    )  # fmt: skip


@pytest.fixture
def net():
    torch.manual_seed(1)
    module = conv_net()
    module[4].running_mean.normal_()
    module[4].running_var.uniform_(0.5, 2)
    return cs.Classifier(module, classes=list("abcd"), input_size=(10, 12), channels=1)


@pytest.fixture
def images():
    return cs.Images(torch.rand(3, 1, 10, 12, generator=torch.Generator().manual_seed(2)))


def slow_scores(net, picture, fill, starts_y, starts_x, patch, index):
    """One picture at a time, one position at a time."""
    rows = []
    for y in starts_y:
        for x in starts_x:
            hidden = picture.clone()
            hidden[:, y : y + patch, x : x + patch] = fill[:, y : y + patch, x : x + patch]
            with torch.no_grad():
                rows.append(float(net.forward(hidden[None])[0, index]))
    return torch.tensor(rows).view(len(starts_y), len(starts_x))


def test_every_score_is_the_one_of_a_picture_masked_by_hand(net, images):
    result = cs.occlusion(net, images, target="c", patch=4, stride=3)
    starts_y, starts_x = [0, 3, 6], [0, 3, 6, 8]
    for i, picture in enumerate(images.pixels):
        wanted = slow_scores(net, picture, torch.full_like(picture, 0.5), starts_y, starts_x, 4, 2)
        torch.testing.assert_close(result.scores[i], wanted, rtol=0, atol=1e-5)
        total, count = torch.zeros(10, 12), torch.zeros(10, 12)
        for a, y in enumerate(starts_y):
            for b, x in enumerate(starts_x):
                total[y : y + 4, x : x + 4] += result.clean_score[i] - wanted[a, b]
                count[y : y + 4, x : x + 4] += 1
        torch.testing.assert_close(result.values[i], total / count, rtol=0, atol=1e-5)


def test_one_conv_net_gives_the_tensors_that_captum_publishes():
    net = cs.Classifier(OneConv(), input_size=(4, 4), channels=1)
    pixels = torch.arange(16.0).view(1, 1, 4, 4) / 15
    whole = cs.occlusion(net, pixels, target=0, patch=4, fill="black").values[0]
    torch.testing.assert_close(whole, torch.full((4, 4), 67.0))
    parts = cs.occlusion(net, pixels, target=0, patch=(2, 3), stride=(2, 1), fill="black").values[0]
    published = [[17.0] * 4] * 2 + [[64.0, 65.5, 65.5, 67.0]] * 2  # captum, tests/attr/test_occlusion.py
    torch.testing.assert_close(parts, torch.tensor(published))


def test_strides_that_fit_give_captums_map_on_a_random_net(net, images):
    mine = cs.occlusion(net, images, target=1, patch=4, stride=2, fill="black")
    theirs = CaptumOcclusion(net.module.eval()).attribute(
        images.pixels, sliding_window_shapes=(1, 4, 4), target=1, strides=(1, 2, 2)
    )
    torch.testing.assert_close(mine.values, theirs[:, 0].detach(), rtol=0, atol=1e-5)


def test_a_linear_net_loses_weight_times_difference_under_the_patch():
    linear = nn.Linear(36, 2)
    net = cs.Classifier(nn.Sequential(nn.Flatten(), linear), input_size=(6, 6), channels=1)
    picture = torch.rand(1, 1, 6, 6)
    result = cs.occlusion(net, picture, target=1, patch=3, stride=3)
    product = (linear.weight[1].view(6, 6) * (picture[0, 0] - 0.5)).detach()
    wanted = product.view(2, 3, 2, 3).sum((1, 3))
    torch.testing.assert_close(result.clean_score[0] - result.scores[0], wanted, rtol=0, atol=1e-5)
    torch.testing.assert_close(result.values[0], wanted.repeat_interleave(3, 0).repeat_interleave(3, 1))
    assert result.activity is None


def test_the_map_is_zero_where_the_network_is_blind(images):
    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 8 * 3, 3))

        def forward(self, x):
            return self.body(x[:, :, :, :5])

    net = cs.Classifier(Left(), input_size=(10, 12), channels=1)
    result = cs.occlusion(net, images, target=0, patch=2, stride=1)
    assert result.values[:, :, :5].abs().amax() > 1e-3
    assert result.values[:, :, 6:].abs().amax() < 1e-6


def test_labels_probabilities_and_activity_are_those_of_each_masked_picture(net, images):
    result = cs.occlusion(net, images, target=0, patch=4, stride=4, layer="0")
    for i, picture in enumerate(images.pixels):
        clean_maps = net.module[0](picture[None]).detach()[0]
        strongest = int(clean_maps.sum((1, 2)).argmax())
        for a, y in enumerate((0, 4, 6)):
            for b, x in enumerate((0, 4, 8)):
                hidden = picture.clone()
                hidden[:, y : y + 4, x : x + 4] = 0.5
                with torch.no_grad():
                    logits = net.forward(hidden[None])[0]
                    activity = net.module[0](hidden[None])[0, strongest].sum()
                assert result.labels[i, a, b] == logits.argmax()
                assert result.probabilities[i, a, b] == pytest.approx(float(logits.softmax(0)[0]), abs=1e-5)
                assert result.activity[i, a, b] == pytest.approx(float(activity), abs=1e-4)


def test_a_unit_can_be_the_target(net, images):
    result = cs.occlusion(net, images, target=("3", 2, 1, 2), patch=4, stride=4)
    hidden = images.pixels[1:2].clone()
    hidden[:, :, 4:8, 4:8] = 0.5
    with torch.no_grad():
        wanted = net.module.eval()[:4](hidden)[0, 2, 1, 2]
    assert result.scores[1, 1, 1] == pytest.approx(float(wanted), abs=1e-5)
    assert result.probabilities is None
    assert result.labels is not None


@pytest.mark.parametrize(
    ("fill", "shown"),
    [
        ("black", lambda x: torch.zeros_like(x)),
        ("white", lambda x: torch.ones_like(x)),
        ("mean", lambda x: x.mean((2, 3), keepdim=True).expand_as(x)),
    ],
)
def test_a_fill_shows_what_it_says(net, images, fill, shown):
    result = cs.occlusion(net, images, target=0, patch=4, stride=4, fill=fill)
    wanted = slow_scores(net, images.pixels[1], shown(images.pixels)[1], [0, 4, 6], [0, 4, 8], 4, 0)
    torch.testing.assert_close(result.scores[1], wanted, rtol=0, atol=1e-5)
    assert "The patch shows" in result.caption


def test_another_pictures_pixels_can_be_pasted(net, images):
    result = cs.occlusion(net, images[:1], target=0, patch=4, stride=4, donor=images[2])
    wanted = slow_scores(net, images.pixels[0], images.pixels[2], [0, 4, 6], [0, 4, 8], 4, 0)
    torch.testing.assert_close(result.scores[0], wanted, rtol=0, atol=1e-5)
    assert "another picture" in result.caption


def test_noise_is_the_same_for_the_same_seed_and_blur_keeps_a_flat_picture(net, images):
    first, second = (cs.occlusion(net, images, 0, patch=4, fill="noise", seed=3).values for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, cs.occlusion(net, images, 0, patch=4, fill="noise", seed=4).values)
    flat = cs.Images(torch.full((1, 1, 10, 12), 0.3))
    assert cs.occlusion(net, flat, 0, patch=4, fill="blur").values.abs().max() < 1e-5


def test_masks_hide_superpixels(net, images):
    masks = torch.zeros(2, 10, 12, dtype=torch.bool)
    masks[0, :4, :6] = True
    masks[0, 0, 0] = False
    masks[1, 5:, 3:9] = True
    result = cs.occlusion(net, images, target=0, masks=masks)
    assert result.scores.shape == (3, 2, 1)
    hidden = torch.where(masks[0], 0.5, images.pixels)
    with torch.no_grad():
        torch.testing.assert_close(result.scores[:, 0, 0], net.forward(hidden)[:, 0], rtol=0, atol=1e-5)
    assert result.values[:, 0, 0].abs().max() == 0
    assert "under no position" in " ".join(result.notes)


def test_a_bar_is_a_patch_of_two_sides_and_sums_add_up(net, images):
    mean = cs.occlusion(net, images, 0, patch=(10, 2), stride=2)
    total = cs.occlusion(net, images, 0, patch=(10, 2), stride=2, aggregate="sum")
    assert mean.scores.shape == (3, 1, 6)
    torch.testing.assert_close(mean.values, total.values)  # no two positions overlap


def test_a_positions_net_has_no_labels():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 36, 2))
    net = cs.Classifier(module, input_size=8, channels=1, task="locate", outputs=("x", "y"))
    result = cs.occlusion(net, torch.rand(1, 1, 8, 8), "y", patch=2)
    assert result.labels is None
    assert result.scores.shape == (1, 7, 7)


def test_batches_equal_one_by_one(net, images):
    together = cs.occlusion(net, images, patch=4)
    for i in range(3):
        alone = cs.occlusion(net, images[i], patch=4)
        torch.testing.assert_close(together.values[i], alone.values[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"patch": 11}, "the pictures 10"),
        ({"patch": 0}, "outside its range"),
        ({"patch": (4, 20)}, "the pictures 12"),
        ({"fill": "gray"}, "grey"),
        ({"masks": torch.ones(1, 3, 3, dtype=torch.bool)}, "10×12"),
        ({"masks": torch.zeros(1, 10, 12, dtype=torch.bool)}, "at least one pixel"),
        ({"layer": "6"}, "no feature maps"),
        ({"donor": torch.rand(2, 1, 10, 12)}, "2 donors"),
    ],
)
def test_errors_say_what_would_work(net, images, knobs, words):
    with pytest.raises(InputError, match=words):
        cs.occlusion(net, images, target=0, **knobs)


def test_the_picture_says_the_sign_and_the_fill(net, images):
    result = cs.occlusion(net, images, target=0, patch=4)
    assert "Red: hiding this lowers" in result.caption
    assert "grey" in result.caption
    assert [part.title for part in result.parts] == [
        "Occlusion: probability", "Occlusion: most probable class",
        "Occlusion: activity of the strongest feature map",
    ]  # fmt: skip
    assert result.draw().shape[2] == 3


@pytest.mark.parametrize("mode", ["exact", "dense"])
def test_a_stream_of_maps_ends_with_the_full_one(net, images, mode):
    method = cs.Occlusion(patch=3, stride=1, mode=mode)
    whole = method(net, images, target="b")
    maps = list(method.stream(net, images, target="b"))
    torch.testing.assert_close(maps[-1].values, whole.values, rtol=0, atol=1e-5)
    torch.testing.assert_close(maps[-1].scores, whole.scores, rtol=0, atol=1e-5)
    assert torch.equal(maps[-1].labels, whole.labels)
    assert maps[-1].provenance.key == whole.provenance.key
    assert "4 of 80 positions are answered" in " ".join(maps[0].notes)
    assert "are answered" not in " ".join(maps[-1].notes)
    first = maps[0].scores[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    torch.testing.assert_close(first, whole.scores[:, [0, 0, -1, -1], [0, -1, 0, -1]], rtol=0, atol=1e-5)
    errors = [float((m.values - whole.values).abs().max()) for m in maps]
    assert errors[0] > errors[-2] > errors[-1]


@pytest.mark.parametrize("mode", ["exact", "dense"])
def test_a_stream_reports_its_share_of_all_positions(net, images, mode):
    told = []
    with listening(lambda step: told.append((step.done, step.total, step.fraction))):
        shares = [told[-1][0] for _ in cs.Occlusion(patch=3, stride=1, mode=mode).stream(net, images)]
    assert shares[0] == 4 * len(images) and told == sorted(told)
    assert told[-1] == (80 * len(images), 80 * len(images), 1.0)
    assert all(fraction == done / total for done, total, fraction in told)


def test_between_two_maps_of_a_stream_the_network_is_as_it_was(net, images):
    net.module.train()
    before = torch.random.get_rng_state()
    for _ in cs.Occlusion(patch=3, stride=1).stream(net, images):
        assert net.module.training
        assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_every_mode_gives_the_map_of_the_dense_loop(net, images, mode):
    dense = cs.occlusion(net, images, target=1, patch=3, stride=2, mode="dense")
    other = cs.occlusion(net, images, target=1, patch=3, stride=2, mode=mode)
    assert "Only changed regions" in " ".join(other.notes)
    for name in ("values", "scores", "probabilities", "activity", "clean_score"):
        torch.testing.assert_close(getattr(other, name), getattr(dense, name), rtol=1e-4, atol=1e-5)
    assert torch.equal(other.labels, dense.labels)


def test_a_budget_answers_its_share_and_says_how_far_off_the_rest_is(net, images):
    whole = cs.occlusion(net, images, target=1, patch=3, stride=1)
    part = cs.occlusion(net, images, target=1, patch=3, stride=1, budget=0.4)
    right = (part.scores - whole.scores).abs() < 1e-5
    assert 0.4 <= float(right.all(0).float().mean()) < 0.6
    assert "32 of 80 positions" in " ".join(part.notes)
    said = float(part.notes[-1].split("off by ")[1].split("%")[0]) / 100
    effect = (whole.scores - whole.clean_score[:, None, None]).abs().max()
    truth = float(((part.scores - whole.scores).abs() / effect).mean()) / (1 - float(right.float().mean()))
    assert said == pytest.approx(truth, rel=0.6)
    rough = cs.occlusion(net, images, target=1, patch=3, stride=1, budget=0.1)
    assert (rough.values - whole.values).abs().mean() > (part.values - whole.values).abs().mean()
