"""A trained module as an estimator keeps it: what it answers, and how it is pickled."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule import nn
from chainrule.compiler import compile
from chainrule.ir import state
from chainrule.ir.errors import LeakedTensorError, TracedValueError
from chainrule.tensor import Tensor, from_array

ROWS = 256  # at a time, always: the last ones are filled up


class Network:
    """A module in evaluation mode.

    Machine code for one number of rows gives a row the same bits wherever it stands and whatever stands around it, so
    answers do not depend on how many are asked for together. NumPy, which runs what cannot be compiled, gives them
    up to the last bits of float32.
    """

    def __init__(self, module: nn.Module, compiled: bool = True) -> None:
        self.module = module
        self.compiled = compiled
        self._forward: Any = None  # no part of the state

    def outputs(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """What the module says of rows (n, ...): (n, outputs)."""
        if any(module.training for module in self.module.modules()):
            self.module.eval()
        parts = [self._chunk(x[start : start + ROWS]) for start in range(0, len(x), ROWS)]
        return np.concatenate(parts)

    def _chunk(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        rows = len(x)
        if rows < ROWS:
            x = np.concatenate([x, np.repeat(x[-1:], ROWS - rows, axis=0)])
        with state.using(state.gradients_enabled, False):
            result = self._call(from_array(np.ascontiguousarray(x)))
        found: npt.NDArray[np.float32] = result.read_outside().array[:rows].reshape(rows, -1)
        return found

    def _call(self, x: Tensor) -> Tensor:
        if self._forward is None:
            self._forward = compile(self.module) if self.compiled else self.module
        try:
            return self._forward(x)  # type: ignore[no-any-return]
        except (TracedValueError, LeakedTensorError):
            self._forward, self.compiled = self.module, False  # it branches on values: no program can be made of it
            return self._forward(x)  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_forward": None}
