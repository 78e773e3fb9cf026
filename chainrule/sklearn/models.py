"""The module of an estimator: a preset, or the user's own."""

from __future__ import annotations

import copy
from typing import Any

import numpy.typing as npt

from chainrule import nn
from chainrule.ir.errors import ArgumentError
from chainrule.tensor import from_array
from chainrule.train import presets
from chainrule.train.evaluating import evaluation

OF_PRESETS = ("hidden", "activation", "norm", "dropout", "init")  # a model of the user's own has none of these


def is_own(model: Any) -> bool:
    """Whether `model` is no preset."""
    return model is not None and not isinstance(model, str)


def has_options(model: Any) -> bool:
    """Whether it is made by the options of presets. None: the default, which is."""
    return not is_own(model) and model != "linear"


def made_module(model: Any, inputs: int, outputs: int, options: dict[str, Any]) -> nn.Module:
    """A module for `inputs` features and `outputs` numbers.

    model: the name of a preset, which gets the options; a module, of which a copy is trained, from its weights on; a
    class or function, called with (inputs, outputs), or with nothing if it takes nothing.
    """
    if isinstance(model, str):
        return presets.build(model, inputs, outputs, **options)
    if isinstance(model, nn.Module):
        return copy.deepcopy(model)
    if not callable(model):
        raise ArgumentError(
            "model must be the name of a preset, a Module, or a class or function that makes one from "
            f"(inputs, outputs), not {model!r}."
        )
    made = model(inputs, outputs) if presets.takes_sizes(model) else model()
    if not isinstance(made, nn.Module):
        name = getattr(model, "__name__", type(model).__name__)
        raise ArgumentError(f"model: {name} must return a Module, it returned a {type(made).__name__}.")
    return made


def check_outputs(module: nn.Module, x: npt.NDArray[Any], outputs: int) -> None:
    """ArgumentError unless the module gives `outputs` numbers for one row x (1, ...)."""
    with evaluation(module):
        shape = tuple(module(from_array(x)).shape)
    if shape != (1, outputs) and not (outputs == 1 and shape == (1,)):
        raise ArgumentError(
            f"the model must give {outputs} numbers for each row, so (1, {outputs}) for inputs of shape {x.shape}; "
            f"it gave {shape}."
        )
