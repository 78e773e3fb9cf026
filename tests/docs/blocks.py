"""The Python blocks of a Markdown page, run in order and in one namespace, as a reader would run them.

What follows `python` in the line that opens a block:

    raises=ShapeError     it raises exactly that
    warns=UserWarning     it warns, of exactly that
    in=path/to/file.py    it is not run: its lines stand in that file, together and in this order
    needs=torch           it is run only where that package is installed
    skip=reason           it is not run

`console` blocks are commands as typed in a shell, each after "$ ", and what they print: with `console exit=2` the last
one leaves with that code. They run in this process. A line "..." stands for any lines.

`diff in=path` says the latter of the lines without their first column, for lines that are no Python by themselves.
A `text` block shows what the Python block before it printed, and the message of the error that it raised; "..." in it
stands for any characters of one line.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from contextvars import Context
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from chainrule.cli.main import main
from chainrule.ir import state

ROOT = Path(__file__).parents[2]
HOW = {"", "raises", "warns", "in", "needs", "skip"}
PROMPT = "$ "


class Block(NamedTuple):
    """A fenced block: how it is to be run, its lines, the number of the first one, and the `text` block after it."""

    how: str  # one of HOW, or "console"
    what: str  # what follows "="
    code: str
    line: int
    output: str | None


def pages() -> list[Path]:
    """README.md and every page under docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def fences(text: str) -> Iterator[tuple[str, str, int]]:
    """The info string, the content and the line of its first line, of every fenced block."""
    info: str | None = None
    content: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("```"):
            content.append(line)
        elif info is None:
            info, content = line.removeprefix("```").strip(), []
        else:
            yield info, "\n".join(content), number - len(content)
            info = None
    assert info is None, f"the block `{info}` is not closed"


def blocks_of(text: str) -> list[Block]:
    """The Python blocks of a page, each with its output."""
    found: list[Block] = []
    follows = False
    for info, content, line in fences(text):
        language, _, option = info.partition(" ")
        if language == "python":
            how, _, what = option.partition("=")
            known = how in HOW and bool(how) == bool(what)
            assert known, f"line {line}: unknown option `{option}`"
            found.append(Block(how, what, content, line, None))
        elif language == "console":
            how, _, what = option.partition("=")
            assert how in ("", "exit"), f"line {line}: unknown option `{option}`"
            assert content.startswith(PROMPT), f"line {line}: a console begins with a command after `{PROMPT}`"
            found.append(Block("console", what or "0", content, line, None))
        elif language == "diff":
            assert option.startswith("in="), f"line {line}: `diff in=path`"
            whole = "\n".join([text[1:] for text in content.splitlines()])
            found.append(Block("in", option.removeprefix("in="), whole, line, None))
        elif language == "text":
            assert follows, f"line {line}: a `text` block needs a Python block before it"
            found[-1] = found[-1]._replace(output=content)
        follows = language == "python"
    return found


def run_page(path: Path) -> None:
    """Runs the blocks of a page. AssertionError names the line of the page that does not do what it says."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    blocks = blocks_of(path.read_text(encoding="utf8"))
    context = Context()
    with mock.patch.object(state, "_counts", {}):  # with the state of a process that has just begun
        for block in blocks:
            context.run(run_block, block, name, namespace)


def run_block(block: Block, name: str, namespace: dict[str, Any]) -> None:
    """Runs one block, or checks that its lines stand where it says."""
    place = f"{name}:{block.line}"
    if block.how == "skip" or (block.how == "needs" and importlib.util.find_spec(block.what) is None):
        return
    if block.how == "in":
        there = stands_in(block.code, (ROOT / block.what).read_text(encoding="utf8"))
        assert there, f"{place}: these lines do not stand in {block.what}"
        return
    if block.how == "console":
        run_console(block, place)
        return
    code = compile("\n" * (block.line - 1) + block.code, name, "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), expected_warning(block, place):
        message = raised(code, namespace, block.what if block.how == "raises" else "nothing", place)
    if block.output is not None:
        shown = "\n".join([part for part in (printed.getvalue().rstrip("\n"), message) if part])
        assert matches(shown, block.output), f"{place} shows\n{shown}\nand not\n{block.output}"


def run_console(block: Block, place: str) -> None:
    """Runs the commands of a console, and checks what each prints and the exit code of the last."""
    sessions = [part.partition("\n")[::2] for part in f"\n{block.code}".split(f"\n{PROMPT}")[1:]]
    for number, (command, shown) in enumerate(sessions, start=1):
        code, printed = run_command(command)
        expected = int(block.what) if number == len(sessions) else 0
        assert code == expected, f"{place}: `{command}` leaves with {code}, not {expected}, and prints\n{printed}"
        assert matches_lines(printed, shown), f"{place}: `{command}` prints\n{printed}\nand not\n{shown}"


def run_command(command: str) -> tuple[int, str]:
    """The exit code of a command of the package, and all that it prints."""
    program, *words = shlex.split(command)
    assert program == "chainrule", f"only chainrule's commands can be run, not {program}"
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf8", write_through=True)
    code = 0
    with (
        mock.patch.object(sys, "argv", [program, *words]),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        try:
            main()
        except SystemExit as exit:
            code = exit.code if isinstance(exit.code, int) else 0
    printed.seek(0)
    return code, printed.read()


def raised(code: Any, namespace: dict[str, Any], expected: str, place: str) -> str:
    """Runs the code; the message of the error that it was to raise, "" if that was "nothing"."""
    try:
        exec(code, namespace)
    except Exception as error:
        kind = type(error).__name__
        if kind != expected:
            raise AssertionError(f"{place} raises {kind}, not {expected}: {error}") from error
        return str(error)
    assert expected == "nothing", f"{place} raises nothing, not {expected}"
    return ""


@contextlib.contextmanager
def expected_warning(block: Block, place: str) -> Iterator[None]:
    """Checks that the warning that a block announces is given; one that is not announced is an error."""
    announced = block.how == "warns"
    with warnings.catch_warnings(record=announced) as seen:
        warnings.simplefilter("always" if announced else "error")
        yield
    kinds = {warning.category.__name__ for warning in seen or ()}
    assert not announced or kinds == {block.what}, f"{place} warns of {kinds or 'nothing'}, not of {block.what}"


def stands_in(lines: str, text: str) -> bool:
    """Whether whole lines stand in a text, together and in order."""
    return f"\n{lines}\n" in f"\n{text}\n"


def matches(shown: str, pattern: str) -> bool:
    """Whether output is what a page shows; "..." stands for any characters of one line."""
    wanted = "\n".join(line.rstrip() for line in pattern.strip("\n").split("\n"))
    found = "\n".join(line.rstrip() for line in shown.split("\n"))
    return re.fullmatch(".*".join(map(re.escape, wanted.split("..."))), found) is not None


def matches_lines(shown: str, pattern: str) -> bool:
    """The same for the lines of a console, where a line "..." stands for any lines, or none."""
    parts = []
    for line in pattern.strip("\n").split("\n"):
        whole = line.strip() == "..."
        parts.append("(?:.*\n)*" if whole else ".*".join(map(re.escape, line.rstrip().split("..."))) + " *\n")
    return re.fullmatch("".join(parts), shown.strip("\n") + "\n") is not None
