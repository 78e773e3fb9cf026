"""How near do matrix products come to the processor's limit, on one thread, with data in its caches? Prints JSON.

usage: python benchmarks/contraction.py [--toy]

The limit is measured between the products: multiply-adds that never leave the registers. NumPy's BLAS runs the same
products on one thread, in turn. Shapes are (m, n, k); N is row-major, T transposed in memory, for each operand.
"""

from __future__ import annotations

import ctypes
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from threadpoolctl import threadpool_limits

from chainrule.backends.native.contraction import emit_product
from chainrule.backends.native.gemm_driver import KERNEL
from chainrule.backends.native.level import Level, host_levels
from chainrule.backends.native.text import Function, Reg, module_text, vector
from chainrule.ir.types import float32
from chainrule.passes.kernels import Access, Constant, Matrix, Product, Store
from chainrule.passes.kernels import Level as Often

TOY = "--toy" in sys.argv
SECONDS, ROUNDS = (0.002, 1) if TOY else (0.1, 5)
SHAPES = [
    *((128, 512, 784, layout) for layout in ("NT", "NN")),
    (128, 256, 512, "NT"),
    (128, 512, 256, "NN"),
    (784, 512, 128, "TN"),
    (512, 784, 128, "TN"),
    (768, 384, 128, "NT"),
    (768, 512, 128, "NT"),
    (768, 128, 512, "NT"),
    (1024, 1536, 384, "NT"),
    (384, 1536, 1024, "TN"),
    (1024, 384, 1536, "NN"),
    *((64, 64, 64, layout) for layout in ("NN", "NT", "TN")),
    *((64, 64, 32, layout) for layout in ("NN", "NT")),
    (128, 10, 256, "NT"),
    (10, 256, 128, "TN"),
    (128, 256, 10, "NN"),
    (768, 65, 128, "NT"),
    *((1, 512, 784, layout) for layout in ("NT", "NN")),
]
BATCHED = [(48, 64, 64, 32, "NT"), (48, 64, 32, 64, "NN"), (48, 64, 32, 64, "TN")]
Timed = Callable[[int], float]  # seconds for so many calls


def product_of(batch: int, m: int, n: int, k: int, layout: str) -> Product:
    """Contiguous operands, C row-major."""

    def matrix(operand: int, rows: int, columns: int, order: str) -> Matrix:
        row, column = (columns, 1) if order == "N" else (1, rows)
        return Matrix(operand, (rows * columns,), row, column)

    store = Store(Access(2, (m * n, n, 1)), 0, float32, Often.ELEMENT)
    a, b = matrix(0, m, k, layout[0]), matrix(1, k, n, layout[1])
    return Product((batch,), m, n, k, a, b, float32, (Constant(0, float32),), (store,), (float32,) * 3)


def compiled(functions: Sequence[Function], level: Level, name: str) -> Callable[..., None]:
    """A function NAME(table, slots, scratch, part, parts, times); it lives as long as the process."""
    machine = llvm.Target.from_triple(level.triple).create_target_machine(
        cpu=level.cpu, features=level.features, opt=2, jit=True
    )
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(module_text(functions, level)), machine)
    engine.finalize_object()
    KEPT.append(engine)
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, *[ctypes.c_int64] * 3)(engine.get_function_address(name))


KEPT: list[Any] = []


def aligned(*shape: int) -> Any:
    """Normal numbers at a multiple of 64 bytes."""
    count = int(np.prod(shape))
    memory = np.empty(count + 16, np.float32)
    start = -memory.ctypes.data % 64 // 4
    found = memory[start : start + count].reshape(shape)
    found[...] = np.random.default_rng(0).standard_normal(shape)
    return found


def repeated(level: Level, body: Callable[[Function], None]) -> Function:
    """A function that does something many times: a call from Python takes as long as a small product."""
    f = Function("repeated", [*KERNEL, ("i64", "times")], level)
    f.loop(0, f.parameters["times"], 1, lambda _, carried: body(f))
    f.end()
    return f


