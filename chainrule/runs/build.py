"""What settings stand for: the model, and the arguments of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule import nn
from chainrule.functions.generator import manual_seed
from chainrule.ir.errors import ArgumentError
from chainrule.runs.prepare import Prepared
from chainrule.runs.settings import OF_PRESETS, Setting
from chainrule.runs.user_models import is_user_model, load_user_model
from chainrule.train.losses import LOSSES
from chainrule.train.presets import build
from chainrule.train.recipes import make_optimizer, make_schedule

Settings = Mapping[str, Setting]


def build_model(settings: Settings, prepared: Prepared) -> nn.Module:
    """The model, begun from the run's seed."""
    manual_seed(settings["seed"].value)
    name, inputs, outputs = settings["model"].value, prepared.encoding.width, prepared.labels.width
    if is_user_model(name):
        return load_user_model(name)(inputs, outputs)
    return build(
        name, inputs, outputs, **{option: settings[option].value for option in OF_PRESETS if option in settings}
    )


def fit_arguments(model: nn.Module, settings: Settings, prepared: Prepared) -> dict[str, Any]:
    """The arguments of `fit` besides model and data."""
    value = {name: setting.value for name, setting in settings.items()}
    kind = prepared.task.kind
    smoothing = {"label_smoothing": value["label_smoothing"]} if value["loss"] == "cross_entropy" else {}
    return {
        "loss": LOSSES[kind][value["loss"]](**smoothing),
        "optimizer": make_optimizer(value["optimizer"], model, value["lr"], value["weight_decay"]),
        "schedule": make_schedule(value["schedule"], value["warmup"]),
        "epochs": value["epochs"],
        "batch_size": value["batch_size"],
        "l1": value["l1"],
        "clip": value["clip"],
        "ema": value["ema"],
        "class_weight": class_weight(value["class_weight"], prepared),
        "patience": value["patience"] or None,
        "time_limit": value["time_limit"],
        "compile": value["compile"],
        "seed": value["seed"],
    }


def class_weight(asked: Any, prepared: Prepared) -> Any:
    """--class-weight by class number. ArgumentError for a class that is not there."""
    if asked is None or asked == "balanced":
        if asked is not None and prepared.classes is None:
            raise ArgumentError("--class-weight is for classification; this run predicts a number.")
        return asked
    if prepared.classes is None:
        raise ArgumentError("--class-weight is for classification; this run predicts a number.")
    numbers = {str(name): number for number, name in enumerate(prepared.classes)}
    unknown = [name for name in asked if name not in numbers]
    if unknown:
        raise ArgumentError(f"--class-weight names {unknown[0]!r}; the classes are {', '.join(numbers)}.")
    return {numbers[name]: float(weight) for name, weight in asked.items()}
