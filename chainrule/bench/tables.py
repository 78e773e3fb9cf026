"""Results as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from chainrule.bench.runs import Result, Timing

BAR = 40  # characters for the whole
OURS = "chainrule"


def heading(result: Result) -> str:
    """What was measured where."""
    m, plan = result.machine, result.plan
    versions = ", ".join(f"{name} {version}" for name, version in m["versions"].items())
    commit = f" ({m['commit']})" if m["commit"] else ""
    peak = f"{result.peak_gflops:.1f} GFLOP/s" if result.peak_gflops else "not measured"
    load = "" if m["load"] is None else f"; load {m['load']}"
    return (
        f"{m['processor']}, {m['cores']} cores{load}; Python {m['python']}, {versions}{commit}\n"
        f"{plan.threads} threads, {plan.rounds} rounds of {plan.seconds:g} s; peak of multiply-adds {peak}"
    )


def main_table(result: Result) -> str:
    """A row for each workload and system, and bars."""
    head = ("workload", "system", "best ms", "median ms", "of peak", "vs peer", "cold s", "warm s", "import s", "MB")
    rows = [
        (
            t.workload, t.system, milliseconds(t.best), milliseconds(t.median), percent(of_peak(result, t)),
            times(against_peers(result, t)), seconds(t.first_cold), seconds(t.first_warm), seconds(t.import_seconds),
            "-" if t.peak_bytes is None else str(t.peak_bytes >> 20),
        )
        for t in result.timings
    ]  # fmt: skip
    return f"{table(head, rows)}\n\n{bars(result)}"


def bars(result: Result) -> str:
    """How much of the peak each reaches; without a peak, speed relative to the fastest."""
    lines = ["percent of peak" if result.peak_gflops else "speed relative to the fastest"]
    for t in result.timings:
        share = of_peak(result, t)
        if share is None:
            share = min(other.best for other in result.timings if other.workload == t.workload) / t.best
        bar = "#" * max(1, round(share * BAR))
        lines.append(f"{t.workload:<12} {t.system:<10} {bar:<{BAR}} {percent(share):>6}")
    return "\n".join(lines)


def overhead_table(result: Result) -> str:
    """What a step takes beyond its multiply-adds, against the size of the model."""
    head = ("parameters", "system", "step us", "at peak us", "overhead us")
    rows = []
    for t in result.timings:
        limit = None if result.peak_gflops is None else t.flops / result.peak_gflops / 1e9
        rest = None if limit is None else t.best - limit
        rows.append((t.workload.removeprefix("mlp_"), t.system, *[microseconds(s) for s in (t.best, limit, rest)]))
    return table(head, rows)


def depth_table(result: Result) -> str:
    """What the first step takes beyond a usual one, against the number of equal blocks."""
    head = ("blocks", "system", "cold s", "warm s", "cold a block ms")
    rows = []
    for t in result.timings:
        blocks = int(t.workload.removeprefix("gpt_"))
        each = None if t.first_cold is None else t.first_cold / blocks
        rows.append((str(blocks), t.system, seconds(t.first_cold), seconds(t.first_warm), milliseconds(each)))
    return table(head, rows)


def of_peak(result: Result, timing: Timing) -> float | None:
    """The share of the peak that a step's multiply-adds reach."""
    return timing.flops / timing.best / 1e9 / result.peak_gflops if result.peak_gflops else None


def against_peers(result: Result, timing: Timing) -> float | None:
    """How many times as fast as the best of the other systems chainrule is."""
    peers = [t.best for t in result.timings if t.workload == timing.workload and t.system != OURS]
    return min(peers) / timing.best if peers and timing.system == OURS else None


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Columns as wide as they must be; the first two begin at the left."""
    lines = [head, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    sides = ["<"] * 2 + [">"] * (len(head) - 2)
    cells = [[f"{word:{side}{width}}" for word, side, width in zip(line, sides, widths, strict=True)] for line in lines]
    return "\n".join(["  ".join(line).rstrip() for line in cells])


def milliseconds(value: float | None) -> str:
    """Four digits or so."""
    return "-" if value is None else f"{value * 1e3:.4g}"


def microseconds(value: float | None) -> str:
    """A tenth is the last digit."""
    return "-" if value is None else f"{value * 1e6:.1f}"


def seconds(value: float | None) -> str:
    """A hundredth is the last digit."""
    return "-" if value is None else f"{value:.2f}"


def percent(value: float | None) -> str:
    """A whole number."""
    return "-" if value is None else f"{value * 100:.0f} %"


def times(value: float | None) -> str:
    """2.1x."""
    return "-" if value is None else f"{value:.2f}x"
