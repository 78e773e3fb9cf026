"""What the tables make of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.bench import plot, tables
from chainrule.bench.runs import Plan, Result, Timing, about_machine
from chainrule.bench.workloads import WORKLOADS

PEAK = 100.0


@pytest.fixture
def result() -> Result:
    """chainrule at 80 % of the peak, twice as fast as the better of two peers."""
    flops = 80_000_000
    ours = Timing("mlp_mnist", "chainrule", flops, 1e-3, [1.1e-3], 0.5, 0.1, 0.2, 90 << 20, 0.1)
    torch = Timing("mlp_mnist", "torch", flops, 3e-3, [3e-3], 1.5, None, 1.0, 300 << 20, 0.1)
    jax = Timing("mlp_mnist", "jax", flops, 2e-3, [2e-3], 2.5, None, 0.5, None, 0.1)
    plan = Plan((WORKLOADS["mlp_mnist"],), ("chainrule", "torch", "jax"))
    return Result(plan, about_machine(), PEAK, [ours, torch, jax])


def test_shares_of_the_peak_and_of_the_best_peer(result: Result) -> None:
    lines = tables.main_table(result).splitlines()
    assert lines[1].split() == ["mlp_mnist", "chainrule", "1", "1.1", "80", "%", "2.00x", "0.50", "0.10", "0.20", "90"]
    assert lines[2].split() == ["mlp_mnist", "torch", "3", "3", "27", "%", "-", "1.50", "-", "1.00", "300"]
    assert lines[3].split() == ["mlp_mnist", "jax", "2", "2", "40", "%", "-", "2.50", "-", "0.50", "-"]


def test_bars_are_as_long_as_shares(result: Result) -> None:
    assert [line.count("#") for line in tables.bars(result).splitlines()[1:]] == [32, 11, 16]
    result.peak_gflops = None
    assert [line.count("#") for line in tables.bars(result).splitlines()[1:]] == [40, 13, 20]


def test_overhead_is_what_the_peak_leaves(result: Result) -> None:
    result.timings[0].workload = "mlp_100"
    assert tables.overhead_table(result).splitlines()[1].split() == ["100", "chainrule", "1000.0", "800.0", "200.0"]


def test_the_machine_is_named(result: Result) -> None:
    first, second = tables.heading(result).splitlines()
    assert f"{result.machine['cores']} cores" in first
    assert second.endswith("peak of multiply-adds 100.0 GFLOP/s")


@pytest.mark.parametrize("suffix", plot.SUFFIXES)
def test_a_picture_is_drawn(result: Result, tmp_path: Path, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    plot.draw(result, tmp_path / f"picture{suffix}")
    assert (tmp_path / f"picture{suffix}").stat().st_size > 1000
