import bisect
import itertools
import random
from collections.abc import Callable

import pytest

from chainrule.backends.native.choice import Choice

WINDOW = 1000.0  # ticks, so a tick is a microsecond


class Machine:
    """Steps at given costs, and what became of the time."""

    def __init__(self, choice: Choice) -> None:
        self.choice, self.now, self.steps = choice, 0.0, 0
        self.of_threads = {1: 0, choice.threads: 0}

    def run(self, ticks: float, cost: Callable[[int, float], float], sleeps: float = 0) -> float:
        """Runs for about so many ticks; how many a step took."""
        began, steps = self.now, self.steps
        while self.now < began + ticks:
            threads, launches = self.choice.now, self.choice.launches
            start = self.now
            for _ in range(launches):
                self.now += cost(threads, self.now)
            self.steps += launches
            self.of_threads[threads] += launches
            slept = round(sleeps * launches) if threads > 1 else 0
            self.choice.record(launches, round(self.now - start), slept)
        return (self.now - began) / (self.steps - steps)


def idle(step: float) -> Callable[[int, float], float]:
    return lambda threads, _: step / threads + (1 if threads > 1 else 0)


def busy(step: float) -> Callable[[int, float], float]:
    """Another process on one of the cores: with several threads a step waits out its slices of 4 ms, now and then."""

    def cost(threads: int, now: float) -> float:
        if threads == 1:
            return step
        away = 8000 - now % 8000 if now % 8000 > 4000 else 0  # until the slice is over
        return step / threads + max(away, 0.2 * step)

    return cost


class Shared:
    """Cores that other machines on the same processor slow down for some milliseconds, again and again."""

    def __init__(self, step: float, spell: float, seed: int, slowed: float = 0.55) -> None:
        self.step, self.slowed = step, slowed
        rng = random.Random(seed)
        self.changes = [list(itertools.accumulate(rng.expovariate(1 / spell) for _ in range(20_000))) for _ in range(2)]

    def __call__(self, threads: int, now: float) -> float:
        return max(self._until(core, now, self.step / threads) for core in range(threads)) - now

    def _until(self, core: int, now: float, work: float) -> float:
        """When some work is done; a core is slow from each second change on to the next."""
        changes = self.changes[core]
        k = bisect.bisect(changes, now)
        while True:
            speed = self.slowed if k % 2 else 1.0
            if now + work / speed <= changes[k]:
                return now + work / speed
            work -= (changes[k] - now) * speed
            now, k = changes[k], k + 1


@pytest.mark.parametrize("slowed", [0.2, 0.4, 0.55])
@pytest.mark.parametrize("spell", [2e3, 10e3, 50e3])
@pytest.mark.parametrize("step", [40, 300, 3500, 40_000])
def test_cores_that_are_slow_now_and_then_still_are_two(step: float, spell: float, slowed: float) -> None:
    cost = Shared(step, spell, 0, slowed)
    now, steps = 0.0, 0
    while now < 4e6:
        now += cost(2, now)
        steps += 1
    always = now / steps  # with both
    assert Machine(Choice(2, int(WINDOW))).run(4e6, cost) <= 1.2 * always


@pytest.mark.parametrize("threads", [2, 4, 64])
@pytest.mark.parametrize("step", [20, 300, 5000, 200_000])
def test_on_an_idle_machine_trials_cost_two_percent_at_most(threads: int, step: float) -> None:
    machine = Machine(Choice(threads, int(WINDOW)))
    cost = idle(step)
    mean = machine.run(max(300 * step, 1e6), cost)
    assert mean <= 1.02 * min(cost(1, 0), cost(threads, 0))


def test_an_idle_machine_has_one_trial() -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    machine.run(1e6, idle(100))
    tried = machine.of_threads[1]
    machine.run(5e6, idle(100))
    assert 0 < machine.of_threads[1] == tried


@pytest.mark.parametrize("step", [20, 300, 5000, 50_000])
def test_with_a_busy_core_steps_take_little_longer_than_with_one_thread(step: float) -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    mean = machine.run(max(300 * step, 3e6), busy(step), sleeps=0.3)
    assert mean <= 1.2 * step


def test_a_core_that_becomes_busy_and_idle_again_is_noticed() -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    step = 300.0
    machine.run(1e6, idle(step))
    assert machine.choice.now == 2
    machine.run(1e6, busy(step), sleeps=0.3)
    assert machine.choice.now == 1
    machine.run(3e6, idle(step))  # may have to wait for the next trial
    assert machine.run(1e6, idle(step)) <= 1.02 * idle(step)(2, 0)


def test_a_step_too_small_for_threads_runs_on_one() -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    cost: Callable[[int, float], float] = lambda threads, _: 4 if threads == 1 else 6
    machine.run(1e6, cost)
    assert machine.run(5e6, cost) <= 1.02 * 4


def test_only_several_trials_that_agree_move_a_program() -> None:
    """Steps with one thread take half as long, and stay so."""
    choice, threads = Choice(2, int(WINDOW)), []
    for _ in range(200):
        threads.append(choice.now)
        choice.record(choice.launches, choice.launches * (50 if choice.now == 1 else 100), choice.launches)
    runs = [len(list(run)) for thread, run in itertools.groupby(threads) if thread == 1]
    assert max(runs[:4]) <= 5, "looks of a trial, and back home"
    assert max(runs) > 10


def test_equal_costs_do_no_harm() -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    assert machine.run(1e6, lambda threads, _: 100) == pytest.approx(100)


def test_threads_that_sleep_by_plan_cost_trials_of_two_percent_at_most() -> None:
    machine = Machine(Choice(2, int(WINDOW)))
    assert machine.run(5e6, idle(1000), sleeps=1) <= 1.02 * idle(1000)(2, 0)


def test_one_thread_has_no_choice() -> None:
    machine = Machine(Choice(1, int(WINDOW)))
    machine.run(1e6, idle(100))
    assert machine.choice.now == 1


def test_without_a_clock_all_threads_run() -> None:
    choice = Choice(4, int(WINDOW))
    for _ in range(100):
        choice.record(choice.launches, 0, 4)
    assert choice.now == 4
