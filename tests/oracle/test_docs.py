"""The pages whose blocks need PyTorch, with those blocks; `tests/docs` runs them without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks_of, pages, run_page

PAGES = [page for page in pages() if any(block.how == "needs" for block in blocks_of(page.read_text(encoding="utf8")))]


def test_there_are_such_pages() -> None:
    assert ROOT / "docs" / "guides" / "from-pytorch.md" in PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_page(page)