def native(level: Level, product: Product, a: Any, b: Any, c: Any) -> tuple[Timed, float]:
    """Calls of our kernel, and the seconds that compiling it took."""
    start = time.perf_counter()
    functions, bytes_of_scratch = emit_product("product", product, level)
    words = [name for _, name in KERNEL]
    functions.append(
        repeated(level, lambda f: void(f.call("product", *(f.parameters[w] for w in words), declared=True)))
    )
    run = compiled(functions, level, "repeated")
    seconds = time.perf_counter() - start
    table, slots = (ctypes.c_void_p * 3)(*(x.ctypes.data for x in (a, b, c))), (ctypes.c_int64 * 3)(0, 1, 2)
    scratch = aligned(bytes_of_scratch // 4 + 16)

    def timed(times: int) -> float:
        begin = time.perf_counter()
        run(ctypes.addressof(table), ctypes.addressof(slots), scratch.ctypes.data, 0, 1, times)
        return time.perf_counter() - begin

    return timed, seconds


def void(_: Reg) -> None:
    """What a call of a function without a result gives."""


def peak(level: Level) -> Callable[[], float]:
    """The multiply-adds of one thread in GFLOP/s: as many chains as leave registers for both factors."""
    chains, type = min(level.registers - 4, 24), vector(level.width, "float")
    f = Function("peak", [*KERNEL, ("i64", "times")], level)
    place = f.parameters["scratch"]
    factors = [f.load(f.pointer(place, 16 * i, "float"), type) for i in range(2)]

    def step(_: Reg, sums: list[Reg]) -> list[Reg]:
        return [f.fma(one, *factors) for one in sums]

    total = f.const(0, type)
    for one in f.loop(0, f.parameters["times"], 1, step, [f.const(0, type)] * chains, at_least_once=True):
        total = f.op("fadd", total, one)
    f.store(total, place)
    f.end()
    run, memory, times = compiled([f], level, "peak"), aligned(64), 2_000 if TOY else 100_000

    def once() -> float:
        start = time.perf_counter()
        run(None, None, memory.ctypes.data, 0, 1, times)
        return time.perf_counter() - start

    def measure() -> float:
        memory[...] = 0.5
        return 2 * level.width * chains * times / min(once() for _ in range(20)) / 1e9

    return measure


def best_rate(timed: Timed, flop: int) -> float:
    """GFLOP/s of the best round within the time."""
    times = max(1, int(1e7 / flop))
    timed(times)
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        best = min(best, timed(times) / times)
    return flop / best / 1e9


def numpys(a: Any, b: Any, out: Any) -> Timed:
    """Calls of NumPy's product."""

    def timed(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            np.matmul(a, b, out=out)
        return time.perf_counter() - start

    return timed


def measure(
    level: Level, limit: Callable[[], float], batch: int, m: int, n: int, k: int, layout: str
) -> dict[str, Any]:
    """One product, ours and NumPy's in turn, the limit before and behind each."""
    a = aligned(batch, *((m, k) if layout[0] == "N" else (k, m)))
    b = aligned(batch, *((k, n) if layout[1] == "N" else (n, k)))
    c, flop = aligned(batch, m, n), 2 * batch * m * n * k
    ours, seconds = native(level, product_of(batch, m, n, k, layout), a, b, c)
    plain_a, plain_b = (x if order == "N" else x.swapaxes(1, 2) for x, order in zip((a, b), layout, strict=True))
    theirs = numpys(plain_a, plain_b, np.empty_like(c))
    rates, peaks, blas = [], [limit()], []
    for _ in range(ROUNDS):
        rates.append(best_rate(ours, flop))
        peaks.append(limit())
        blas.append(best_rate(theirs, flop))
    return {
        "batch": batch,
        "shape": [m, n, k],
        "layout": layout,
        "gflops": round(max(rates), 1),
        "fraction_of_peak": round(max(rates) / max(peaks), 3),
        "worst_round": round(min(rates) / max(peaks), 3),
        "peak_gflops": round(max(peaks), 1),
        "numpy_gflops": round(max(blas), 1),
        "compile_ms": round(seconds * 1e3, 1),
    }


def main() -> None:
    """All of them."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    level = host_levels()[0]
    limit = peak(level)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    cases = [(1, *shape) for shape in SHAPES] + BATCHED
    with threadpool_limits(1):
        found = [measure(level, limit, *case) for case in (cases[-5:-3] if TOY else cases)]
    about = {"commit": commit.strip(), "machine": platform.processor() or platform.machine(), "level": level.name}
    print(json.dumps({**about, "numpy": np.__version__, "rounds": ROUNDS, "products": found}, indent=1))


if __name__ == "__main__":
    main()
