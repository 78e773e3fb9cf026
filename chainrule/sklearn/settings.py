"""The settings of a fit: what the estimator's parameters ask for, else what the defaults give for such data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.ir.errors import ArgumentError
from chainrule.sklearn.models import OF_PRESETS, has_options, is_own
from chainrule.train.defaults import defaults_for
from chainrule.train.losses import LOSSES
from chainrule.train.presets import ACTIVATIONS, INITS, NORMS, PRESETS, check_known
from chainrule.train.recipes import OPTIMIZERS, SCHEDULES

# What the rules of `train.defaults` choose where a parameter is None.
CHOSEN = (
    "optimizer", "lr", "schedule", "warmup", "weight_decay", "l1", "clip", "ema", "label_smoothing", "epochs",
    "batch_size", "patience", "valid",
)  # fmt: skip


def is_number(value: object, least: float = -math.inf) -> bool:
    """Whether it is a finite number, and not a bool."""
    kinds = (int, float, np.integer, np.floating)
    return isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value) and bool(value >= least)


def is_count(value: object, least: int) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def is_flag(value: object) -> bool:
    """Whether it is True or False."""
    return isinstance(value, bool | np.bool_)


# name, what it must be, whether it is; None stands for the default, where there is one
RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("hidden", "widths of at least 1", lambda v: np.ndim(v) == 1 and len(v) > 0 and all(is_count(w, 1) for w in v)),
    ("dropout", "in [0, 1)", lambda v: is_number(v, 0) and v < 1),
    ("lr", "a number above 0", lambda v: is_number(v, 0) and v > 0),
    ("warmup", "a share of the steps in [0, 1)", lambda v: is_number(v, 0) and v < 1),
    ("weight_decay", "a number of at least 0", lambda v: is_number(v, 0)),
    ("l1", "a number of at least 0", lambda v: is_number(v, 0)),
    ("clip", "a number above 0", lambda v: is_number(v, 0) and v > 0),
    ("ema", "a decay in [0, 1)", lambda v: is_number(v, 0) and v < 1),
    ("label_smoothing", "in [0, 1)", lambda v: is_number(v, 0) and v < 1),
    ("epochs", "an int of at least 1", lambda v: is_count(v, 1)),
    ("batch_size", "an int of at least 1", lambda v: is_count(v, 1)),
    ("patience", "an int of at least 0", lambda v: is_count(v, 0)),
    ("valid", "a share of the rows in [0, 1)", lambda v: is_number(v, 0) and v < 1),
    ("time_limit", "a number of seconds above 0", lambda v: is_number(v, 0) and v > 0),
    ("threads", "an int of at least 1", lambda v: is_count(v, 1)),
    ("scale", "True or False", is_flag),
    ("warm_start", "True or False", is_flag),
    ("compile", "True or False", is_flag),
)
NAMED: dict[str, Any] = {
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "init": INITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
MAY_BE_CALLED = ("optimizer", "schedule", "loss")


def check_parameters(name: str, parameters: Mapping[str, Any], task: str) -> None:
    """Raises ArgumentError, which names the estimator and the parameter, for the first that is wrong."""
    for parameter, required, holds in RULES:
        value = parameters.get(parameter)
        if value is not None and not holds(value):
            raise ArgumentError(f"{name}: {parameter} must be {required}, not {value!r}.")
    for parameter, known in {**NAMED, "loss": LOSSES[task]}.items():
        value = parameters.get(parameter)
        if value is None or (parameter in MAY_BE_CALLED and callable(value)):
            continue
        if not isinstance(value, str):
            raise ArgumentError(f"{name}: {parameter} must be one of {', '.join(known)}, not {value!r}.")
        check_known(parameter, value, known)
    model = parameters.get("model")
    if isinstance(model, str):
        check_known("model", model, PRESETS)
    for parameter in OF_PRESETS:
        if not has_options(model) and parameters.get(parameter) is not None:
            which = "a model of your own" if is_own(model) else f"the model {model!r}"
            raise ArgumentError(f"{name}: {parameter} says nothing to {which}: leave one of them out.")


def settled(parameters: Mapping[str, Any], rows: int, columns: int, task: str) -> dict[str, Any]:
    """The value of each setting for so many rows and columns."""
    defaults = defaults_for(rows, columns, task)
    model = defaults.model if parameters["model"] is None else parameters["model"]
    names = (*(() if is_own(model) else ("model",)), *(OF_PRESETS if has_options(model) else ()), *CHOSEN)
    found = {name: getattr(defaults, name) if parameters.get(name) is None else parameters[name] for name in names}
    if parameters["schedule"] is not None and parameters["warmup"] is None:
        found["warmup"] = None  # the default one belongs to the default schedule
    if task == "regression":
        del found["label_smoothing"]
    if callable(parameters["optimizer"]):
        del found["weight_decay"]  # it says so itself
    found["loss"] = next(iter(LOSSES[task])) if parameters["loss"] is None else parameters["loss"]
    found["time_limit"] = parameters["time_limit"]
    return {name: plain(value) for name, value in found.items()}


def plain(value: Any) -> Any:
    """NumPy's numbers, which searches draw, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return tuple([plain(part) for part in value])
    return value
