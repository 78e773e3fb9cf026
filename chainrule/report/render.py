"""report.html of a run folder: one file, no script, no request."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule.report.answers import answers, calibration, worst
from chainrule.report.curves import curves
from chainrule.report.importance import importance
from chainrule.report.layers import layers
from chainrule.report.markup import row, sentence
from chainrule.report.page import Page
from chainrule.report.record import Record, read
from chainrule.report.scores import scores_of
from chainrule.report.settings import configuration, data, figures, repeat
from chainrule.report.verdict import head, title
from chainrule.train.files import write_whole

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
CHARTS = HERE.parent / "charts" / "charts.css"


def render(folder: str | Path) -> Path:
    """Writes report.html from run.json, records.jsonl and evaluation.json of a run folder; returns its path.

    Where a run lacks a part, its section says so. ArgumentError if the folder is no run's,
    FileError if it cannot be written to; an older report is then left as it was.
    """
    folder = Path(folder)
    path = folder / "report.html"
    # It can be made again at any time, so nobody waits for the disk.
    write_whole(path, [html(page(read(folder))).encode()], sync=False)
    return path


def page(record: Record) -> Page:
    """The report of a run, in the order in which it is read."""
    scores = scores_of(record)
    sections = [
        curves(record),
        answers(record),
        calibration(record),
        worst(record),
        importance(record),
        layers(record),
        figures(record, scores),
        configuration(record),
        data(record),
        repeat(record),
    ]
    return Page(title(record, scores), head(record, scores), [section for section in sections if section is not None])


def html(page: Page) -> str:
    """The page as HTML; Jinja escapes what `markup.py` and the charts have not."""
    return str(template().render(page=page))


@functools.cache
def template() -> Template:
    """page.html, ready to be filled."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "words": lambda parts: Markup(sentence(parts)),
        "cells": lambda cells: Markup(row(cells)),
        "drawn": Markup,
    }
    environment.globals["style"] = Markup((HERE / "page.css").read_text("utf8") + CHARTS.read_text("utf8"))
    return environment.from_string((HERE / "page.html").read_text("utf8"))
