"""Every page does what it says: its Python blocks run and print what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, pages, run_page


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page)


# What running a page lets pass and what it reports, on small made-up pages.


def run(text: str, folder: Path) -> None:
    page = folder / "page.md"
    page.write_text(text.replace("'''", "```"), encoding="utf8")
    run_page(page)


@pytest.mark.parametrize(
    "text",
    [
        "'''python\nx = 1\n'''\n'''python\nassert x == 1\n'''",
        "'''python\nprint('a')\nprint('b')\n'''\nprose\n'''text\na\nb\n'''",
        "'''python\nprint('loss 0.123')\n'''\n'''text\nloss 0...\n'''",
        "'''python raises=KeyError\n{}[1]\n'''\n'''text\n1\n'''",
        "'''python warns=UserWarning\nimport warnings\nwarnings.warn('w', stacklevel=1)\n'''",
        "'''python in=tests/docs/blocks.py\nimport contextlib\nimport importlib.util\n'''",
        "'''diff in=tests/docs/blocks.py\n import contextlib\n+import importlib.util\n'''",
        "'''python needs=no_such_package\nimport no_such_package\n'''\n'''text\nnothing\n'''",
        "'''python skip=it takes an hour\n1 / 0\n'''",
        "'''console\n$ chainrule data\n...\npenguins  ... penguins of ...\n...\n'''",
        "'''console exit=2\n$ chainrule data digits\ndigits ...\n$ chainrule fly\n...No such command...\n'''",
        "'''\nno Python\n'''\n'''sh\nls\n'''",
    ],
)
def test_what_a_page_may_say(text: str, tmp_path: Path) -> None:
    run(text, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prose\n'''python\n1 / 0\n'''", "page.md:3 raises ZeroDivisionError, not nothing"),
        ("'''python raises=ValueError\n1 / 0\n'''", "raises ZeroDivisionError, not ValueError"),
        ("'''python raises=ArithmeticError\n1 / 0\n'''", "raises ZeroDivisionError, not ArithmeticError"),
        ("'''python raises=ValueError\nx = 1\n'''", "raises nothing, not ValueError"),
        ("'''python warns=UserWarning\nx = 1\n'''", "warns of nothing, not of UserWarning"),
        ("'''python\nimport warnings\nwarnings.warn('w', stacklevel=1)\n'''", "raises UserWarning, not nothing"),
        ("'''python\nprint(1)\n'''\n'''text\n2\n'''", "shows\n1\nand not\n2"),
        ("'''python\nprint(1)\n'''\n'''text\n1\n2\n'''", "shows\n1\n"),
        ("'''python\nprint('1\\n2')\n'''\n'''text\n...\n'''", "shows\n1\n2\n"),
        ("'''python in=tests/docs/blocks.py\nimport importlib.util\nimport contextlib\n'''", "do not stand in"),
        ("'''python in=tests/docs/blocks.py\nport contextlib\n'''", "do not stand in"),
        ("'''diff in=tests/docs/blocks.py\n+import importlib\n'''", "do not stand in"),
        ("'''diff\n+import importlib\n'''", "`diff in=path`"),
        ("'''text\n1\n'''", "needs a Python block before it"),
        ("'''python\nx = 1\n'''\n'''sh\nls\n'''\n'''text\n1\n'''", "needs a Python block before it"),
        ("'''console\n$ chainrule fly\n...\n'''", "`chainrule fly` leaves with 2, not 0"),
        ("'''console\n$ chainrule data\n'''", "`chainrule data` prints"),
        ("'''console\n$ chainrule data\n...\nnothing\n'''", "`chainrule data` prints"),
        ("'''console\n$ rm -r /\n'''", "only chainrule's commands"),
        ("'''console\nls\n'''", "a console begins with a command"),
        ("'''python rises=ValueError\nx = 1\n'''", "unknown option"),
        ("'''python skip=\nx = 1\n'''", "unknown option"),
        ("'''python\nx = 1\n", "is not closed"),
    ],
)
def test_what_a_page_must_not_say(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        run(text, tmp_path)
    assert message in str(caught.value)


def test_lines_of_an_error_are_those_of_the_page(tmp_path: Path) -> None:
    code = "import inspect\nassert False, inspect.currentframe().f_lineno"
    run(f"one\n\n'''python raises=AssertionError\n{code}\n'''\n'''text\n5\n'''", tmp_path)
