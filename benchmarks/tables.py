"""How good is chainrule with its defaults on tables, beside tuned peers? Prints JSON; the table goes to stderr.

usage: python benchmarks/tables.py [--toy] [--splits 10] [--first-seed 0] [--tables penguins,wine] [--systems chainrule]

Each table is written as a CSV file and split by the seeds 0 to 9: a fifth of the rows tests. `chainrule train` gets
the file and its seed, nothing else (it takes a tenth of the rows to validate); the peers of sources/peers.py get all
other rows and tune themselves by cross-validation in them. Values are accuracies, of regressions R2.

The floor is the mean of the better of tuned MLP and linear model, less the standard error of that mean over the splits
(the sample's standard deviation / sqrt(splits)). `ok`: chainrule's mean is not below it. Trees are shown beside them.
chainrule's defaults were chosen on the seeds from 100 on, on rows taken from the training part.

Tables that cannot be had, and peers without scikit-learn, are left out, which stderr says.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sources.peers import SYSTEMS, score_peer
from sources.public_tables import READERS, PublicTable, Unavailable

import chainrule as cr
from chainrule.runs.config import RunConfig
from chainrule.runs.job import train_run
from chainrule.runs.prepare import prepare

OURS = "chainrule"
PEERS_OF_FLOOR = ("mlp", "linear")
METRIC = {"classification": "accuracy", "regression": "r2"}


def main() -> None:
    asked = options()
    if importlib.util.find_spec("sklearn") is None:
        say("scikit-learn is not installed: its tables and the peers are left out.")
        asked.systems = [system for system in asked.systems if system == OURS]
    seeds = range(asked.first_seed, asked.first_seed + asked.splits)
    found = {}
    say(
        f"{'table':14} {'rows':>6} {'columns':>7}  "
        + "  ".join(f"{system:>16}" for system in asked.systems)
        + "  floor"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.tables:
            try:
                table = READERS[name](Path(folder))
            except Unavailable as reason:
                say(f"{name:14} left out: {reason}.")
                continue
            found[name] = measured(table, asked.systems, seeds, Path(folder))
            say(line(found[name]))
    print(json.dumps({**about(), "seeds": list(seeds), "tables": found}, indent=1))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--toy", action="store_true", help="two splits of penguins, chainrule alone")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--tables", type=lambda text: text.split(","), default=list(READERS))
    parser.add_argument("--systems", type=lambda text: text.split(","), default=[OURS, *SYSTEMS])
    asked = parser.parse_args()
    if asked.toy:
        asked.splits, asked.tables, asked.systems = 2, ["penguins"], [OURS]
    return asked


def measured(table: PublicTable, systems: list[str], seeds: range, folder: Path) -> dict[str, Any]:
    """The scores of each system on each split, their means and standard errors, and whether chainrule keeps up."""
    source = folder / f"{table.name}.csv"
    write_csv(table, source)
    scores: dict[str, list[float]] = {system: [] for system in systems}
    seconds = dict.fromkeys(systems, 0.0)
    for seed in seeds:
        config = RunConfig(str(source), target=table.target, task=table.task, seed=seed)
        parts = prepare(config).split
        training = np.sort(np.concatenate([parts.train, parts.valid]))
        for system in systems:
            begun = time.perf_counter()
            if system == OURS:
                result = train_run(config, out=str(folder / f"{table.name}-{seed}")).record["result"]
                scores[system].append(result["test"][METRIC[table.task]])
            else:
                scores[system].append(score_peer(system, table, training, parts.test, seed))
            seconds[system] += time.perf_counter() - begun
    summary = {
        system: {
            "mean": float(np.mean(values)),
            "standard_error": float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else None,
            "seconds_a_split": round(seconds[system] / len(values), 2),
            "scores": values,
        }
        for system, values in scores.items()
    }
    floor = floor_of(summary)
    ok = None if floor is None or OURS not in summary else bool(np.mean(scores[OURS]) >= floor)
    about_table = {"name": table.name, "rows": table.rows, "columns": len(table.columns) - 1, "task": table.task}
    return {**about_table, "metric": METRIC[table.task], "systems": summary, "floor": floor, "ok": ok}


def floor_of(summary: dict[str, Any]) -> float | None:
    """One standard error below the better of tuned MLP and linear model; None unless both were measured."""
    peers = [summary[system] for system in PEERS_OF_FLOOR if system in summary]
    if len(peers) < len(PEERS_OF_FLOOR) or any(peer["standard_error"] is None for peer in peers):
        return None
    best = max(peers, key=lambda peer: float(peer["mean"]))
    return float(best["mean"] - best["standard_error"])


def write_csv(table: PublicTable, path: Path) -> None:
    """The table as a user would have it in a file; missing cells are empty."""
    columns = [
        ["" if value is None or value != value else value for value in column.tolist()]
        for column in table.columns.values()
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(zip(*columns, strict=True))


def line(found: dict[str, Any]) -> str:
    cells = []
    for one in found["systems"].values():
        error = "" if one["standard_error"] is None else f" ± {one['standard_error']:.4f}"
        cells.append(f"{one['mean']:.4f}{error}".rjust(16))
    verdict = {None: "", True: "ok", False: "BELOW"}[found["ok"]]
    floor = "" if found["floor"] is None else f"  {found['floor']:.4f} {verdict}"
    return f"{found['name']:14} {found['rows']:>6} {found['columns']:>7}  " + "  ".join(cells) + floor


def about() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    return {
        "commit": commit.strip(),
        "machine": platform.processor() or platform.machine(),
        "executor": cr.get_executor(),
        "numpy": np.__version__,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
