"""Where buffers lie: none that a phase needs is under another, and no more memory than it takes."""

from __future__ import annotations

import numpy as np

from chainrule.passes.memory import ALIGNMENT, lifetimes, overlaps, plan
from chainrule.passes.schedule import schedule
from tests.passes.test_schedule import call

KB = 1024


def test_a_buffer_lives_from_its_writer_to_its_last_reader() -> None:
    calls = [call([0], 1), call([1], 2), call([2], 3), call([1, 3], 4)]
    assert lifetimes(schedule(calls)) == {0: (0, 0), 1: (0, 3), 2: (1, 2), 3: (2, 3), 4: (3, 3)}


def test_memory_is_used_again_once_it_is_free() -> None:
    """A chain takes two buffers, however long it is."""
    sizes = dict.fromkeys(range(20), KB)
    lives = {k: (k, k + 1) for k in range(20)}
    offsets, end = plan(sizes, lives)
    assert end == 2 * KB
    assert not list(overlaps(offsets, sizes, lives))


def test_what_a_phase_reads_is_not_what_it_writes_over() -> None:
    """A buffer that dies in a phase is still there for all of its calls."""
    offsets, end = plan({0: KB, 1: KB}, {0: (0, 1), 1: (1, 2)})
    assert end == 2 * KB
    assert offsets[0] != offsets[1]


def test_the_smallest_gap_that_fits_is_taken() -> None:
    sizes = {0: 4 * KB, 1: 3 * KB, 2: 2 * KB, 3: KB, 4: 2 * KB}
    lives = {0: (0, 0), 1: (0, 9), 2: (0, 0), 3: (0, 9), 4: (1, 9)}
    offsets, end = plan(sizes, lives)
    assert offsets[4] == offsets[2]
    assert end == 10 * KB


def test_gaps_side_by_side_are_one() -> None:
    sizes = {0: KB, 1: KB, 2: 2 * KB, 3: KB}
    offsets, end = plan(sizes, {0: (0, 0), 1: (0, 0), 3: (0, 1), 2: (1, 1)})
    assert end == 3 * KB
    assert offsets[2] != offsets[3]


def test_buffers_are_aligned_and_none_is_empty() -> None:
    offsets, end = plan({0: 0, 1: 1, 2: ALIGNMENT + 1}, dict.fromkeys(range(3), (0, 0)))
    assert len(set(offsets.values())) == 3
    assert all(offset % ALIGNMENT == 0 for offset in offsets.values())
    assert end == 4 * ALIGNMENT


def test_random_plans_have_no_overlaps_and_waste_little() -> None:
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(100):
        count, phases = int(rng.integers(1, 60)), int(rng.integers(1, 30))
        starts = rng.integers(0, phases, count)
        lives = {k: (int(s), int(min(phases - 1, s + rng.geometric(0.3) - 1))) for k, s in enumerate(starts)}
        sizes = {k: int(rng.integers(0, 5000)) for k in range(count)}
        offsets, end = plan(sizes, lives)
        assert not list(overlaps(offsets, sizes, lives))
        assert offsets.keys() == sizes.keys()
        padded = {k: max(ALIGNMENT, -(-size // ALIGNMENT) * ALIGNMENT) for k, size in sizes.items()}
        assert all(offsets[k] + padded[k] <= end for k in sizes)
        least = max(sum(padded[k] for k, (a, b) in lives.items() if a <= p <= b) for p in range(phases))
        ratios.append(end / least)
    assert np.mean(ratios) < 1.15


def test_overlaps_finds_a_plan_that_is_wrong() -> None:
    sizes = {0: 100, 1: 100}
    assert list(overlaps({0: 0, 1: 64}, sizes, {0: (0, 1), 1: (1, 2)})) == [(0, 1)]
    assert not list(overlaps({0: 0, 1: 64}, sizes, {0: (0, 0), 1: (1, 2)}))


def test_nothing_is_nothing() -> None:
    assert plan({}, {}) == ({}, 0)
