"""The native backend: a graph becomes one program in machine code for this processor, run by a pool of threads.

compile(graph, threads) -> Runner     raises NotCompiledError, naming what it has no row for
check()                               raises NativeUnavailable where this machine cannot run generated code
measure_peak(threads) -> float        the machine's limit in GFLOP/s
"""

from chainrule.backends.native.jit import NativeUnavailable
from chainrule.backends.native.peak import measure as measure_peak
from chainrule.backends.native.runner import NotCompiledError, Runner, check, compile

__all__ = ["NativeUnavailable", "NotCompiledError", "Runner", "check", "compile", "measure_peak"]
