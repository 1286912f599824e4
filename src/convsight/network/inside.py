"""How is a network looked into: its layers by name, their values in a pass, and what they are replaced by?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar

import torch
from jaxtyping import Float
from torch import Tensor

from convsight.errors import ModelError
from convsight.network.changes import every_module
from convsight.network.graph import Tape, name_nodes
from convsight.network.interventions import Edit, Intervention, ReplaceOp, active_in, undisturbed
from convsight.network.layers import Layers
from convsight.network.passes import Passes
from convsight.network.receptive_field import fields
from convsight.network.wrappers import quantised

_SEEING: ContextVar[tuple[object, Tensor | None]] = ContextVar("convsight_seeing", default=(None, None))


class Inside(Passes):
    """A network whose operations have names; values can be recorded, edited, or computed another way."""

    @property
    def layers(self) -> Layers:
        """Every layer by name, in order: kind, output shape, parameters, MACs and receptive field."""
        net, seen = _SEEING.get()
        if self.habits.decides and net is self and seen is not None:
            return self._layers_of(self._trace(seen))
        modules = list(every_module(self.module))
        made_of = [*modules, *(p for m in modules for p in m._parameters.values() if p is not None)]
        if self._layers is None or list(map(id, self._layers[0])) != list(map(id, made_of)):
            self._layers = (made_of, self._layers_of(self._trace()))
        return self._layers[1]

    def _layers_of(self, tape: Tape) -> Layers:
        nodes, aliases = name_nodes(tape)
        return Layers(nodes, tape.keys, aliases, fields(nodes, *self.input_size), self.input_size)

    @contextlib.contextmanager
    def seeing(self, pixels: Float[Tensor, "n c h w"] | None) -> Iterator[None]:
        """Inside, `layers` are those that the first of these pictures passes, in a network that decides as it goes."""
        fits = pixels is not None and pixels.ndim == 4 and pixels.shape[1] == self.channels
        token = _SEEING.set((self, pixels[:1].repeat(2, 1, 1, 1) if pixels is not None and fits else None))
        try:
            yield
        finally:
            _SEEING.reset(token)

    def _trace(self, pixels: Tensor | None = None) -> Tape:
        pixels = torch.full((2, self.channels, *self.input_size), 0.5) if pixels is None else pixels
        inside, tape = self.normalise(pixels), Tape()
        with self._lock, undisturbed(self.module), torch.no_grad(), tape.watch(self.module, inside):
            self._run(inside)
        if not tape.nodes:
            raise _unseen(self.name, quantised(self.module))
        return tape

    @contextlib.contextmanager
    def record(self, *layers: str, stop: bool = False) -> Iterator[dict[str, Tensor]]:
        """Passes inside the block leave each named layer's value in the dictionary that it yields.

        With `stop` a pass ends as soon as all of them are there: `forward` then answers an empty n×0 and no
        later layer is run, which is quicker and lets pictures have any size that the layers up to there take.
        """
        intervention = Intervention(self.module, {name: self.layers[name].key for name in layers}, stop=stop)
        with active_in(intervention):
            yield intervention.seen

    @contextlib.contextmanager
    def edit(self, edits: Mapping[str, Edit]) -> Iterator[None]:
        """Passes inside the block replace each named layer's value by the function's answer to it."""
        by_key = {self.layers[name].key: edit for name, edit in edits.items()}
        with active_in(Intervention(self.module, edits=by_key)):
            yield

    @contextlib.contextmanager
    def replace_ops(self, replace_op: ReplaceOp) -> Iterator[None]:
        """Passes inside the block offer each operation to `replace_op(kind, func, args, kwargs)` first.

        Its method `begin`, if it has one, is called with the `Tape` of each pass before the first operation; `end`
        with the value that was read of the network, unless the pass stopped before.
        """
        with active_in(Intervention(self.module, replace_op=replace_op)):
            yield


def _unseen(name: str, quantised_how: str) -> ModelError:
    if quantised_how:
        return ModelError(
            f"no operation of {name} can be seen: it computes in whole numbers ({quantised_how} quantisation)",
            works="convsight.occlusion works; for the others load the network as it was before it was quantised",
        )
    return ModelError(
        f"no operation of {name} can be seen; is it compiled or a TorchScript module? "
        "Techniques that need no layer work (saliency, integrated_gradients, occlusion); for the others "
        "load the network from its Python code or as a program of torch.export (.pt2)"
    )
