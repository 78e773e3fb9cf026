"""Targets as networks learn them, and outputs as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, different, places_of, to_python
from chainrule.data.task import Task
from chainrule.ir.errors import ArgumentError


@dataclass(frozen=True)
class Labels:
    """Classes in order, or the mean and scale of a number; either way back to the values that the file had."""

    name: str
    kind: Kind
    original: str  # of the target column: int64, float64, bool, str
    classes: tuple[Any, ...] | None = None  # in their original type
    mean: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, column: Column, task: Task) -> Labels:
        """From the target of the training rows."""
        present = column.data[~column.is_missing]
        if task.kind == "classification":
            classes = tuple(sorted(to_python(column, different(present))))
            return cls(column.name, column.kind, column.original, classes)
        scale = float(present.std(dtype=np.float64))
        mean = float(present.mean(dtype=np.float64))
        return cls(column.name, column.kind, column.original, None, mean, scale if scale > 0 else 1.0)

    @property
    def width(self) -> int:
        """The outputs that a model needs: one per class, or 1."""
        return 1 if self.classes is None else len(self.classes)

    def encode(self, column: Column) -> npt.NDArray[Any]:
        """int64 (n,) places in `classes`, -1 where missing or unknown; or float32 (n,) standardised, NaN missing."""
        if self.classes is None:
            if column.kind not in {Kind.NUMBER, Kind.BOOL}:
                raise ArgumentError(f"the target {self.name!r} must hold numbers, but here it holds {column.kind}.")
            return np.asarray((column.data - self.mean) / self.scale, np.float32)
        index = {spelled(label): place for place, label in enumerate(self.classes)}
        if column.levels is not None:
            levels = column.levels.tolist()
            places = np.array([index.get(spelled(level), -1) for level in levels] + [-1], np.int64)
            return np.asarray(places[column.data])
        found, places, _ = places_of(column.data[~column.is_missing])
        out = np.full(len(column), -1, np.int64)
        out[~column.is_missing] = np.array([index.get(spelled(v), -1) for v in to_python(column, found)], np.int64)[
            places
        ]
        return out

    def decode(self, outputs: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Labels of logits (n, k), in their original type; or numbers of outputs (n, 1) in their original units."""
        if self.classes is None:
            return np.asarray(outputs, np.float64).reshape(len(outputs)) * self.scale + self.mean
        return np.asarray(self.class_array()[np.asarray(outputs).argmax(axis=1)])

    def class_array(self) -> npt.NDArray[Any]:
        """The classes as an array: int64, bool, float64, or str objects."""
        assert self.classes is not None
        plain = {"int64": np.int64, "float64": np.float64, "bool": np.bool_}
        return np.array(self.classes, dtype=plain.get(self.original, object))

    def probabilities(self, outputs: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Softmax of logits: float64 (n, k)."""
        logits = np.asarray(outputs, np.float64)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs."""
        return {
            "name": self.name,
            "kind": str(self.kind),
            "original": self.original,
            "classes": None
            if self.classes is None
            else [str(c) if self.kind is Kind.DATE else c for c in self.classes],
            "mean": self.mean,
            "scale": self.scale,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Labels:
        """The labels that `to_json` described; ArgumentError if it is something else."""
        try:
            classes = stored["classes"]
            return cls(
                str(stored["name"]),
                Kind(stored["kind"]),
                str(stored["original"]),
                None if classes is None else tuple(classes),
                float(stored["mean"]),
                float(stored["scale"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"the stored labels are damaged: {error!r}.") from None


def spelled(label: Any) -> str:
    """A label as text, the same for 3 and 3.0, for True and "true"."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label).lower() if isinstance(label, bool) else str(label)
