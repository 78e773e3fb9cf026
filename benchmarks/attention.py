"""How fast is attention, forward and with its gradients, stored or in blocks, at each length? Prints JSON.

usage: python benchmarks/attention.py [--toy] [--threads N]

Each length is done in blocks and with its scores stored, whichever shapes would choose, and by PyTorch where it is
installed; in turn, the best of many rounds. Four heads of 64. Seconds; on one thread of processor time, so that other
processes count less.
"""

from __future__ import annotations

import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.backends.native import attention_blocks
from chainrule.ir import state
from chainrule.nn import functional as F

TOY = "--toy" in sys.argv
THREADS = int(sys.argv[sys.argv.index("--threads") + 1]) if "--threads" in sys.argv else 1
LENGTHS, SECONDS = ((96,), 0.01) if TOY else ((128, 256, 512, 1024, 2048, 4096), 8.0)
HEADS, WIDTH = 4, 64
Steps = tuple[Callable[[], Any], Callable[[], Any]]  # forward, forward and backward
clock = time.process_time if THREADS == 1 else time.perf_counter


def ours(arrays: list[Any], causal: bool, folder: str, blocked: bool) -> Steps:
    """Compiled with the one way or the other."""
    attention_blocks.pays = lambda *_: blocked
    state.set_cache_folder(folder)  # programs are known by their graphs, which are the same
    q, k, v, g = map(cr.tensor, arrays)

    @cr.compile
    def forward(q: Any, k: Any, v: Any) -> Any:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    @cr.compile
    def both(q: Any, k: Any, v: Any, g: Any) -> Any:
        inputs = [x.detach().requires_grad_() for x in (q, k, v)]
        y = F.scaled_dot_product_attention(*inputs, is_causal=causal)
        return cr.autograd.grad((y * g).sum(), inputs)

    forward(q, k, v), both(q, k, v, g)
    return lambda: forward(q, k, v), lambda: both(q, k, v, g)


def theirs(arrays: list[Any], causal: bool) -> Steps:
    """PyTorch's own choice of kernel."""
    import torch

    torch.set_num_threads(THREADS)
    q, k, v, g = map(torch.tensor, arrays)
    inputs = [x.clone().requires_grad_() for x in (q, k, v)]
    attention = torch.nn.functional.scaled_dot_product_attention
    return (
        lambda: attention(q, k, v, is_causal=causal),
        lambda: torch.autograd.grad(attention(*inputs, is_causal=causal), inputs, g),
    )


def measured(length: int, causal: bool, folder: str) -> dict[str, Any]:
    """The best seconds of each system."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1, HEADS, length, WIDTH)).astype(np.float32) for _ in range(4)]
    steps = {name: ours(arrays, causal, f"{folder}/{name}", name == "blocks") for name in ("blocks", "stored")}
    if importlib.util.find_spec("torch"):
        steps["torch"] = theirs(arrays, causal)
    best = {name: [float("inf")] * 2 for name in steps}
    end, rounds = time.perf_counter() + SECONDS, 0
    while rounds < 2 or time.perf_counter() < end:
        rounds += 1
        for name, pair in steps.items():
            for k, step in enumerate(pair):
                start = clock()
                step()
                best[name][k] = min(best[name][k], clock() - start)
    return {"length": length, "causal": causal, "rounds": rounds, "forward, both": best}


def main() -> None:
    cr.set_num_threads(THREADS)
    cr.set_executor("native")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    with tempfile.TemporaryDirectory() as folder:
        found = [measured(length, causal, folder) for length in LENGTHS for causal in (False, True)]
    head = {"commit": commit.stdout.strip(), "machine": platform.processor() or platform.machine(), "threads": THREADS}
    print(json.dumps({**head, "heads": HEADS, "width": WIDTH, "results": found}, indent=1))


if __name__ == "__main__":
    main()
