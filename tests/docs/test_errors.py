"""Every error class has a page, and every page a class."""

from __future__ import annotations

import inspect
import re

import pytest

import chainrule.errors
from chainrule.ir import errors
from tests.docs.blocks import ROOT, blocks_of

FOLDER = ROOT / "docs" / "errors"
CLASSES = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, errors.ChainruleError)
}


def test_every_class_has_a_page_and_every_page_a_class() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} - {"README"} == set(CLASSES)


def test_every_class_is_public() -> None:
    assert set(chainrule.errors.__all__) == set(CLASSES)
    assert all(getattr(chainrule.errors, name) is kind for name, kind in CLASSES.items())


@pytest.mark.parametrize("name", CLASSES)
def test_class_says_what_it_is(name: str) -> None:
    assert (CLASSES[name].__doc__ or "").strip()
    assert CLASSES[name].__doc__ != errors.ChainruleError.__doc__ or CLASSES[name] is errors.ChainruleError


@pytest.mark.parametrize("name", CLASSES)
def test_page_shows_the_error_and_its_repair(name: str) -> None:
    text = (FOLDER / f"{name}.md").read_text(encoding="utf8")
    assert text.startswith(f"# {name}\n")
    blocks = blocks_of(text)
    raising = [block.how == "raises" for block in blocks]
    assert raising, "there is no example"
    assert not raising[-1], "the last example has no repair"
    assert name == "ChainruleError" or name in [block.what for block in blocks if block.how == "raises"]


def test_readme_lists_every_page_with_a_line() -> None:
    listed = re.findall(r"^- \[(\w+)\]\((\w+)\.md\): (.+)$", (FOLDER / "README.md").read_text(encoding="utf8"), re.M)
    assert [name for name, _, _ in listed] == [page for _, page, _ in listed]
    assert sorted(name for name, _, _ in listed) == sorted(CLASSES)
