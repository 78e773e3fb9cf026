"""The report in a browser: no request, no complaint, the verdict on the first screen, nothing cut off, nothing pale."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainrule.report import render
from tests.report import folders
from tests.report.browser import Page, browser, chromium, required

# What is seen of the first screen: an element's edges, by a selector.
EDGES = """Object.fromEntries(%s.map(name => {
    const box = document.querySelector(name).getBoundingClientRect();
    return [name, [box.left, box.top, box.right, box.bottom]];
}))"""
# Texts whose contrast with what lies behind them is under WCAG's 4.5 (3 for large ones).
PALE = """(() => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
    const over = (below, [r, g, b, a = 1]) => [r, g, b].map((v, k) => v * a + below[k] * (1 - a));
    const behind = element => {
        const layers = [];
        for (let at = element; at; at = at.parentElement) layers.push(channels(getComputedStyle(at).backgroundColor));
        return layers.reverse().reduce(over, [255, 255, 255]);
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own || element.matches("title, desc") || !element.getClientRects().length) continue;
        const style = getComputedStyle(element), size = parseFloat(style.fontSize);
        const ink = channels(element instanceof SVGElement ? style.fill : style.color);
        const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
        const ratio = (a + .05) / (b + .05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        if (ratio < (large ? 3 : 4.5)) found.push(`${element.textContent.slice(0, 40)}: ${ratio.toFixed(2)}`);
    }
    return found;
})()"""
# Texts of charts that lie on one another, or outside of their picture.
CLASHES = """(() => {
    const found = [], meet = (a, b, c, d) => a < d - 1.5 && c < b - 1.5;
    for (const picture of document.querySelectorAll("svg")) {
        const frame = picture.getBoundingClientRect(), name = picture.firstChild.textContent;
        const boxed = text => [text.lastChild.data, text.getBoundingClientRect()];
        const texts = [...picture.querySelectorAll("text")].map(boxed);
        texts.forEach(([words, box], k) => {
            const inside = box.left > frame.left - 1 && box.right < frame.right + 1;
            const within = box.top > frame.top - 2 && box.bottom < frame.bottom + 2;
            if (!inside || !within) found.push(`${name}: ${words} leaves it`);
            for (const [other, its] of texts.slice(k + 1))
                if (meet(box.left, box.right, its.left, its.right) && meet(box.top, box.bottom, its.top, its.bottom))
                    found.push(`${name}: ${words} lies on ${other}`);
        });
    }
    return found;
})()"""
# The text that is seen without scrolling.
SEEN = """(() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), seen = [];
    while (walker.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        const box = range.getBoundingClientRect();
        const inside = box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
        if (box.height && inside) seen.push(walker.currentNode.data);
    }
    return seen.join("");
})()"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    program = chromium()
    if program is None:
        assert not required(), "CI must have a browser"
        pytest.skip("no Chromium or Chrome is installed")
    with browser(program, tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    digits, some = folders.run_json(source="digits", target="digit"), list(folders.training(20))
    stopped = folders.run_json(status="interrupted", result=None)
    tens, many = folders.classified(list(range(10))), folders.classified([f"class {k}" for k in range(60)])
    made = {
        "penguins": folders.penguins(folder / "penguins-1"),
        "diabetes": folders.diabetes(folder / "diabetes-1"),
        "digits": folders.write(folder / "digits-1", digits, some, tens),
        "classes": folders.write(folder / "classes", digits, some[:6], many),
        "short": folders.write(folder / "short", stopped, list(folders.training(1))),
    }
    return {name: render(run).as_uri() for name, run in made.items()}


KINDS = ["penguins", "diabetes", "digits", "classes", "short"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_asks_for_nothing_and_complains_of_nothing(tab: Page, reports: dict[str, str], kind: str) -> None:
    tab.open(reports[kind])
    assert tab.requests == [reports[kind]]
    assert tab.complaints == []
    assert tab.evaluate("performance.getEntriesByType('resource').length") == 0
    assert tab.evaluate("document.compatMode") == "CSS1Compat"


def test_requests_errors_and_scripts_would_be_noticed(tab: Page, tmp_path: Path, reports: dict[str, str]) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!DOCTYPE html><title>x</title><img src='file:///nowhere.png'><script>throw Error('no')</script>")
    tab.open(page.as_uri())
    assert "file:///nowhere.png" in tab.requests
    assert any("no" in complaint for complaint in tab.complaints)
    source = Path(reports["penguins"].removeprefix("file://")).read_text(encoding="utf8")
    page.write_text(
        source.replace("<main>", "<main><script>document.title = 'ran'</script><img src='file:///nowhere.png'>")
    )
    tab.open(page.as_uri())
    assert tab.evaluate("document.title") != "ran", "its policy lets no script run"
    assert tab.complaints, "and the browser says so"


def words_on_the_first_screen(tab: Page) -> str:
    return re.sub(r"\s+", " ", str(tab.evaluate(SEEN)))


def test_the_first_screen_holds_verdict_metric_and_baselines(tab: Page, reports: dict[str, str]) -> None:
    tab.open(reports["penguins"])
    seen = words_on_the_first_screen(tab)
    for words in (
        "the network gets species right for 68 of 69 unseen rows (98.6%): level with gradient-boosted trees and",
        "Gradient-boosted trees score a little better", "test accuracy", "68 of 69 rows right",
        "this network", "logistic regression", "97.1%", "the most frequent class", "43.5%", "241 · 34 · 69",
    ):  # fmt: skip
        assert words in seen
    edges: dict[str, Any] = tab.evaluate(EDGES % '["h1", ".big strong", ".scores table", ".facts"]')
    for name, (left, top, right, bottom) in edges.items():
        assert left >= 0, name
        assert top >= 0, name
        assert right <= 1280, name
        assert bottom <= 800, name


def test_the_first_screen_of_a_regression(tab: Page, reports: dict[str, str]) -> None:
    tab.open(reports["diabetes"])
    seen = words_on_the_first_screen(tab)
    for words in ("with a typical error of 54.1", "ridge regression", "53.6", "the mean", "pip install scikit-learn"):
        assert words in seen


@pytest.mark.parametrize("width", [1280, 700, 380])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_wider_than_the_window(tab: Page, reports: dict[str, str], kind: str, width: int) -> None:
    tab.open(reports[kind], width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("kind", KINDS)
def test_words_in_charts_do_not_clash(tab: Page, reports: dict[str, str], kind: str) -> None:
    tab.open(reports[kind])
    assert tab.evaluate(CLASHES) == []


@pytest.mark.parametrize(("scheme", "kind"), [("light", ""), ("dark", ""), ("dark", "print")])
@pytest.mark.parametrize("report", ["penguins", "diabetes"])
def test_words_have_contrast(tab: Page, reports: dict[str, str], report: str, scheme: str, kind: str) -> None:
    tab.open(reports[report])
    tab.media(scheme, kind)
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    pale = tab.evaluate(PALE)
    tab.media()
    assert pale == []
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light" or kind == "print"), "paper is white"


def test_pale_words_and_clashes_would_be_noticed(tab: Page, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    text = '<text x="{}" y="20">words</text>'
    pale = '<p style="color: #aaa">pale</p>'
    page.write_text(f'<!DOCTYPE html>{pale}<svg width="100" height="30">{text.format(5)}{text.format(20)}</svg>')
    tab.open(page.as_uri())
    assert len(tab.evaluate(PALE)) == 1
    assert len(tab.evaluate(CLASHES)) == 1


def test_it_is_read_without_javascript_and_printed(tab: Page, reports: dict[str, str]) -> None:
    tab.open(reports["penguins"], scripts=False)
    printed = tab.pdf()
    tab.open(reports["penguins"])
    assert len(printed) == pytest.approx(len(tab.pdf()), rel=0.01)
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8
