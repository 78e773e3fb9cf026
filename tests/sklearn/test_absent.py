"""Without scikit-learn, `chainrule.sklearn` says how to get it; nothing else misses it."""

from __future__ import annotations

import importlib
import sys

import pytest


@pytest.fixture
def without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "sklearn" or "chainrule.sklearn" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)


@pytest.mark.usefixtures("without_scikit_learn")
def test_import_says_in_one_line_what_to_install() -> None:
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("chainrule.sklearn")
    assert str(caught.value) == 'chainrule.sklearn needs scikit-learn 1.6 or later: pip install "chainrule[sklearn]"'
    assert caught.value.name == "sklearn"
    assert caught.value.__suppress_context__, "the traceback of the import inside is no help"


def test_an_error_of_our_own_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if "chainrule.sklearn" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "chainrule.sklearn.classifier", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("chainrule.sklearn")
    assert caught.value.name == "chainrule.sklearn.classifier"
