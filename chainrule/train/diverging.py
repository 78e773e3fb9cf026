"""Where a loss that is not finite began: the run is repeated from its last good state, and the step that made the
first number that is not finite is taken apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.ir import state
from chainrule.tensor import Tensor
from chainrule.train.feed import Batch
from chainrule.train.penalties import penalty
from chainrule.train.snapshot import model_cells, put_back, taken
from chainrule.train.step import Recipe, finite

if TYPE_CHECKING:
    from chainrule.train.loop import Loop


@dataclass(frozen=True)
class Beginning:
    """Where it began. layer: None where it was in none."""

    step: int
    epoch: int
    layer: str | None
    what: str


def located(loop: Loop) -> Beginning | None:
    """Where the first number of a run became infinite or NaN. The loop must be at its last good state, without
    listeners; None if the repetition is not what the run was, as with a loader that gives other batches each time."""
    last = loop.steps + 1 if loop.good is None else loop.good.until
    while loop.steps < last:
        for batch in loop.begin_epoch():
            found = repeated(loop, batch)
            if found is not None or loop.steps >= last:
                return found
        loop.end_epoch()
    return None


def repeated(loop: Loop, batch: Batch) -> Beginning | None:
    """One step again; where it began, if it was in this one."""
    cells = model_cells(loop.model)
    before, generators = taken(cells), loop.generator_states()
    loss = loop.one_step(batch)
    if finite(loss) and all_finite(taken(cells)):
        return None
    put_back(cells, before)
    loop.put_generators(generators)
    layer, what = blamed(loop.plan.recipe, batch, before)
    return Beginning(loop.steps, loop.epoch + 1, layer, what)


def blamed(recipe: Recipe, batch: Batch, weights: Mapping[str, npt.NDArray[Any]]) -> tuple[str | None, str]:
    """The layer that is to blame in a step, and for what, found by running it eagerly."""
    for position, name in enumerate(("inputs", "targets", "weights")[: len(batch)]):
        if not all_finite({name: batch[position].read().array}):
            return None, f"the {name} of this batch hold {amount(batch[position].read().array)}"
    for name, array in weights.items():
        if not all_finite({name: array}):
            return layer_of(name), f"{name} held {amount(array)} before the step"
    recipe.model.zero_grad()
    with state.using(state.gradients_enabled, True), np.errstate(all="ignore"):
        first, outputs = watched_forward(recipe.model, batch[0])
        if first is not None:
            return first
        loss, _ = recipe.objective(outputs, batch[1], batch[2] if len(batch) == 3 else None)
        if not finite(loss):
            return None, "the outputs of the model are finite, their loss is not"
        extra = penalty(list(recipe.penalised), recipe.l1, recipe.l2)
        (loss if extra is None else loss + extra).backward()
    return blamed_gradient(recipe)


def watched_forward(model: nn.Module, x: Tensor) -> tuple[tuple[str, str] | None, Any]:
    """The outputs, and the first module whose output is not finite, in the order of computation."""
    found: list[tuple[str, str]] = []

    def look(name: str, kind: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            for part in output if isinstance(output, tuple | list) else (output,):
                if not found and isinstance(part, Tensor) and not all_finite({"": part.read().array}):
                    found.append((name or kind, f"the output of {kind} held {amount(part.read().array)}"))

        return hook

    hooks = [module.register_forward_hook(look(name, type(module).__name__)) for name, module in model.named_modules()]
    try:
        outputs = model(x)
        return (found[0] if found else None), outputs
    finally:
        for hook in hooks:
            hook.remove()


def blamed_gradient(recipe: Recipe) -> tuple[str | None, str]:
    """The gradient that was the first not to be finite: backwards, so the last one in the model. Else the update."""
    for name, p in reversed(list(recipe.model.named_parameters())):
        gradient = None if p.grad is None else p.grad.read().array
        if gradient is not None and not all_finite({name: gradient}):
            return layer_of(name), f"the gradient of {name} held {amount(gradient)}"
    return None, "the update: every gradient was finite. The learning rate is too high for them"


def because(step: int, epoch: int, began: Beginning | None) -> str:
    """The message of the error."""
    text = f"the loss is no longer a finite number, at step {step} in epoch {epoch}. "
    if began is None:
        return text + "Where it began is not known: it did not happen again when the steps were repeated."
    place = "" if began.layer is None else f" in layer {began.layer}"
    when = "" if began.step == step else f" at step {began.step}"
    text += f"It began{when}{place}: {began.what}."
    if began.what.startswith(("the inputs", "the targets", "the weights")):
        return text + " Leave such rows out, or fill them in."
    return text + " A lower learning rate, clip=1.0 or scaled inputs may help."


def layer_of(name: str) -> str:
    """The path of the layer that a parameter belongs to."""
    return name.rpartition(".")[0] or name


def all_finite(arrays: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Whether all floating numbers are finite."""
    return all([array.dtype.kind != "f" or bool(np.isfinite(array).all()) for array in arrays.values()])


def amount(array: npt.NDArray[Any]) -> str:
    """How much of an array is not finite."""
    count = int(array.size - np.isfinite(array).sum())
    kind = "NaN" if np.isnan(array).any() else "infinite"
    return f"{count} of {array.size} numbers that are {kind}"
