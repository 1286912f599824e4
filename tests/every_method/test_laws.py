"""What holds for every technique on every style of network."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from convsight.errors import InputError, ModelError
from convsight.methods import catalogue
from convsight.network.classifier import Classifier
from convsight.results.result import Result

from .conftest import MAPS, METHODS, WITH_NETWORK, arguments, method, pictures
from .networks import STYLES, fused

# Techniques that read weights or pixels alone.
NEVER_RUN_IT = ("architecture", "duplicates", "filters", "softmax")

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.*")


def _snapshot(module: nn.Module) -> dict[str, Any]:
    hooks = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_backward_hooks",
        "_backward_pre_hooks",
        "_state_dict_hooks",
    )
    return {
        "state": {name: tensor.clone() for name, tensor in module.state_dict().items()},
        "modules": [id(m) for m in module.modules()],
        "modes": [m.training for m in module.modules()],
        "in_place": [getattr(m, "inplace", None) for m in module.modules()],
        "hooks": [len(getattr(m, hook)) for m in module.modules() for hook in hooks],
        "grads": [p.grad is None for p in module.parameters()],
        "requires_grad": [p.requires_grad for p in module.parameters()],
        "attributes": [sorted(vars(m)) for m in module.modules()],
        "forwards": [m.forward.__func__ for m in module.modules()],
        "torch_rng": torch.get_rng_state().clone(),
        "numpy_rng": np.random.get_state()[1].copy(),
        "python_rng": random.getstate(),
        "grad_mode": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
    }


def _same(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_same(before[key], after[key]) for key in before)
    if isinstance(before, torch.Tensor):
        return torch.equal(before, after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after)
    return before == after


def _arrays(result: Result) -> dict[str, np.ndarray]:
    own = {name: array for name, array in result.arrays().items() if array.dtype.kind in "fiub"}
    return own | {f"{i}.{k}": v for i, part in enumerate(result.parts) for k, v in _arrays(part).items()}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", WITH_NETWORK)
def test_it_works_on_every_style_and_leaves_the_network_as_it_was(name: str, style: str) -> None:
    net = STYLES[style]()
    given = arguments(name, net)
    inputs = [value.pixels.clone() for value in given.values() if hasattr(value, "pixels")]
    before = _snapshot(net.module)
    result = method(name)(**given)
    assert _same(before, _snapshot(net.module))
    assert all(
        torch.equal(old, new.pixels)
        for old, new in zip(inputs, [v for v in given.values() if hasattr(v, "pixels")], strict=True)
    )
    for key, array in _arrays(result).items():
        if array.dtype.kind == "f" and "distance" not in key:
            assert np.isfinite(array).all(), key


@pytest.mark.parametrize("name", [n for n in WITH_NETWORK if n not in NEVER_RUN_IT])
def test_a_failure_at_its_last_step_leaves_the_network_as_it_was(name: str) -> None:
    net, fuse = fused()
    method(name)(**arguments(name, net))
    assert fuse.calls > 0, f"{name} never ran the network: it belongs in NEVER_RUN_IT"
    passes = fuse.calls
    net, fuse = fused()
    fuse.fails_at = passes
    given, made = arguments(name, net), method(name)
    before = _snapshot(net.module)
    with pytest.raises(ModelError, match="the fuse has blown"):
        made(**given)
    assert _same(before, _snapshot(net.module))


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    net = STYLES["functional"]() if name in WITH_NETWORK else None
    once = _arrays(method(name)(**arguments(name, net)))
    torch.manual_seed(99)  # the global state must not matter
    again = _arrays(method(name)(**arguments(name, net)))
    assert once.keys() == again.keys()
    for key in once:
        np.testing.assert_array_equal(once[key], again[key], err_msg=key)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("style", ["functional", "in-place"])
def test_a_batch_of_seven_equals_one_by_one(name: str, style: str) -> None:
    net = STYLES[style]()
    together = method(name)(**arguments(name, net, n=7)).values
    for i in range(7):
        given = arguments(name, net, n=7)
        given["images"] = given["images"][i]
        alone = method(name)(**given).values[0]
        scale = together[i].abs().max().clamp(min=1e-6)
        assert ((alone - together[i]).abs().max() / scale) < 1e-4, f"picture {i}"


@pytest.mark.parametrize("name", WITH_NETWORK)
def test_it_works_inside_no_grad(name: str) -> None:
    net = STYLES["skip"]()
    outside = _arrays(method(name)(**arguments(name, net)))
    with torch.no_grad():
        inside = _arrays(method(name)(**arguments(name, net)))
        assert not torch.is_grad_enabled()
    for key in outside:
        np.testing.assert_allclose(inside[key], outside[key], rtol=1e-4, atol=1e-5, err_msg=key)


@pytest.mark.parametrize("name", WITH_NETWORK)
def test_it_follows_the_network_to_another_device(name: str, elsewhere: torch.device) -> None:
    """Also if it was asked before the network moved."""
    net = STYLES["in-place"]()
    here = _arrays(method(name)(**arguments(name, net)))
    net.module.to(elsewhere)
    there = _arrays(method(name)(**arguments(name, net)))
    assert net.device.type == elsewhere.type and here.keys() == there.keys()
    for key, values in here.items():
        close = 1e-3 * max(float(np.abs(values).max(initial=0)), 1e-3)
        np.testing.assert_allclose(there[key], values, rtol=1e-3, atol=close, err_msg=key)


@pytest.mark.parametrize("name", METHODS)
def test_the_result_draws_saves_and_says_where_it_came_from(name: str, tmp_path: Any) -> None:
    net = STYLES["functional"]() if name in WITH_NETWORK else None
    given = arguments(name, net)
    result = method(name)(**given)
    assert type(result).__name__ == catalogue()[name].kind
    assert result.provenance is not None and result.provenance.method == name and result.provenance.source
    view = result.view()
    assert (
        view.png.startswith(b"\x89PNG") and json.loads(json.dumps(view.data))["kind"] == type(result).__name__
    )
    page = result.save(tmp_path / "r.html").read_text()
    assert 'src="http' not in page and "url(http" not in page
    with np.load(result.save(tmp_path / "r.npz"), allow_pickle=False) as saved:
        assert json.loads(str(saved["provenance"]))["weights"] == (
            net.weights_hash if net and "net" in given else ""
        )
    for suffix in result.suffixes:
        if suffix == "gif" and not getattr(result, "fps", None):
            continue
        assert result.save(tmp_path / f"again.{suffix}").stat().st_size > 0


@pytest.mark.parametrize("name", METHODS)
def test_every_knob_says_what_it_does(name: str) -> None:
    entry = catalogue()[name]
    assert entry.title and entry.summary.endswith(".") and any(c.isdigit() for c in entry.source), (
        entry.source
    )
    for knob in entry.knobs:
        assert len(knob.help) > 10 and not knob.help.endswith("."), knob.name


@pytest.mark.parametrize("name", [n for n in WITH_NETWORK if "target" in catalogue()[n].needs])
@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("no such class", "no class 'no such class'; "),
        (99, "no output 99; this network has outputs 0 to 2"),
        (("conv9", 0), r"no layer 'conv9' in this network; did you mean conv2, conv1\?"),
        (("conv1", 99), "no channel 99 in 'conv1'; it has channels 0 to 5"),
    ],
)
def test_a_wrong_target_is_answered_clearly(name: str, target: Any, answer: str) -> None:
    net = STYLES["functional"]()
    with pytest.raises(InputError, match=answer):
        method(name)(**{**arguments(name, net), "target": target})


def test_a_bare_module_is_answered_with_how_to_wrap_it() -> None:
    with pytest.raises(InputError, match=r"wrap it: convsight\.Classifier"):
        method("saliency")(nn.Linear(2, 2), pictures(1))


def test_the_functions_and_classes_are_public() -> None:
    import convsight as cs

    for name in METHODS:
        assert (
            callable(getattr(cs, name))
            and getattr(cs, catalogue()[name].method.__name__) is catalogue()[name].method
        )
    net = STYLES["functional"]()
    assert isinstance(net, Classifier)
    assert torch.equal(cs.saliency(net, pictures(2)).values, cs.Saliency()(net, pictures(2)).values)
