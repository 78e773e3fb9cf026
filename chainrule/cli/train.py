"""`chainrule train SOURCE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

import chainrule as cr
from chainrule.data.shipped import Digits, load_digits
from chainrule.ir.errors import ArgumentError
from chainrule.train import Epoch, Settings, accuracy, build_mlp, save_model, train_classifier

SOURCES = ("digits",)
DEFAULTS = Settings()
INPUT_SCALE = 1 / 16  # digits count ink from 0 to 16


class Diverged(Exception):
    """Training reached losses that are no numbers."""


def widths(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """The option `--hidden 256,128` as numbers."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of widths; write for example 256,128.") from None


@click.command()
@click.argument("source")
@click.option("--hidden", default=",".join(map(str, DEFAULTS.hidden)), callback=widths, help="Widths of hidden layers.")
@click.option("--dropout", default=DEFAULTS.dropout, help="Fraction of activations dropped in training.")
@click.option("--epochs", default=DEFAULTS.epochs, help="Passes over the training part.")
@click.option("--batch-size", default=DEFAULTS.batch_size, help="Rows per step.")
@click.option("--lr", default=DEFAULTS.lr, help="Peak learning rate of the one-cycle schedule.")
@click.option("--weight-decay", default=DEFAULTS.weight_decay, help="Decoupled weight decay of AdamW.")
@click.option("--seed", default=DEFAULTS.seed, help="The same seed gives the same bits.")
@click.option("--no-compile", is_flag=True, help="Run every step op by op.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run; by default runs/SOURCE-N.")
def train(source: str, no_compile: bool, out: Path | None, **options: Any) -> None:
    """Train a classifier on SOURCE, print its test accuracy and save it. Today SOURCE is `digits`."""
    if source not in SOURCES:
        raise ArgumentError(
            f"unknown source {source!r}: this version trains on {', '.join(SOURCES)} (files come later)."
        )
    settings = Settings(compiled=not no_compile, **options)
    folder = run_folder(source, out)
    digits = load_digits()
    cr.manual_seed(settings.seed)
    model = build_mlp(64, 10, settings)
    click.echo(
        f"{source}: {len(digits.x_train)} training, {len(digits.x_valid)} validation, {len(digits.x_test)} test rows"
    )
    click.echo(repr(model))
    last = train_and_print(model, digits, settings)
    right, total = accuracy(model, scaled(digits.x_test, digits.y_test))
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder, model, described(source, settings, last, right / total))
    click.echo(f"test accuracy {right / total:.4f} ({right} of {total})")
    click.echo(f"saved in {folder}")


def run_folder(source: str, out: Path | None) -> Path:
    """The folder that the run will be saved in: `out` if it is free, else the next free runs/SOURCE-N."""
    if out is None:
        number = 1
        while (Path("runs") / f"{source}-{number}").exists():
            number += 1
        return Path("runs") / f"{source}-{number}"
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ArgumentError(f"--out {out} exists and is not an empty folder; name another.")
    return out


def scaled(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs between 0 and 1, and their labels."""
    return x.astype(np.float32) * np.float32(INPUT_SCALE), y


def train_and_print(model: Any, digits: Digits, settings: Settings) -> Epoch:
    """Trains, with a row per epoch."""
    parts = scaled(digits.x_train, digits.y_train), scaled(digits.x_valid, digits.y_valid)
    click.echo("epoch  train loss  train acc  valid loss  valid acc  learning rate  seconds")
    for row in train_classifier(model, *parts, settings):
        click.echo(
            f"{row.number:5d}  {row.train_loss:10.4f}  {row.train_accuracy:9.4f}  {row.valid_loss:10.4f}  "
            f"{row.valid_accuracy:9.4f}  {row.lr:13.6f}  {row.seconds:7.1f}"
        )
        if not np.isfinite(row.train_loss):
            raise Diverged(
                f"training diverged in epoch {row.number}: the loss is {row.train_loss}; nothing was saved. Lower --lr."
            )
    return row


def described(source: str, settings: Settings, last: Epoch, test_accuracy: float) -> dict[str, Any]:
    """What model.json says of the model."""
    return {
        "source": source,
        "inputs": 64,
        "classes": 10,
        "input_scale": INPUT_SCALE,
        "settings": settings.as_dict(),
        "validation": {"loss": last.valid_loss, "accuracy": last.valid_accuracy},
        "test": {"accuracy": test_accuracy},
    }
