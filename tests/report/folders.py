"""Run folders for tests: what `chainrule train` writes, with made-up numbers that behave like a training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Json = dict[str, Any]
LAYERS = ("0.weight", "0.bias", "3.weight", "3.bias", "6.weight", "6.bias")
PENGUINS = {
    "bill_length_mm": "number",
    "bill_depth_mm": "number",
    "flipper_length_mm": "number",
    "body_mass_g": "number",
    "island": "category",
    "sex": "category",
    "id": "text",
}


def write(folder: Path, run: Json, events: Sequence[Json] = (), evaluation: Json | None = None) -> Path:
    """A run folder of these contents."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(run), encoding="utf8")
    (folder / "records.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf8")
    if evaluation is not None:
        (folder / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf8")
    return folder


def run_json(**changes: Any) -> Json:
    """run.json of a classification on penguins."""
    columns = [
        {
            "name": name,
            "kind": kind,
            "distinct": 160 if kind == "number" else 3,
            "missing": 2 if kind == "number" else 0,
            "used": name != "id",
            "reason": "id-like: every row has its own value" if name == "id" else "standardised",
        }
        for name, kind in PENGUINS.items()
    ]
    whole: Json = {
        "format": 1,
        "chainrule": "0.4.0",
        "status": "finished",
        "source": "penguins",
        "command": ["chainrule", "train", "penguins", "--seed", "0"],
        "target": "species",
        "config": {
            "hidden": {"value": [128, 64], "why": "default for 241 rows"},
            "epochs": {"value": 60, "why": "default; stops when validation gets no better for 20"},
            "lr": {"value": 0.003, "why": "asked for"},
            "dropout": {"value": 0.1, "why": "few rows"},
            "class_weight": {"value": None, "why": "classes are balanced enough"},
        },
        "task": {"kind": "classification", "reason": "species holds 3 different texts", "flag": "--task regression"},
        "data": {
            "rows": {"train": 241, "valid": 34, "test": 69},
            "columns": columns,
            "split": "stratified by species, seed 0",
            "notes": ["2 rows without species were left out"],
            "files": {"penguins.csv": "sha256:0123456789abcdef"},
        },
        "executor": "native",
        "cpu_level": "x86-64-v3",
        "threads": 2,
        "seed": 0,
        "model": {
            "parameters": 10243,
            "text": "Sequential(\n  (0): Linear(11, 128)\n  (1): ReLU()\n  (3): Linear(128, 3)\n)",
        },
        "result": {
            "metric": "accuracy",
            "part": "test",
            "test": {"accuracy": 68 / 69, "right": 68, "rows": 69, "log_loss": 0.0412, "f1": 0.9832},
            "validation": {"accuracy": 1.0, "right": 34, "rows": 34, "log_loss": 0.0123, "f1": 1.0},
            "train": {"accuracy": 0.9959, "right": 240, "rows": 241, "log_loss": 0.0203, "f1": 0.9951},
            "baselines": [
                {"name": "majority", "value": 30 / 69, "installed": True},
                {"name": "logistic", "value": 67 / 69, "installed": True},
                {"name": "trees", "value": 1.0, "installed": True},
            ],
            "best_epoch": 31,
            "epochs": 51,
            "seconds": 0.41,
        },
    }
    return whole | changes


def training(epochs: int, layers: Sequence[str] = LAYERS, *, seed: int = 0, best: int | None = 31) -> Iterator[Json]:
    """The events of a training that learns, overfits a little, and stops."""
    draw = np.random.default_rng(seed)
    yield {"event": "run_began", "version": 1, "settings": {}, "model": "Sequential", "parameters": 10243}
    for epoch in range(1, epochs + 1):
        share = epoch / max(epochs, 1)
        step = epoch * 8
        noise = draw.normal(0, 0.01, 4)
        depth = np.linspace(0.4, 1.0, len(layers))
        norms = np.exp(-3 * share) * depth * np.exp(draw.normal(0, 0.2, len(layers)))
        yield {
            "event": "watched",
            "version": 1,
            "step": step - 7,
            "epoch": epoch,
            "layers": list(layers),
            "grad_norm": norms.tolist(),
            "weight_norm": (1 + depth).tolist(),
            "update_ratio": (3e-3 * (1.05 - share) * depth * np.exp(draw.normal(0, 0.2, len(layers)))).tolist(),
        }
        yield {
            "event": "epoch_ended",
            "version": 1,
            "epoch": epoch,
            "step": step,
            "train": {
                "loss": 1.1 * float(np.exp(-6 * share)) + 0.02 + abs(noise[0]),
                "accuracy": min(1.0, 0.55 + 0.5 * share**0.3 + noise[1]),
            },
            "validation": {
                "loss": 1.1 * float(np.exp(-5 * share)) + 0.04 + 0.05 * share + abs(noise[2]),
                "accuracy": min(1.0, 0.5 + 0.5 * share**0.3 + noise[3]),
            },
            "lr": 0.003 * (1 - share) + 1e-6,
            "seconds": 0.008 * epoch,
            "remaining_seconds": 0.1,
        }
    yield {
        "event": "stopped",
        "version": 1,
        "reason": "validation loss got no better for 20 epochs",
        "epoch": epochs,
        "best_epoch": best,
    }


def classified(
    names: Sequence[Any] = ("Adelie", "Chinstrap", "Gentoo"), columns: Sequence[str] = tuple(PENGUINS), *, seed: int = 0
) -> Json:
    """evaluation.json of a classification."""
    draw = np.random.default_rng(seed)
    size = len(names)
    counts = np.diag(draw.integers(14, 30, size))
    for _ in range(max(1, size // 2)):
        counts[tuple(draw.integers(0, size, 2))] += 1
    return {
        "format": 1,
        "task": "classification",
        "part": "test",
        "metric": "accuracy",
        "measures": {"accuracy": 0.9855},
        "classes": list(names),
        "confusion": counts.tolist(),
        "calibration": [
            {"low": k / 10, "high": (k + 1) / 10, "mean": k / 10 + 0.06, "right": k / 10 + 0.02, "count": 2 ** (k - 3)}
            for k in range(4, 10)
        ],
        "worst": [
            {
                "row": 17 * k + 3,
                "truth": names[k % size],
                "predicted": names[(k + 1) % size],
                "probability": 0.03 * (k + 1),
                "columns": {name: (39.1 + k if place % 2 else f"value {k}") for place, name in enumerate(columns)},
            }
            for k in range(4)
        ],
        "importance": sorted(
            ({"column": name, "drop": float(draw.normal(0.08, 0.08)), "spread": 0.01} for name in columns),
            key=lambda one: -one["drop"],
        ),
    }


def estimated(rows: int = 200, *, seed: int = 0) -> Json:
    """evaluation.json of a regression."""
    draw = np.random.default_rng(seed)
    truth = draw.normal(150, 60, rows)
    predicted = 150 + 0.7 * (truth - 150) + draw.normal(0, 40, rows)
    order = np.argsort(-np.abs(predicted - truth))[:20]
    return {
        "format": 1,
        "task": "regression",
        "part": "test",
        "metric": "rmse",
        "measures": {"rmse": 54.1},
        "classes": None,
        "residuals": {"predicted": predicted.tolist(), "truth": truth.tolist()},
        "worst": [
            {
                "row": int(k),
                "truth": float(truth[k]),
                "predicted": float(predicted[k]),
                "error": float(predicted[k] - truth[k]),
                "columns": {"age": 41, "bmi": 0.0616, "s5": -0.021},
            }
            for k in order
        ],
        "importance": [
            {"column": "bmi", "drop": 9.1, "spread": 1.2},
            {"column": "s5", "drop": 7.4, "spread": 0.9},
            {"column": "age", "drop": -0.2, "spread": 0.1},
        ],
    }


def regression_json() -> Json:
    """run.json of a regression on diabetes, where ridge is as good."""
    run = run_json(
        source="diabetes.csv", command=["chainrule", "train", "my data/diabetes.csv", "--target", "progression"]
    )
    run["target"] = "progression"
    run["task"] = {
        "kind": "regression",
        "reason": "progression holds 214 different numbers",
        "flag": "--task classification",
    }
    run["result"] |= {
        "metric": "rmse",
        "test": {"rmse": 54.12, "mae": 43.3, "r2": 0.4821},
        "validation": {"rmse": 52.9, "mae": 42.0, "r2": 0.5},
        "train": {"rmse": 49.9, "mae": 40.0, "r2": 0.55},
        "baselines": [
            {"name": "mean", "value": 75.3, "installed": True},
            {"name": "ridge", "value": 53.6, "installed": True},
            {
                "name": "trees",
                "value": None,
                "installed": False,
                "note": "needs scikit-learn: pip install scikit-learn",
            },
        ],
    }
    return run


def penguins(folder: Path) -> Path:
    return write(folder, run_json(), list(training(51)), classified())


def diabetes(folder: Path) -> Path:
    return write(folder, regression_json(), list(training(51)), estimated())
