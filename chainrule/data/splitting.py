"""Which rows train, which validate, which test: the same for a seed on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chainrule.data.table import Column, Kind, Rows, Table, places_of
from chainrule.data.task import Task
from chainrule.ir.errors import ArgumentError

TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Parts:
    """Row numbers of the three parts, each ascending, and how they were chosen, in one line."""

    train: Rows
    valid: Rows
    test: Rows
    how: str


def split(
    table: Table,
    target: str,
    task: Task,
    *,
    seed: int = 0,
    valid: float = 0.1,
    test: float = 0.2,
    group: str | None = None,
    time: str | None = None,
    valid_rows: npt.ArrayLike | None = None,
    test_rows: npt.ArrayLike | None = None,
) -> Parts:
    """Split a table's rows; those without a target are left out.

    For classification every class is split alike. `group`: rows of one value of that column stay in one part. `time`:
    in the order of that column, the last part tests and the one before it validates. `valid_rows`, `test_rows`: parts
    that were chosen already (`stacked` gives them for tables of their own); the shares then apply to what is left.
    """
    if group is not None and time is not None:
        raise ArgumentError("split: --group and --time exclude each other; give one of them.")
    shares = checked_shares(valid, test)
    part = np.full(table.rows, TRAIN, np.int8)
    given = {VALID: valid_rows, TEST: test_rows}
    for number, rows in given.items():
        if rows is not None:
            part[np.asarray(rows, np.int64)] = number
            shares[number] = 0.0
    known = ~table[target].is_missing
    free = np.flatnonzero((part == TRAIN) & known)
    keys = random_keys(table.rows, seed)
    if not any(shares[1:]):
        how = "as given" if valid_rows is not None or test_rows is not None else "all rows train"
    elif time is not None:
        part[free], how = by_time(table[time], free, shares)
    elif group is not None:
        part[free], how = by_group(table[group], free, shares, keys)
    elif task.kind == "classification":
        part[free], how = stratified(table[target], free, shares, keys), f"stratified by {target}, seed {seed}"
    else:
        part[free], how = shuffled(free, shares, keys), f"at random, seed {seed}"
    train, valid_part, test_part = (np.flatnonzero((part == number) & known) for number in (TRAIN, VALID, TEST))
    refuse_empty(train, valid_part, test_part, shares, len(free))
    counts = f"{len(train):,} rows train, {len(valid_part):,} validate, {len(test_part):,} test"
    fixed = [name for name, rows in zip(("valid", "test"), given.values(), strict=True) if rows is not None]
    notes = [f"{' and '.join(fixed)} as given"] if fixed and any(shares[1:]) else []
    missing = int((~known).sum())
    notes += [f"{missing:,} without a {target} left out"] if missing else []
    return Parts(train, valid_part, test_part, "; ".join([f"{counts}: {how}", *notes]))


def checked_shares(valid: float, test: float) -> list[float]:
    """The share of each part."""
    if not (0 <= valid < 1 and 0 <= test < 1 and valid + test < 1):
        raise ArgumentError(
            f"split: valid and test must be shares from 0 up to 1 that leave rows to train on, got {valid} and {test}."
        )
    return [1 - valid - test, valid, test]


def random_keys(rows: int, seed: int) -> npt.NDArray[np.uint64]:
    """A random number for each row, that of row k the same in tables of any length: raw PCG64, stable by contract."""
    return np.random.PCG64(seed).random_raw(rows)


def shuffled(free: Rows, shares: list[float], keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int8]:
    """Test and validation rows are those with the smallest keys."""
    return dealt(free, keys, *quotas(np.array([len(free)]), shares)[:, 0].tolist())


def dealt(rows: Rows, keys: npt.NDArray[np.uint64], test: int, valid: int) -> npt.NDArray[np.int8]:
    part = np.full(len(rows), TRAIN, np.int8)
    order = np.argsort(keys[rows], kind="stable")
    part[order[:test]] = TEST
    part[order[test : test + valid]] = VALID
    return part


def quotas(counts: npt.NDArray[np.int64], shares: list[float]) -> npt.NDArray[np.int64]:
    """How many rows of each class test, and how many validate: (2, classes). A class keeps a row to train on."""
    test = apportioned(counts, shares[TEST], counts - 1)
    return np.stack([test, apportioned(counts, shares[VALID], counts - test - 1)])


def apportioned(counts: npt.NDArray[np.int64], share: float, limit: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """A share of each count in whole rows, of all together the share of the sum: largest remainders first."""
    exact = counts * share
    taken = np.minimum(np.floor(exact + 1e-9).astype(np.int64), np.maximum(limit, 0))
    left = round(counts.sum() * share) - int(taken.sum())
    for place in np.argsort(-(exact - np.floor(exact + 1e-9)), kind="stable").tolist():
        if left > 0 and taken[place] < limit[place]:
            taken[place] += 1
            left -= 1
    return np.asarray(taken)


def stratified(target: Column, free: Rows, shares: list[float], keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int8]:
    """Each class is dealt by itself."""
    _, classes, counts = places_of(target.data[free])
    part = np.full(len(free), TRAIN, np.int8)
    for number, (test, valid) in enumerate(quotas(counts, shares).T.tolist()):
        places = np.flatnonzero(classes == number)
        part[places] = dealt(free[places], keys, test, valid)
    return part


def refuse_missing(column: Column, free: Rows, what: str) -> None:
    """ArgumentError if one of the rows has no value."""
    missing = free[column.is_missing[free]]
    if len(missing):
        raise ArgumentError(f"split: every row needs {what}, but {column.name!r} is missing in row {int(missing[0])}.")


def by_group(
    column: Column, free: Rows, shares: list[float], keys: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int8], str]:
    """Whole groups, in random order, until a part is as near to its share as can be."""
    data = column.data[free]
    refuse_missing(column, free, "a group")
    _, groups, counts = places_of(data)
    needed = 1 + sum(share > 0 for share in shares[1:])
    if len(counts) < needed:
        raise ArgumentError(
            f"split: {needed} parts need at least {needed} groups, but {column.name!r} has {len(counts)}. "
            "Name another column with --group."
        )
    first = np.full(len(counts), len(free))
    np.minimum.at(first, groups, np.arange(len(free)))  # the first row of each
    order = np.argsort(keys[free[first]], kind="stable")
    ends = np.concatenate([[0], np.cumsum(counts[order])])
    cuts = nearest_cuts(ends, shares, [shares[TEST], shares[VALID]])
    part_of_group = np.full(len(counts), TRAIN, np.int8)
    part_of_group[order[: cuts[0]]] = TEST
    part_of_group[order[cuts[0] : cuts[1]]] = VALID
    return part_of_group[groups], f"by whole groups of {column.name} ({len(counts):,})"


def nearest_cuts(ends: npt.NDArray[np.int64], shares: list[float], wanted: list[float]) -> list[int]:
    """Places between groups, so that two parts come near their shares of the rows and no part is empty."""
    total, cuts, start = int(ends[-1]), [], 0
    for number, share in enumerate(wanted):
        later = 1 + sum(other > 0 for other in wanted[number + 1 :])  # groups that others need
        if share > 0:
            places = np.arange(start + 1, len(ends) - later)
            start = int(places[np.abs(ends[places] - ends[start] - share * total).argmin()])
        cuts.append(start)
    return cuts


def by_time(column: Column, free: Rows, shares: list[float]) -> tuple[npt.NDArray[np.int8], str]:
    """The last rows test, the ones before them validate; rows of one moment stay together."""
    if column.kind not in {Kind.DATE, Kind.NUMBER}:
        raise ArgumentError(
            f"split: --time needs a column of dates or numbers, but {column.name!r} holds {column.kind}."
        )
    data: npt.NDArray[Any] = column.data[free]
    refuse_missing(column, free, "a time")
    moments, place, counts = places_of(data)
    needed = 1 + sum(share > 0 for share in shares[1:])
    if len(moments) < needed:
        raise ArgumentError(
            f"split: {needed} parts need at least {needed} different times, but {column.name!r} has {len(moments)}."
        )
    ends = np.concatenate([[0], np.cumsum(counts[::-1])])  # from the last moment back
    cuts = nearest_cuts(ends, shares, [shares[TEST], shares[VALID]])
    part_of_moment = np.full(len(moments), TRAIN, np.int8)
    part_of_moment[::-1][: cuts[0]] = TEST
    part_of_moment[::-1][cuts[0] : cuts[1]] = VALID
    return part_of_moment[place], f"in the order of {column.name}, the last rows test"


def refuse_empty(train: Rows, valid: Rows, test: Rows, shares: list[float], free: int) -> None:
    for name, rows, share in (("train", train, 1.0), ("valid", valid, shares[VALID]), ("test", test, shares[TEST])):
        if not len(rows) and share > 0:
            raise ArgumentError(
                f"split: {free} rows with a target are too few: none is left for the part {name!r} "
                f"(valid {shares[VALID]}, test {shares[TEST]}). More rows are needed."
            )
