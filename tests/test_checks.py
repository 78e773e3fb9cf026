"""The quick look at what a program took for granted."""

from __future__ import annotations

from typing import Any

import pytest

from chainrule import glance
from chainrule.checks import Entries
from chainrule.glance import Glance, Identities


class Equal:
    """Equal to everything, as a comparison must not notice."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize("finds", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "alike"),
    [((), (), True), ((1, None), (1, None), True), ((1,), (True,), False), ((0.0,), (-0.0,), False)],
)
def test_identities_are_compared_not_values(
    monkeypatch: pytest.MonkeyPatch, finds: bool, before: tuple[Any, ...], after: tuple[Any, ...], alike: bool
) -> None:
    monkeypatch.setattr(glance, "FINDS_POINTERS", finds and glance.FINDS_POINTERS)
    assert Identities(before).are_of(after) is alike
    one, other = Equal(), Equal()
    assert Identities((1, one)).are_of((1, one))
    assert not Identities((1, one)).are_of((1, other))


def test_a_dict_that_was_empty_is_seen_to_grow() -> None:
    watched: dict[str, int] = {}
    quick = Glance([Entries(watched, "watched")])
    quick.remember()
    assert quick.same()
    watched["new"] = 1
    assert not quick.same()
