"""Floor 3: what turns a graph into something that runs. A backend has

    compile(graph) -> callable from a list of arrays (the graph's inputs) to a list of arrays (its outputs)
    coverage() -> Coverage: which primitives it has rows for

and knows no other backend. `torch.backends` is another thing under the same path: what scripts ask of it is here too.
"""

import importlib
from typing import Any

from chainrule.ir.errors import NotYetError

PYTORCHS = ("cudnn", "mps")
HEAVY = ("native",)  # it loads LLVM
NOT_YET = {"cpu", "cuda", "mha", "mkl", "mkldnn", "nnpack", "openmp", "opt_einsum", "quantized", "xnnpack"}


def __getattr__(name: str) -> Any:
    if name in PYTORCHS + HEAVY:
        return importlib.import_module(f"chainrule.backends.{name}")
    if name in NOT_YET:
        raise NotYetError(f"backends.{name} is part of PyTorch's interface that chainrule does not have yet.")
    raise AttributeError(f"module 'chainrule.backends' has no attribute '{name}'")
