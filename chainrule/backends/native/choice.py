"""Whether a program runs with all its threads or with one, by what its steps take.

With another process on a core, threads wait for the one that has to share it, and a program may be faster with one
thread. So a program has a home, `threads` or 1, and tries the other now and then. It never learns from a clock itself:
`record` is told what launches took. A trial pays for itself: what the last one cost beyond steps at home is at most
1/PAYBACK of the time until the next one.

At home with all threads, a trial needs a reason too: steps became slower, threads had to sleep in barriers, or the last
trials were no worse than home. On an idle machine there is one trial, and then none.

No single trial moves the home. Where other machines share the processor, cores are slow for some milliseconds again and
again, and the next few steps may well be faster with one thread although all are better in the long run. So what steps
take is a mean on both sides: at home over some time, away over several trials, apart from each other.
"""

from __future__ import annotations

_PAYBACK = 100
_APART_WINDOWS = 8  # from look to look at home, and at least between trials, so that one slow spell is not all they see
_TRIALS = 6  # that move the home; a single one may end within another process's slice
_OLD_WINDOWS = 200  # trials longer ago say nothing
_MEMORY_WINDOWS, _MEMORY_LAUNCHES = 16, 4  # what the mean at home is over: when there are more, older ones count half
_LOOKS_PER_TRIAL = 4
_SLOWER, _SLEEPY = 1.15, 0.1  # reasons for a trial: a mean beyond the best one, sleeps per launch
_BETTER = 0.95  # what moves the home


class _Mean:
    """Of what launches took; older ones count half from time to time."""

    def __init__(self) -> None:
        self.ticks, self.launches, self.samples = 0.0, 0.0, 0.0

    @property
    def value(self) -> float:
        return self.ticks / self.launches if self.launches else 0.0

    def add(self, ticks: float, launches: float) -> None:
        self.ticks, self.launches, self.samples = self.ticks + ticks, self.launches + launches, self.samples + 1

    def fade(self) -> None:
        self.ticks, self.launches, self.samples = self.ticks / 2, self.launches / 2, self.samples / 2


class Choice:
    """`now` is how many threads to run with, `launches` how many launches to make before the next `record`.

    `window` is about a millisecond, in the unit of `record`'s ticks: as long as a trial takes at least.
    """

    def __init__(self, threads: int, window: int) -> None:
        self.threads = threads
        self.now = threads
        self.launches = 1
        self._window = max(window, 1)
        self._home = threads
        self._at_home, self._away = _Mean(), _Mean()
        self._best = 0.0  # mean from look to look at home since the last trial
        self._since_trial = 0.0
        self._wait: float | None = None  # from the last trial to the next; None: there was none
        self._trial = _Mean()
        self._warm = False

    def record(self, launches: int, ticks: int, sleeps: int) -> None:
        """What the launches since the last call took, and how many threads went to sleep in them."""
        if self.threads == 1 or launches <= 0 or ticks <= 0:  # a clock that stands still chooses nothing
            self.now, self.launches = self._home, 1000
        elif not self._warm:
            self._warm = True  # the first step fetches its memory and wakes the workers
        elif self.now == self._home:
            self._go_on(launches, ticks, sleeps)
        else:
            self._try(launches, ticks)

    def _go_on(self, launches: int, ticks: int, sleeps: int) -> None:
        home = self._at_home
        home.add(ticks, launches)
        if home.ticks > _MEMORY_WINDOWS * self._window and home.launches > _MEMORY_LAUNCHES:
            home.fade()
        self._best = min(self._best or ticks / launches, ticks / launches)
        self._since_trial += ticks
        self.launches = self._of_windows(_APART_WINDOWS, ticks / launches)
        if self._is_due(sleeps / launches):
            self.now = 1 if self._home > 1 else self.threads
            self._trial = _Mean()
            self.launches = max(1, self._of_windows(1, home.value) // _LOOKS_PER_TRIAL)

    def _of_windows(self, windows: int, mean: float) -> int:
        """How many launches take the time of some windows."""
        return max(1, min(1000, int(windows * self._window / mean)))

    def _is_due(self, sleeps: float) -> bool:
        mean = self._at_home.value
        promising = 0 < self._away.value < mean
        reason = self._home == 1 or promising or mean > _SLOWER * self._best or sleeps > _SLEEPY
        if self._wait is None:  # one thread takes at most `threads` times as long
            cost = (self.threads - 1) * mean * self._of_windows(1, mean)
            return reason or self._since_trial >= _PAYBACK * cost
        return reason and self._since_trial >= max(self._wait, _APART_WINDOWS * self._window)

    def _try(self, launches: int, ticks: int) -> None:
        trial, mean = self._trial, self._at_home.value
        trial.add(ticks, launches)
        loss = trial.ticks - trial.launches * mean
        if trial.launches < self._of_windows(1, mean) and loss < self._window:
            return
        if self._since_trial > _OLD_WINDOWS * self._window:
            self._away = _Mean()
        self._away.add(trial.ticks, trial.launches)
        if self._away.samples > 2 * _TRIALS:
            self._away.fade()
        self._wait = max(loss, 0.0) * _PAYBACK
        if self._away.samples >= _TRIALS and self._away.value < _BETTER * mean:
            self._home, self._at_home, self._away = self.now, self._away, _Mean()
        self.now = self._home
        self._since_trial, self._best = 0.0, 0.0
        self.launches = self._of_windows(_APART_WINDOWS, self._at_home.value)
