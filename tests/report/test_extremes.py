"""Reports of what nobody trains on purpose: hostile words, 1,000 classes, 10,000 columns, 100,000 epochs, no number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chainrule.report import render
from chainrule.report.record import MOST_WATCHED, read
from chainrule.report.render import html, page
from tests.report import folders
from tests.report.parsed import parse

LIMIT = 2_000_000
HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x=\'',
    "{{ 7 * 7 }}{% for a in b %}",
    "&lt;already&amp;escaped&gt;",
    "עברית ועוד \u202egnitirw",
    "\x00\x07\x1b[31m\ud800",
    "-->]]><!--",
    "javascript:alert(1)",
    "a" * 100_000,
    "",
    "\n\n\n",
]


def with_words(value: Any, words: str) -> Any:
    """The same JSON with every text, and every name of a user's, replaced."""
    if isinstance(value, dict):
        return {
            name: with_words(part, words) if name not in ("event", "status", "metric", "part") else part
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [with_words(part, words) for part in value]
    return words if isinstance(value, str) else value


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_no_word_of_the_users_becomes_markup(tmp_path: Path, words: str) -> None:
    usual = parse(render(folders.penguins(tmp_path / "usual")))
    run = with_words(folders.run_json(), words) | {"format": 1}
    evaluation = with_words(folders.classified(), words) | {"classes": [words, f"{words}2", f"{words}3"]}
    for place, one in enumerate(evaluation["importance"]):
        one["column"] = f"{words}{place}"
    for one in evaluation["worst"]:
        one["columns"] = {f"{words}{k}": words for k in range(3)}
    run["config"] = {words: {"value": {words: [words]}, "why": words}, **run["config"]}
    run["result"]["test"][words] = 1.0
    events = [with_words(event, words) for event in folders.training(5)] + [{"event": "note", "text": words}]
    for event in events:
        if event["event"] == "epoch_ended":
            event["train"][words] = 1.0
    written = render(folders.write(tmp_path / "run", run, events, evaluation))
    found = parse(written)
    assert written.stat().st_size < LIMIT / 4
    assert {name for name, _ in found.elements} <= {name for name, _ in usual.elements} | {"span"}
    allowed = {name for _, attributes in usual.elements for name in attributes}
    assert {name for _, attributes in found.elements for name in attributes} <= allowed | {"title"}
    assert found.fetched() == []
    assert ("{{ 7 * 7 }}" in found.text) == (words == "{{ 7 * 7 }}{% for a in b %}")
    assert not any(ord(letter) < 32 and letter not in "\n\t" for letter in written.read_text(encoding="utf8"))


def test_words_of_the_users_keep_their_direction_to_themselves(tmp_path: Path) -> None:
    run = folders.run_json(target="עברית")
    written = render(folders.write(tmp_path / "run", run)).read_text(encoding="utf8")
    assert "gets <bdi>עברית</bdi> right" in written


def test_a_thousand_classes(tmp_path: Path) -> None:
    names = [f"class number {k}" for k in range(1000)]
    folder = folders.write(tmp_path / "run", folders.run_json(), [], folders.classified(names))
    written = render(folder)
    assert written.stat().st_size < LIMIT / 4
    assert "1,000 classes are too many for a matrix." in parse(written).text
    evaluation = folders.classified(names) | {"confusion": None}
    assert (
        "With 1,000 classes no confusion matrix was kept."
        in parse(render(folders.write(folder, folders.run_json(), [], evaluation))).text
    )


def test_a_hundred_classes_are_a_picture_and_a_list_of_mistakes(tmp_path: Path) -> None:
    names = [f"class {k}" for k in range(100)]
    found = parse(render(folders.write(tmp_path / "run", folders.run_json(), [], folders.classified(names))))
    assert "confusion-title" in [attributes.get("id") for attributes in found.of("title")]
    assert "Most frequent mistakes" in found.text
    assert "The 20 classes of 100 with the lowest F1." in found.text


def test_ten_thousand_columns(tmp_path: Path) -> None:
    names = [f"a_column_with_quite_a_long_name_{k:05d}" for k in range(10_000)]
    columns = [
        {
            "name": n,
            "kind": "number",
            "distinct": 50,
            "missing": 0,
            "used": k != 7777,
            "reason": "constant" if k == 7777 else "",
        }
        for k, n in enumerate(names)
    ]
    run = folders.run_json(data={"rows": {"train": 10, "valid": 5, "test": 5}, "columns": columns, "split": ""})
    written = render(folders.write(tmp_path / "run", run, [], folders.classified(columns=names)))
    text = parse(written).text
    assert written.stat().st_size < LIMIT / 4
    assert "9,999 used and 1 left out" in text
    assert "a_column_with_quite_a_long_name_07777" in text, "what was left out is looked for"
    assert "9,900 more columns stand in run.json." in text
    assert "9,980 more columns are worth at most" in text
    assert "6 of 10,000 columns, the most important first." in text


def test_a_hundred_thousand_epochs_of_fifty_layers(tmp_path: Path) -> None:
    layers = [f"blocks.{k}.attention.{part}" for k in range(25) for part in ("weight", "bias")]
    few = list(folders.training(50, layers))
    folder = folders.write(tmp_path / "run", folders.run_json())
    watched = [json.dumps(event) + "\n" for event in few if event["event"] == "watched"]
    ended = [json.dumps(event | {"epoch": 10**9}) + "\n" for event in few if event["event"] == "epoch_ended"]
    lines = [ended[epoch % 50].replace("1000000000", str(epoch), 1) for epoch in range(100_000)]
    lines += [watched[place % 50] for place in range(1_500)]
    (folder / "records.jsonl").write_text("".join(lines))
    record = read(folder)
    assert len(record.epochs) == 100_000
    assert MOST_WATCHED / 2 <= len(record.watched) <= MOST_WATCHED
    written = html(page(record))
    assert len(written.encode()) < LIMIT / 4
    assert "25 of 50 parameters are shown." in written, "weights, for biases have no room"


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), None, "NaN", 1e308, -1e308, 0.0])
def test_numbers_that_are_none(tmp_path: Path, broken: object) -> None:
    def spoilt(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: spoilt(part) for name, part in value.items()}
        if isinstance(value, list):
            return [spoilt(part) for part in value]
        return broken if isinstance(value, float) else value

    for evaluation in (folders.classified(), folders.estimated()):
        events = [spoilt(event) for event in folders.training(5)]
        folder = folders.write(tmp_path / "run", spoilt(folders.run_json()), events, spoilt(evaluation))
        written = render(folder)
        parse(written)
        assert "nan" not in {
            word for attributes in parse(written).of("path") for word in str(attributes.get("d")).lower().split()
        }


