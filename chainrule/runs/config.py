"""What a run was asked for: every option of `chainrule train`, as one frozen value that JSON carries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from chainrule.ir.errors import ArgumentError

Share = float | str  # a share of the rows, or a file that holds the part


@dataclass(frozen=True)
class RunConfig:
    """The options of `chainrule train`; None means that chainrule chooses. ArgumentError says which are wrong.

    >>> RunConfig("penguins", hidden=(32,)).as_dict()["hidden"]
    [32]
    """

    source: str  # a file, or the name of a data set that comes with the package
    target: str | None = None
    task: str | None = None  # "classification" or "regression"
    drop: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None  # all other columns
    valid: Share | None = None
    test: Share | None = None
    group: str | None = None
    time: str | None = None
    model: str | None = None  # a preset, or file.py:Name
    hidden: tuple[int, ...] | None = None
    activation: str | None = None
    init: str | None = None
    norm: str | None = None
    dropout: float | None = None
    l1: float | None = None
    weight_decay: float | None = None
    clip: float | None = None  # the largest norm of the gradient
    loss: str | None = None
    class_weight: str | Mapping[str, float] | None = None  # "balanced", or a weight by class
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    optimizer: str | None = None
    schedule: str | None = None
    warmup: float | None = None  # a share of the steps
    patience: int | None = None  # epochs without a better validation; 0: never stop early
    seed: int = 0
    time_limit: float | None = None  # seconds
    threads: int | None = None
    compile: bool = True
    trees: bool | None = None  # None: where training took long enough that they do not matter

    def __post_init__(self) -> None:
        wrong = [
            f"{name} must be {rule}, not {value!r}"
            for name, rule, holds in RULES
            if (value := getattr(self, name)) is not None and not holds(value)
        ]
        if wrong:
            raise ArgumentError("; ".join(wrong) + ".")
        if self.group is not None and self.time is not None:
            raise ArgumentError("--group and --time both say how to split the rows: leave one out.")
        both = sorted(set(self.drop) & set(self.features or ()))
        if both:
            raise ArgumentError(f"column {both[0]!r} is in --drop and in --features: leave it out of one.")

    def as_dict(self) -> dict[str, Any]:
        """The options as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, options: Mapping[str, Any]) -> RunConfig:
        """The options that `as_dict` gave. ArgumentError if one is unknown, or none of these."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ArgumentError(f"unknown option {unknown[0]!r} of a run: it is of another version of chainrule.")
        lists = {name: tuple(value) for name, value in options.items() if isinstance(value, list)}
        try:
            return cls(**{**options, **lists})
        except TypeError as error:
            raise ArgumentError(f"the options of a run are damaged: {error}.") from None

    def with_(self, **changes: Any) -> RunConfig:
        """The same with some options changed."""
        return replace(self, **changes)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_part(value: object) -> bool:
    return isinstance(value, str) or (_is_number(value) and 0 <= value < 1)  # type: ignore[operator]


def _weights(value: object) -> bool:
    if isinstance(value, str):
        return value == "balanced"
    return isinstance(value, Mapping) and all(_is_number(weight) and weight >= 0 for weight in value.values())


RULES: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("task", "classification or regression", lambda value: value in ("classification", "regression")),
    ("valid", "a share in [0, 1) or a file", _is_part),
    ("test", "a share in [0, 1) or a file", _is_part),
    ("hidden", "widths of at least 1", lambda value: value and all(_is_count(width, 1) for width in value)),
    ("dropout", "in [0, 1)", lambda value: _is_number(value) and 0 <= value < 1),
    ("l1", "at least 0", lambda value: _is_number(value) and value >= 0),
    ("weight_decay", "at least 0", lambda value: _is_number(value) and value >= 0),
    ("clip", "above 0", lambda value: _is_number(value) and value > 0),
    ("class_weight", "balanced, or weights of at least 0 like yes=2,no=1", _weights),
    ("epochs", "at least 1", lambda value: _is_count(value, 1)),
    ("batch_size", "at least 1", lambda value: _is_count(value, 1)),
    ("lr", "above 0", lambda value: _is_number(value) and value > 0),
    ("warmup", "a share of the steps in [0, 1)", lambda value: _is_number(value) and 0 <= value < 1),
    ("patience", "at least 0", lambda value: _is_count(value, 0)),
    ("seed", "at least 0", lambda value: _is_count(value, 0)),
    ("time_limit", "above 0 seconds", lambda value: _is_number(value) and value > 0),
    ("threads", "at least 1", lambda value: _is_count(value, 1)),
)
