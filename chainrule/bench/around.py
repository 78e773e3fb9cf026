"""What is around the compiled step: the step without the decorator, epochs of a loader and of fit, predictions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from chainrule.bench.runs import Plan, Say, about_machine, least, worker
from chainrule.bench.tables import microseconds, table, times
from chainrule.bench.workloads import Workload

PEER = "torch"  # the one that runs op by op


@dataclass
class Row:
    """One thing that is timed, in seconds a step or call, and what it is held against."""

    what: str  # eager, epoch, fit, prediction
    workload: str
    against: str  # PyTorch's step, or our compiled one in the same process; nothing if it has no name
    best: float | None = None
    best_against: float | None = None


@dataclass
class Around:
    """A whole sitting."""

    plan: Plan
    machine: dict[str, Any]
    rows: list[Row]
    peak_gflops: None = None  # a peak says nothing about these

    def as_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        workloads = [workload.name for workload in self.plan.workloads]
        return {
            "machine": self.machine,
            "plan": {**asdict(self.plan), "workloads": workloads},
            "rows": [asdict(row) for row in self.rows],
        }


def around(plan: Plan, say: Say) -> Around:
    """Times what is around the compiled steps of a plan's workloads."""
    machine = about_machine()
    rows = [(row, workload) for workload in plan.workloads for row in rows_of(workload, plan)]
    for round in range(plan.rounds):
        for row, workload in rows:
            say(f"round {round + 1} of {plan.rounds}: {row.what} of {workload.name}")
            take_round(row, workload, plan)
    return Around(plan, machine, [row for row, _ in rows])


def rows_of(workload: Workload, plan: Plan) -> list[Row]:
    """What there is to time of a workload. Batches of a text are no data set of samples."""
    found = [Row("eager", workload.name, PEER if PEER in plan.systems else "")]
    if workload.kind == "mlp":
        found += [
            Row("epoch", workload.name, "step"),
            Row("fit", workload.name, "step"),
            Row("prediction", workload.name, ""),
        ]
    return found


def take_round(row: Row, workload: Workload, plan: Plan) -> None:
    """One round of one row: a process of ours, and one of the peer's."""
    together = (row.what, row.against) if row.against == "step" else (row.what,)
    found = worker("chainrule", workload, plan.threads, plan.seconds, None, together)
    row.best = least(row.best, found[row.what])
    if row.against == PEER:
        found[PEER] = worker(PEER, workload, plan.threads, plan.seconds, None, (row.what,))[row.what]
    if row.against:
        row.best_against = least(row.best_against, found[row.against])


def around_table(result: Around) -> str:
    """A row for each, with the ratio to what it is held against."""
    head = ("what", "workload", "best us", "against", "us", "ratio")
    rows = []
    for row in result.rows:
        ratio = row.best / row.best_against if row.best and row.best_against else None
        shown = microseconds(row.best), row.against or "-", microseconds(row.best_against), times(ratio)
        rows.append((row.what, row.workload, *shown))
    return table(head, rows)
