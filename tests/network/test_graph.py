"""The tape sees every operation, however a network writes it, and leaves nothing behind."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from convsight.network.graph import Ref, Tape, name_nodes
from convsight.network.operations import is_in_place, kind_of


def taped(module, x, **kwargs):
    tape = Tape(**kwargs)
    with torch.no_grad(), tape.watch(module, x):
        output = module(x)
    return tape, output


def names(module, x):
    tape, _ = taped(module, x)
    return [node.name for node in name_nodes(tape)[0]]


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.relu = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU(inplace=True)
        self.block = nn.Sequential(nn.Conv2d(2, 2, 1), self.relu)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.block(self.relu(self.conv2(x)))
        x = F.relu(x + 1)
        return x.relu_().flatten(1)


PICTURE = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def test_a_reused_module_and_functions_are_counted_by_call():
    expected = [
        "conv1",
        "relu#1",
        "conv2",
        "relu#2",
        "block.0",
        "relu#3",
        "add",
        "relu#4",
        "relu#5",
        "flatten",
    ]
    assert names(Reused(), PICTURE) == expected


def test_containers_are_aliases_of_their_last_operation():
    tape, _ = taped(Reused(), PICTURE)
    nodes, aliases = name_nodes(tape)
    assert nodes[aliases["block"]].name == "relu#3"


@pytest.mark.parametrize(
    "func, args, kwargs, kind, in_place",
    [
        (F.relu, (1, True), {}, "relu", True),
        (F.relu, (1,), {"inplace": True}, "relu", True),
        (F.relu, (1,), {}, "relu", False),
        (torch.relu_, (1,), {}, "relu", True),
        (torch.Tensor.__iadd__, (1, 2), {}, "add", True),
        (torch.Tensor.__add__, (1, 2), {}, "add", False),
        (torch.Tensor.__radd__, (1, 2), {}, "add", False),
        (torch.Tensor.__setitem__, (1, 2, 3), {}, "setitem", True),
        (torch.Tensor.clamp_, (1,), {"min": 0}, "clamp", True),
        (torch.ops.aten.relu_.default, (1,), {}, "relu", True),
        (torch.ops.aten.add.Tensor, (1, 2), {}, "add", False),
        (torch.ops.aten.conv2d.padding, (1,), {}, "conv2d", False),
    ],
)
def test_an_operation_has_one_name_however_it_is_written(func, args, kwargs, kind, in_place):
    assert kind_of(func) == kind
    assert is_in_place(func, args, kwargs) is in_place


def test_the_edges_lead_from_the_picture_to_the_end():
    nodes = taped(Reused(), PICTURE)[0].nodes
    assert nodes[0].parents == (-1,)
    assert [node.parents for node in nodes[1:]] == [(i,) for i in range(len(nodes) - 1)]
    assert nodes[0].args[0] == Ref(-1)


def test_a_sum_has_both_its_parents_and_keyword_arguments_count():
    class Sum(nn.Module):
        def forward(self, x):
            a, b = x * 2, torch.tanh(input=x)
            return torch.cat(tensors=[a + b, x], dim=1)

    nodes = taped(Sum(), PICTURE)[0].nodes
    assert [node.kind for node in nodes] == ["mul", "tanh", "add", "cat"]
    assert [node.parents for node in nodes] == [(-1,), (-1,), (0, 1), (2, -1)]


def test_moving_and_copying_are_no_operations():
    class Copies(nn.Module):
        def forward(self, x):
            return (x.contiguous().clone().to(torch.float64).float() + 1).detach().flatten(1)

    assert names(Copies(), PICTURE) == ["add", "flatten"]


def test_what_does_not_depend_on_the_picture_is_not_seen():
    class Constant(nn.Module):
        def forward(self, x):
            return (x + torch.ones(3, 1, 1).cumsum(0).relu()[:1]).flatten(1)

    assert names(Constant(), PICTURE) == ["add", "flatten"]


def test_an_exception_inside_a_network_that_catches_it_spoils_no_names():
    class Fallible(nn.Module):
        def __init__(self):
            super().__init__()
            self.bad, self.good = nn.Conv2d(3, 1, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x):
            try:
                x = self.bad(x)
            except RuntimeError:
                x = self.good(x)
            return F.relu(x).flatten(1)

    assert names(Fallible(), PICTURE) == ["good", "relu", "flatten"]


def test_hooks_are_removed_also_after_an_exception():
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with pytest.raises(RuntimeError, match="channels"):
        taped(module, PICTURE)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_replacing_an_operation_in_place_changes_the_tensor_that_the_network_goes_on_using():
    class Discards(nn.Module):
        def forward(self, x):
            y = x * 1
            y.relu_()  # the answer is thrown away: y itself is changed
            return y.flatten(1)

    def triple(kind, func, args, kwargs):
        return args[0] * 3 if kind == "relu" else NotImplemented

    _, output = taped(Discards(), PICTURE, replace_op=triple)
    assert torch.allclose(output, 3 * PICTURE.flatten(1))


def test_a_value_that_is_watched_may_be_exchanged():
    seen = []

    def double(key, node, value):
        seen.append(key)
        return value * 2

    module = nn.Sequential(nn.ReLU(), nn.Flatten())
    _, output = taped(module, PICTURE, watched={("0", "relu", 1)}, on_value=double)
    assert seen == [("0", "relu", 1)]
    assert torch.equal(output, 2 * PICTURE.flatten(1))


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Identity(), nn.Identity()

    def forward(self, x):
        left, right = x.chunk(2, 3)
        return self.one(left) + 2 * self.other(right)


def test_a_name_stands_for_the_first_value_of_an_operation_and_never_for_a_later_one():
    tape, _ = taped(Halves(), PICTURE)
    _, aliases = name_nodes(tape)
    assert "one" in aliases and "other" not in aliases