def test_gradients_that_are_zero_or_not_finite_are_told_apart(tmp_path: Path) -> None:
    events = list(folders.training(8))
    for event in events:
        if event["event"] == "watched":
            event["grad_norm"][2] = 0.0
            event["grad_norm"][4] = float("nan")
            event["update_ratio"][0] = 1e-9
            event["update_ratio"][1] = 0.5
    found = parse(render(folders.write(tmp_path / "run", folders.run_json(), events)))
    assert "1 of 6 parameters hardly moved: their updates were below 0.00001 of their size: 0.weight." in found.text
    assert "1 of 6 parameters moved very fast: their updates were above a tenth of their size: 0.bias." in found.text
    assert "1 of 6 parameters had gradients that were not finite: 6.weight." in found.text
    assert "cr-broken" in [attributes.get("class") for attributes in found.of("path")]
    assert found.text.count("no finite number") == 1, "in the key of the picture that shows one"


def test_a_gradient_of_zero_does_not_stretch_the_scale(tmp_path: Path) -> None:
    usual, with_zero = list(folders.training(8)), list(folders.training(8))
    watched = next(event for event in with_zero if event["event"] == "watched")
    watched["grad_norm"][2] = 0.0
    keys = []
    for events in (usual, with_zero):
        text = parse(render(folders.write(tmp_path / "run", folders.run_json(), events))).text
        keys.append(text[text.index("Gradient norm by layer and step") :][:80])
    assert keys[0] == keys[1]


def test_one_epoch_is_seen(tmp_path: Path) -> None:
    found = parse(render(folders.write(tmp_path / "run", folders.run_json(), list(folders.training(1, best=1)))))
    dots = [attributes for attributes in found.of("path") if str(attributes.get("class")).startswith("cr-dots")]
    assert len(dots) == 4, "loss and accuracy, of training and of validation"


def test_many_points_of_a_regression_are_thinned(tmp_path: Path) -> None:
    written = render(folders.write(tmp_path / "run", folders.regression_json(), [], folders.estimated(100_000)))
    assert written.stat().st_size < LIMIT / 4
    assert "2,000 of 100,000 rows are drawn." in parse(written).text


def test_a_long_command_is_not_cut_in_the_middle(tmp_path: Path) -> None:
    drop = [word for k in range(2000) for word in ("--drop", f"column {k}")]
    run = folders.run_json(command=["chainrule", "train", "x.csv", *drop])
    text = parse(render(folders.write(tmp_path / "run", run))).text
    assert "--drop 'column 1999'" in text
    run = folders.run_json(command=["chainrule", "train", "x.csv", *drop * 3])
    assert "it stands in run.json" in parse(render(folders.write(tmp_path / "run", run))).text
