"""The values that a run uses, each with its reason: what was asked for, else what the defaults give for such data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chainrule.ir.errors import ArgumentError
from chainrule.runs.config import RunConfig
from chainrule.runs.user_models import is_user_model
from chainrule.threads import get_num_threads
from chainrule.train.defaults import Defaults, defaults_for
from chainrule.train.losses import LOSSES
from chainrule.train.presets import ACTIVATIONS, INITS, NORMS, PRESETS, check_known
from chainrule.train.recipes import OPTIMIZERS, SCHEDULES

ASKED = "asked for"
# What options choose by default besides the rules of `train.defaults`.
REST: dict[str, tuple[Any, str]] = {
    "class_weight": (None, "every row counts alike"),
    "time_limit": (None, "no limit"),
    "compile": (True, "steps run as machine code"),
}
LINEAR = "linear"
USUAL = {
    "activation": "the usual one",
    "init": "as PyTorch's layers begin",
    "clip": "gradients are taken as they are",
    "ema": "the weights are not averaged",
    "l1": "no penalty",
    "label_smoothing": "none",
}
OF_PRESETS = ("hidden", "activation", "norm", "dropout", "init")  # a model of the user's own has none of these
NAMED: dict[str, Iterable[str]] = {
    "activation": ACTIVATIONS,
    "norm": NORMS,
    "init": INITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


@dataclass(frozen=True)
class Setting:
    """A value and why it is that."""

    value: Any
    why: str


def settle(config: RunConfig, rows: int, columns: int, task: str) -> dict[str, Setting]:
    """The settings of a run on so many training rows and encoded columns, in the order of printing.

    ArgumentError for a name that is not known, or an option that the model does not have.
    """
    defaults = defaults_for(rows, columns, task)
    model = config.model or defaults.model
    own = is_user_model(model)
    plain = own or model == LINEAR  # a model without options
    names = ("model", *(() if plain else OF_PRESETS), "loss", "class_weight", "optimizer", "lr", "schedule", "warmup")
    names += ("weight_decay", "l1", "clip", "ema", "label_smoothing", "epochs", "batch_size", "patience", "time_limit")
    found = {name: setting(config, defaults, name, task) for name in (*names, "compile")}
    found["seed"] = Setting(config.seed, ASKED if config.seed else "the default; another gives other random numbers")
    found["threads"] = Setting(get_num_threads(), ASKED if config.threads else "all cores; bits do not depend on it")
    if not own:
        check_known("model", model, PRESETS)
    for name in OF_PRESETS:
        if plain and getattr(config, name) is not None:
            raise ArgumentError(f"--{name} says nothing to --model {model}: leave one of them out.")
    if found["batch_size"].value > rows:
        found["batch_size"] = Setting(rows, f"{found['batch_size'].value:,} is more than the {rows:,} training rows")
    for name, known in NAMED.items():
        if name in found:
            check_known(name, found[name].value, known)
    check_known("loss", found["loss"].value, LOSSES[task])
    return found


def setting(config: RunConfig, defaults: Defaults, name: str, task: str) -> Setting:
    """One of them."""
    asked = getattr(config, name, None)
    if asked is not None and not (name == "compile" and asked):
        return Setting(asked, ASKED)
    if name == "warmup" and config.schedule is not None:
        return Setting(None, "the schedule's own")  # the default one belongs to the default schedule
    if name == "loss":
        return Setting(next(iter(LOSSES[task])), f"the usual one of {task}")
    if name in REST:
        return Setting(*REST[name])
    return Setting(getattr(defaults, name), defaults.why.get(name) or USUAL.get(name, "default"))
