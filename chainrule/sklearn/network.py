"""A trained module as an estimator keeps it: what it answers, and how it is pickled."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from chainrule import nn
from chainrule.train.evaluating import outputs_of
from chainrule.train.feed import as_rows
from chainrule.train.predictor import Predictor


class Network:
    """A module in evaluation mode, and its forward pass as a program of one number of rows.

    Such a program gives a row the same bits wherever it stands and whatever stands around it, so answers do not depend
    on how many are asked for together. What is not compiled gives them up to the last bits of float32.
    Pickled, it is the module: its tensors as arrays.
    """

    def __init__(self, module: nn.Module, compiled: bool) -> None:
        self.module = module
        self.compiled = compiled
        self._predictor: Predictor | None = None

    def outputs(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What the module says of rows (n, ...): (n, outputs)."""
        if not self.compiled:
            return outputs_of(self.module, as_rows(x, "X")).reshape(len(x), -1)
        if self._predictor is None:
            self._predictor = Predictor.of_model(self.module, (x[:1],))
        return self._predictor.outputs(x).reshape(len(x), -1)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_predictor": None}
