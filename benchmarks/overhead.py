"""What does an op cost beyond NumPy, and a node beyond nothing? Prints JSON.

usage: python benchmarks/overhead.py [--toy]

eager: microseconds per call over the same NumPy call, best of several rounds in turn, for operands of 8 x 8, recording
for the tape. trace: microseconds per node to trace a step of an MLP and to differentiate it; the nodes are those of the
finished graph.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn
from chainrule.nn import functional as F

TOY = "--toy" in sys.argv
ROUNDS, CALLS = (2, 20) if TOY else (30, 2000)


def microseconds(call: Callable[[], Any]) -> float:
    """The mean time of one call in a round."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def over_numpy(ours: Callable[[], Any], numpys: Callable[[], Any]) -> dict[str, float]:
    """The best round of each, measured in turn."""
    pairs = [(microseconds(ours), microseconds(numpys)) for _ in range(ROUNDS)]
    best, base = min(a for a, _ in pairs), min(b for _, b in pairs)
    return {"ours_us": round(best, 2), "numpy_us": round(base, 2), "overhead_us": round(best - base, 2)}


def eager() -> dict[str, Any]:
    """The overhead of ordinary operations."""
    a, b = np.ones((8, 8), np.float32), np.full((8, 8), 2, np.float32)
    row = np.ones(8, np.float32)
    x, y = cr.tensor(a, requires_grad=True), cr.tensor(b, requires_grad=True)
    r = cr.tensor(row, requires_grad=True)
    condition, places = b > 1, np.zeros(8, np.int64)
    c, at = cr.tensor(condition), cr.tensor(places)

    def softmax() -> Any:
        e = np.exp(a - a.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    cases: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "x + y": (lambda: x + y, lambda: a + b),
        "x * 2.0": (lambda: x * 2.0, lambda: a * np.float32(2)),
        "x + row": (lambda: x + r, lambda: a + row),
        "exp": (lambda: x.exp(), lambda: np.exp(a)),
        "relu": (lambda: F.relu(x), lambda: np.maximum(a, 0)),
        "sigmoid": (lambda: x.sigmoid(), lambda: 1 / (1 + np.exp(-a))),
        "clamp": (lambda: x.clamp(0, 1), lambda: np.minimum(np.maximum(a, 0), 1)),
        "where": (lambda: cr.where(c, x, y), lambda: np.where(condition, a, b)),
        "softmax": (lambda: F.softmax(x, -1), softmax),
        "matmul": (lambda: x @ y, lambda: a @ b),
        "x @ y.T": (lambda: x @ y.T, lambda: a @ b.T),
        "linear": (lambda: F.linear(x, y, r), lambda: a @ b.T + row),
        "embedding": (lambda: F.embedding(at, y), lambda: b[places]),
        "sum": (lambda: x.sum(), lambda: a.sum()),
        "sum(1)": (lambda: x.sum(1), lambda: a.sum(1)),
        "mean": (lambda: x.mean(), lambda: a.mean()),
        "var": (lambda: x.var(), lambda: a.var()),
        "max(1)": (lambda: x.max(1), lambda: (a.max(1), a.argmax(1))),
        "reshape": (lambda: x.reshape(64), lambda: a.reshape(64)),
        "flatten": (lambda: x.flatten(), lambda: a.reshape(64)),
        "unsqueeze": (lambda: x.unsqueeze(0), lambda: a[None]),
        "transpose": (lambda: x.T, lambda: a.T),
        "cat": (lambda: cr.cat([x, y]), lambda: np.concatenate([a, b])),
        "stack": (lambda: cr.stack([x, y]), lambda: np.stack([a, b])),
        "x[2:5]": (lambda: x[2:5], lambda: a[2:5]),
        "x[0]": (lambda: x[0], lambda: a[0]),
        "x[:, 1]": (lambda: x[:, 1], lambda: a[:, 1]),
        "x[places]": (lambda: x[at], lambda: a[places]),
        "x > y": (lambda: x > y, lambda: a > b),
    }
    return {name: over_numpy(*pair) for name, pair in cases.items()}


def backward() -> dict[str, float]:
    """A chain of 50 products and its backward, per primitive run, against NumPy doing the same arithmetic."""
    x = cr.tensor(np.ones((8, 8), np.float32), requires_grad=True)
    a = np.ones((8, 8), np.float32)

    def ours() -> None:
        y = x
        for _ in range(50):
            y = y * x
        y.backward(y)

    def numpys() -> None:
        y, saved = a, []
        for _ in range(50):
            saved.append(y)
            y = y * a
        g, total = y, 0
        for value in reversed(saved):
            g, total = g * a, total + g * value

    best = min(timed(ours) for _ in range(ROUNDS)) / 200
    base = min(timed(numpys) for _ in range(ROUNDS)) / 200
    return {"per_primitive_us": round((best - base) * 1e6, 2)}


def timed(call: Callable[[], None]) -> float:
    """The time of one call in seconds."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def trace() -> dict[str, Any]:
    """Microseconds per node of the graph, for tracing and differentiating a training step."""
    layers: list[Any] = []
    for _ in range(2 if TOY else 16):
        layers += [nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU()]
    model = nn.Sequential(*layers, nn.Linear(16, 4))
    x, y = np.ones((8, 16), np.float32), np.zeros(8, np.int64)

    def step(x: Any, y: Any) -> Any:
        loss = F.cross_entropy(model(x), y)
        model.zero_grad()
        loss.backward()
        return loss

    times, nodes = [], 0
    for _ in range(2 if TOY else 8):
        compiled = cr.compile(step)
        begin = time.perf_counter()
        compiled(x, y)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        compiled(x, y)
        times.append(first - (time.perf_counter() - begin))
        nodes = len(compiled.graph.nodes)
    return {"nodes": nodes, "trace_and_autodiff_us_per_node": round(min(times) / nodes * 1e6, 1)}


def import_seconds() -> dict[str, float]:
    """The time of `import chainrule` and of `import numpy` in processes of their own, best of several."""
    found = {}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name in ("chainrule", "numpy"):
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        runs = [
            float(subprocess.check_output([sys.executable, "-c", code], text=True, env=environment))
            for _ in range(1 if TOY else 8)  # the first may write bytecode; the best counts
        ]
        found[name] = round(min(runs), 3)
    return found


if __name__ == "__main__":
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    print(
        json.dumps(
            {
                "commit": commit.strip(),
                "machine": platform.processor() or platform.machine(),
                "numpy": np.__version__,
                "rounds": ROUNDS,
                "eager": eager(),
                "backward": backward(),
                "trace": trace(),
                "import_s": import_seconds(),
            },
            indent=1,
        )
    )
