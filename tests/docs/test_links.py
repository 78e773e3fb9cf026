"""What pages point to exists: files of this repository, and names in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, pages

PAGES = [*pages(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
SUFFIXES = ("py", "md", "toml", "txt", "npz", "sh")
PATH = re.compile(rf"`((?:[\w.-]+/)*[\w.-]+(?:/|\.(?:{'|'.join(SUFFIXES)})))(?:::([\w.]+))?`")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
MACHINE = re.compile(r"(?<![\w.:/])/(?:work|tmp|home|root|usr|opt|var)/")


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page.read_text(encoding="utf8"))):
        assert (page.parent / target).exists(), f"{page}: {target} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_machine(page: Path) -> None:
    assert not MACHINE.search(page.read_text(encoding="utf8"))


def paths_named(page: Path) -> list[tuple[str, str]]:
    """The paths of this repository that stand in backquotes, with the name in the file after `::`, "" if none."""
    return [(path, name) for path, name in PATH.findall(prose(page.read_text(encoding="utf8")))]


def defines(source: str, name: str) -> bool:
    """Whether a file defines a function, class, method or variable of that name."""
    return all(
        re.search(rf"^\s*(?:def|class) {part}\b|^\s*{part}(?:: [^=\n]+)? = ", source, re.M) for part in name.split(".")
    )
