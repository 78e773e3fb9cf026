"""What the texts of options mean."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule.cli.options import class_weights, duration, names, share, widths


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (widths, "128,64", (128, 64)),
        (names, "a,b", ("a", "b")),
        (names, '"a, b",c', ("a, b", "c")),
        (share, "0.25", 0.25),
        (share, "held.csv", "held.csv"),
        (duration, "90", 90.0),
        (duration, "10m", 600.0),
        (duration, "1h30m", 5400.0),
        (duration, "1.5h", 5400.0),
        (class_weights, "balanced", "balanced"),
        (class_weights, "yes=2,no=0.5", {"yes": 2.0, "no": 0.5}),
        (class_weights, "a=b=2", {"a=b": 2.0}),
    ],
)
def test_texts_of_options(parse: Any, text: str, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [(widths, "8,x"), (duration, "soon"), (duration, "10m later"), (class_weights, "yes"), (class_weights, "=2")],
)
def test_other_texts_are_refused_with_an_example(parse: Any, text: str) -> None:
    with pytest.raises(ValueError, match="write"):
        parse(text)
