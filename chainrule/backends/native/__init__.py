"""The native backend: a graph becomes one program in machine code for this processor, run by a pool of threads.

compile(graph, threads) -> Runner     raises NotCompiledError, naming what it has no row for
check()                               raises NativeUnavailable where this machine cannot run generated code
measure_peak(threads) -> float        the machine's limit in GFLOP/s

A program that stands in the cache is read and run by a few modules. Those that make one (passes, emitters, LLVM's
text), stand before one that is called often, or tell of one, are loaded when somebody asks for `drawing`, `gate`,
`report` or `peak`.
"""

import importlib
from typing import Any

from chainrule.backends.native.blueprint import NotCompiledError
from chainrule.backends.native.jit import NativeUnavailable
from chainrule.backends.native.runner import Runner, check, compile

__all__ = ["NativeUnavailable", "NotCompiledError", "Runner", "check", "compile", "measure_peak"]

ON_DEMAND = ("drawing", "gate", "peak", "report", "words")


def __getattr__(name: str) -> Any:
    if name == "measure_peak":
        return __getattr__("peak").measure
    if name in ON_DEMAND:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
