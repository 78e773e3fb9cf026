"""Every chart is well-formed SVG that names itself, whatever its numbers and words are."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest

from chainrule.charts.bars import Bar, bar_chart, histogram
from chainrule.charts.heatmap import BROKEN, Rows, heatmap, levels
from chainrule.charts.lines import Line, Mark, line_chart
from chainrule.charts.points import Bin, calibration_chart, scatter
from chainrule.charts.svg import clean, cut, escape, width_of
from chainrule.charts.thin import Floats

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('1')</script> & \"quoted\" \x00\x1b\ud800 עברית \u202eevil"
VALUES = {
    "usual": np.array([1.0, 0.5, 0.25, 0.3]),
    "one": np.array([0.7]),
    "none": np.zeros(0),
    "constant": np.full(5, 3.0),
    "all nan": np.full(4, np.nan),
    "broken": np.array([1.0, np.nan, np.inf, 2.0, -np.inf, 0.0]),
    "huge": np.array([1e308, -1e308, 1e-308, 0.0]),
    "tiny": np.array([1e-300, 2e-300, 3e-320]),
}


def epochs(y: Floats) -> Floats:
    return np.arange(1, len(y) + 1, dtype=np.float64)


def lines(y: Floats) -> str:
    return line_chart("a", HOSTILE, HOSTILE, [Line(HOSTILE, epochs(y), y)], x_name=HOSTILE, mark=Mark(2, HOSTILE))


def logarithmic(y: Floats) -> str:
    return line_chart(
        "a",
        "t",
        "d",
        [Line("train", epochs(y), y), Line("valid", epochs(y), -y, 1)],
        log=True,
    )


def points(y: Floats) -> str:
    return scatter("a", HOSTILE, HOSTILE, y, y[::-1], x_name=HOSTILE, y_name=HOSTILE)


def bars(y: Floats) -> str:
    return bar_chart("a", HOSTILE, HOSTILE, [Bar(HOSTILE, value, HOSTILE, abs(value) / 10) for value in y.tolist()])


def bins(y: Floats) -> str:
    return histogram("a", HOSTILE, HOSTILE, y, x_name=HOSTILE, size=(400, 300))


def cells(y: Floats) -> str:
    shades = levels(np.stack([y, y[::-1]]), -1.0, 1.0)
    return heatmap(
        "a",
        HOSTILE,
        HOSTILE,
        shades,
        Rows([HOSTILE, "b"], [HOSTILE, "b"]),
        [HOSTILE] * len(y),
        [(0.0, HOSTILE)],
        family="h",
    )


@pytest.mark.parametrize("draw", [lines, logarithmic, points, bars, bins, cells])
@pytest.mark.parametrize("kind", VALUES)
def test_any_numbers_and_words_make_a_whole_picture(draw: Callable[[Floats], str], kind: str) -> None:
    written = draw(VALUES[kind])
    written.encode("utf8")
    assert not re.search(r'(?:="| |M|L|H|V)-?(?:nan|inf)', written), "a coordinate that is no number"
    whole = ElementTree.fromstring(written.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    assert whole.get("role") == "img"
    named = {element.get("id"): element.text for element in whole if element.tag in (f"{SVG}title", f"{SVG}desc")}
    assert whole.get("aria-labelledby") == " ".join(str(name) for name in named)
    assert all(named.values())
    assert not [element for element in whole.iter() if "script" in element.tag]


def coordinates(written: str, kind: str) -> list[tuple[float, float]]:
    path = re.search(rf'<path d="([^"]*)" class="{kind}"', written)
    assert path
    return [(float(x), float(y)) for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path[1])]


def test_a_line_goes_where_its_values_are() -> None:
    y = np.array([0.0, 10.0, 5.0, np.nan, 2.0])
    written = line_chart("a", "t", "d", [Line("loss", np.arange(5.0), y)])
    drawn = coordinates(written, "cr-line cr-s0")
    assert len(drawn) == 3, "the line ends at the gap"
    assert len(coordinates(written, "cr-dots cr-s0")) == 4, "what stands alone is a dot"
    heights = [height for _, height in drawn]
    assert heights[1] < heights[2] < heights[0], "up is more"
    assert heights[2] == pytest.approx((heights[0] + heights[1]) / 2, abs=0.1)
    across = [place for place, _ in drawn]
    assert across[2] - across[1] == pytest.approx(across[1] - across[0], abs=0.11)


def test_a_long_line_is_short_text() -> None:
    y = np.random.default_rng(0).normal(size=100_000)
    assert len(line_chart("a", "t", "d", [Line("loss", np.arange(1e5), y)])) < 20_000


def test_bars_lie_from_zero_and_are_as_long_as_their_values() -> None:
    written = bar_chart("a", "t", "d", [Bar("x", 4.0, "4"), Bar("y", 2.0, "2"), Bar("z", -1.0, "-1")])
    ends = [(float(left), float(right)) for left, right in re.findall(r'd="M([\d.]+) [\d.]+H([\d.]+)v13', written)]
    zero = ends[0][0]
    lengths = [right - left for left, right in ends]
    assert [left for left, _ in ends] == [zero] * 3
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=0.2)
    assert lengths[2] == pytest.approx(-lengths[0] / 4, abs=0.2)


def test_a_histogram_counts_every_finite_value() -> None:
    values = np.concatenate([np.zeros(30), np.ones(10), [np.nan]])
    written = histogram("a", "t", "d", values, x_name="x", size=(400, 300))
    boxes = [(float(low), float(top)) for low, top in re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)H", written)]
    heights = [low - top for low, top in boxes if low > top]
    assert heights[0] == pytest.approx(3 * heights[-1], rel=0.01)


def test_shades_follow_values_and_broken_ones_have_their_own() -> None:
    shades = levels(np.array([[0.0, 0.5, 1.0, 2.0, np.nan]]), 0.0, 1.0)
    assert shades.tolist() == [[0, 5, 10, 10, BROKEN]]
    written = heatmap("a", "t", "d", shades, Rows(["w"], ["tip"]), list("abcde"), [], family="d")
    assert written.count('class="cr-broken"') == 2, "the cell, and its entry in the key"
    assert "no finite number" in written
    assert "<title>w: tip</title>" in written


def test_a_calibration_chart_shows_each_bin() -> None:
    written = calibration_chart(
        "a", "t", "d", [Bin(0.8, 0.9, 0.85, 0.5, 3), Bin(0.9, 1, 0.97, 1, 60)], x_name="x", y_name="y"
    )
    assert written.count("<circle") == 2
    assert "60 predictions: 97% sure, 100% right" in written


def test_words_are_cut_in_the_middle_and_cleaned() -> None:
    assert cut("a_very_long_name_of_a_column", 12) == "a_very_l…umn"
    assert cut(" two\n lines ", 20) == "two lines"
    assert clean("a\x00b\ud800c\td") == "a\ufffdb\ufffdc\td"
    assert escape("""<a href="x">&'""") == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;"
    assert width_of("宽宽") > width_of("nn")
