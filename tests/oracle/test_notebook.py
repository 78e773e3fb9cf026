"""`fit` in Jupyter: the notebook of examples/ runs in a kernel of its own, and so do cells that are interrupted.

It stands here because only this environment has Jupyter.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
# Jupyter's own: its sockets want another event loop on Windows, its clock is deprecated in Python 3.12.
pytestmark = pytest.mark.filterwarnings("ignore")


def executed(notebook: Any) -> Any:
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    return notebook


def shown(cell: Any, kind: str) -> str:
    return "".join([output.get("data", {}).get(kind, "") for output in cell.outputs])


def printed(cell: Any) -> str:
    return "".join([output.text for output in cell.outputs if output.output_type == "stream"])


def test_the_notebook_of_examples_does_what_it_says() -> None:
    cells = executed(nbformat.read(ROOT / "examples" / "digits.ipynb", as_version=4)).cells
    live, whole = cells[2], cells[4]
    assert len([output for output in live.outputs if "text/html" in output.get("data", {})]) == 1, (
        "one table, that grows"
    )
    assert "<table" in shown(live, "text/html"), "a table while it trains"
    assert "validation accuracy" in shown(live, "text/html")
    assert not printed(live), "and no rows of text beside it"
    assert shown(whole, "text/html").count("<svg") >= 2, "curves of the loss and the accuracy"
    assert "<script" not in shown(whole, "text/html")
    assert float(printed(cells[6]).split()[-1]) > 0.95
    assert printed(cells[8]) == "True\n"


def test_an_interrupt_ends_a_run_and_keeps_its_best_weights() -> None:
    code = """
import os, signal, threading
import numpy as np
import chainrule as cr
from chainrule import nn
from chainrule.train.events import EpochEnded

x = np.random.default_rng(0).standard_normal((256, 8), dtype=np.float32)
y = (x[:, 0] > 0).astype(np.int64)
model = nn.Linear(8, 2)


def interrupt(event):
    if isinstance(event, EpochEnded) and event.epoch == 3:
        os.kill(os.getpid(), signal.SIGINT)


run = cr.fit(model, (x, y), (x, y), epochs=100_000, callbacks=[interrupt], show=True)
best = run.best["validation"]["loss"]
print(run.stopped, len(run.history) < 10, abs(run.evaluate((x, y))["loss"] - best) < 1e-6)
"""
    notebook = executed(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]))
    assert printed(notebook.cells[0]) == "interrupted True True\n"
    assert "interrupted" in shown(notebook.cells[0], "text/html")
