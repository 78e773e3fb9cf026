"""docs/map.md and docs/adding-an-op.md name places that exist, and the map leaves no part of the package out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT
from tests.docs.test_links import defines, paths_named

DOCS = ROOT / "docs"
PAGES = [DOCS / "map.md", DOCS / "adding-an-op.md", *sorted((DOCS / "decisions").glob("*.md"))]
PAGES += sorted((DOCS / "guides").glob("*.md"))


def exists(path: str) -> bool:
    """Whether a path of the repository exists; without a folder, that of a file in the package will do."""
    return (ROOT / path).exists() or ("/" not in path and any((ROOT / "chainrule").rglob(path)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_places_exist(page: Path) -> None:
    for path, name in paths_named(page):
        assert exists(path), f"{page.name} names {path}, which does not exist"
        assert not name or defines((ROOT / path).read_text(encoding="utf8"), name), f"{path} has no {name}"


def test_the_map_mentions_every_folder_and_top_level_module() -> None:
    named = {path.rstrip("/") for path, _ in paths_named(DOCS / "map.md")}
    package = ROOT / "chainrule"
    folders = {str(path.parent.relative_to(ROOT)) for path in package.rglob("*.py")}
    modules = {str(path.relative_to(ROOT)) for path in package.glob("*.py")}
    missing = sorted((folders | modules) - named)
    assert not missing, f"docs/map.md does not mention {missing}"
