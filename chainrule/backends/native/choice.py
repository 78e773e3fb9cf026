"""Whether a program runs with all its threads or with one, by what its steps take.

With another process on a core, threads wait for the one that has to share it, and a program may be faster with one
thread. So a program has a home, `threads` or 1, and tries the other now and then. It never learns from a clock itself:
`record` is told what launches took. A trial pays for itself: what the last one cost beyond steps at home is at most
1/PAYBACK of the time until the next one.

At home with all threads, a trial needs a reason too: steps became slower, or threads had to sleep in barriers. On an
idle machine there is one trial, and then none.
"""

from __future__ import annotations

_PAYBACK = 100
_TRIAL_WINDOWS = 3  # at most; a preempted thread is away for a few milliseconds
_LOOKS_PER_TRIAL = 4
_SLOWER, _SLEEPY = 1.15, 0.1  # reasons for a trial: a mean beyond the best one, sleeps per launch
_BETTER = 0.95  # what moves the home
_REST_WINDOWS, _LONGEST_REST_WINDOWS = 20, 1000  # between trials of all threads, which deceive while a slice lasts


class Choice:
    """`now` is how many threads to run with, `launches` how many launches to make before the next `record`.

    `window` is about a millisecond, in the unit of `record`'s ticks: as long as a mean is taken at least.
    """

    def __init__(self, threads: int, window: int) -> None:
        self.threads = threads
        self.now = threads
        self.launches = 1
        self._window = max(window, 1)
        self._home_mean = 0.0  # of the last window; 0: none yet
        self._best_mean = 0.0  # of all windows at home since the last trial
        self._since_trial = 0.0
        self._wait: float | None = None  # from the last trial to the next; None: there was none
        self._rest = float(_REST_WINDOWS)
        self._trial_ticks = 0.0
        self._trial_launches = 0
        self._home = threads
        self._warm = False

    def record(self, launches: int, ticks: int, sleeps: int) -> None:
        """What the launches since the last call took, and how many threads went to sleep in them."""
        if self.threads == 1 or launches <= 0 or ticks <= 0:  # a clock that stands still chooses nothing
            self.launches = 1000
        elif not self._warm:
            self._warm = True  # the first step fetches its memory and wakes the workers
        elif self.now == self._home:
            self._at_home(launches, ticks, sleeps)
        else:
            self._on_trial(launches, ticks)

    def _at_home(self, launches: int, ticks: int, sleeps: int) -> None:
        mean = ticks / launches
        self._home_mean = mean
        self._best_mean = min(self._best_mean or mean, mean)
        self._since_trial += ticks
        self.launches = max(1, min(1000, int(self._window / mean)))
        if self._is_due(mean, sleeps / launches):
            self.now = 1 if self._home > 1 else self.threads
            self._trial_ticks, self._trial_launches = 0.0, 0
            self.launches = max(1, self._trial_length() // _LOOKS_PER_TRIAL)

    def _is_due(self, mean: float, sleeps: float) -> bool:
        if self._home == 1:
            return self._since_trial >= max(self._wait or 0.0, self._rest * self._window)
        reason = mean > _SLOWER * self._best_mean or sleeps > _SLEEPY
        if self._wait is None:  # one thread takes at most `threads` times as long
            cost = (self.threads - 1) * mean * self._trial_length()
            return reason or self._since_trial >= _PAYBACK * cost
        return reason and self._since_trial >= self._wait

    def _trial_length(self) -> int:
        windows = 1 if self._home > 1 else _TRIAL_WINDOWS
        return max(1, min(1000, int(windows * self._window / self._home_mean)))

    def _on_trial(self, launches: int, ticks: int) -> None:
        self._trial_ticks += ticks
        self._trial_launches += launches
        loss = self._trial_ticks - self._trial_launches * self._home_mean
        if self._trial_launches < self._trial_length() and loss < self._window:
            return
        mean = self._trial_ticks / self._trial_launches
        self._wait = max(loss, 0.0) * _PAYBACK
        if mean < _BETTER * self._home_mean:
            self._move(mean)
        elif self._home == 1:
            self._tire()
        self.now = self._home
        self._since_trial, self._best_mean = 0.0, 0.0
        self.launches = max(1, min(1000, int(self._window / self._home_mean)))

    def _move(self, mean: float) -> None:
        if self._home > 1:
            self._wait = (self._home_mean - mean) * _PAYBACK  # a trial of all threads may be one such step again
            # If it had not been long, the trial that led here was luck.
            if self._since_trial < _LONGEST_REST_WINDOWS * self._window:
                self._tire()
            else:
                self._rest = float(_REST_WINDOWS)
        self._home = 1 if self._home > 1 else self.threads
        self._home_mean = mean

    def _tire(self) -> None:
        self._rest = min(2 * self._rest, float(_LONGEST_REST_WINDOWS))
