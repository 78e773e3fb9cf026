"""The threads that run programs: one pool for the process, shared by all of them.

Workers are Python threads that enter a compiled loop (`walk.py`) and stay there, without the interpreter's lock. A
launch is one call from the thread that wants a program run: it takes part as thread 0 and returns when all are done.
Between launches workers spin for a moment, then sleep.

One launch at a time has the workers. If another Python thread launches meanwhile, its program runs on that thread
alone, at once: the cores are taken anyway, and bits do not depend on the number of threads. Two launches of one program
must not overlap; whoever owns the program sees to that.

After a fork the child has no workers: its launches run alone until it asks for workers again. At the interpreter's exit
the workers are sent home before anything is torn down; later launches run alone.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
import time

from chainrule.backends.native import futex, portable_wait, walk
from chainrule.backends.native.cache import Cache, user_cache
from chainrule.backends.native.choice import Choice
from chainrule.backends.native.jit import Library, host_level, load

_SPIN_SECONDS = 500e-6  # see docs/decisions/0015-threads-that-wait.md
_WINDOW_SECONDS = 1e-3  # what `Choice` takes a mean over
_THREADS_WORD = walk.DESCRIPTOR.index("threads")
_TABLE_WORD = walk.DESCRIPTOR.index("table")
_TICKS_WORD = walk.DESCRIPTOR.index("ticks")
_RUNS_WORD = walk.DESCRIPTOR.index("runs")
_LEFT_WORD = walk.DESCRIPTOR.index("left")


class Pool:
    """Workers, and the compiled code that they run."""

    def __init__(self, cache: Cache, *, portable: bool = False) -> None:
        """`portable` waits without the platform's own means, as platforms do that have none here."""
        level = host_level()
        linux = futex.runs_on(level.triple) and not portable
        waiting = futex.definitions(level.triple) if linux else portable_wait.definitions()
        # Never freed: a worker may be in it until the process ends.
        code = load(walk.text(level, waiting), level, cache).keep()
        system = futex.system_function() if linux else portable_wait.system_function()
        ctypes.c_void_p.from_address(code.address("system_function")).value = system
        self._bind(code)
        self._lock = threading.Lock()
        self._workers: list[threading.Thread] = []
        self._stopped = False
        self._spins, self.window = self._measured(code)
        self._reset()

    def _bind(self, code: Library) -> None:
        self.launch_address = code.address("launch")
        self.launch = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self.launch_address)
        self._work = ctypes.CFUNCTYPE(None)(code.address("work"))
        self._dismiss = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("dismiss"))
        self._control = code.address("control")

    @staticmethod
    def _measured(code: Library) -> tuple[int, int]:
        """Rounds of spinning before sleep, ticks of a window: a pause takes 3 to 50 ns, a tick 0.2 to 40."""
        pauses = ctypes.CFUNCTYPE(None, ctypes.c_int64)(code.address("pauses"))
        clock = ctypes.CFUNCTYPE(ctypes.c_int64)(code.address("clock"))
        best = None
        for _ in range(5):  # the least disturbed one
            start, ticks = time.perf_counter(), clock()
            pauses(1000)
            ticks, seconds = clock() - ticks, time.perf_counter() - start
            best = min(best or (seconds, ticks), (seconds, ticks))
        assert best is not None
        seconds, ticks = max(best[0], 1e-9), best[1]
        return int(1000 * _SPIN_SECONDS / seconds), int(ticks * _WINDOW_SECONDS / seconds)

    @property
    def size(self) -> int:
        """The threads that a launch can have: the workers, and the one that launches."""
        return 1 + self._word(walk.WORKERS_OFFSET).value

    def reserve(self, threads: int) -> int:
        """Sees to it that launches can have so many threads, if the system gives them. Returns how many they can."""
        if threads > self.size:
            with self._lock:
                self._grow(min(threads, walk.MAX_THREADS))
        return min(threads, self.size)

    def run(self, descriptor: int, threads: int) -> None:
        """Runs the program of the descriptor at an address (`walk.DESCRIPTOR`)."""
        ctypes.c_int64.from_address(descriptor + 8 * _THREADS_WORD).value = self.reserve(threads)
        self.launch(descriptor)

    def stop(self) -> None:
        """Sends the workers home, once the launch that has them is over."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            while not self._dismiss():
                time.sleep(1e-4)
            for worker in self._workers:
                if worker.is_alive():
                    worker.join()

    def forget(self) -> None:
        """For the child of a fork, which has none of the threads: begins anew."""
        self._lock = threading.Lock()
        self._workers = []
        self._reset()

    def _reset(self) -> None:
        ctypes.memset(self._control, 0, walk.CONTROL_BYTES)
        self._word(walk.SPINS_OFFSET).value = self._spins

    def _grow(self, threads: int) -> None:
        """Workers count themselves as they come: so Ctrl-C in here leaves at worst one more than was wanted."""
        while self.size < threads and not self._stopped:
            size = self.size
            worker = threading.Thread(target=self._work, name=f"chainrule-{size}", daemon=True)
            self._workers.append(worker)
            try:
                worker.start()
            except RuntimeError:  # the system gives no more of them, or the interpreter is on its way out
                return
            deadline = time.monotonic() + 1
            while self.size == size and time.monotonic() < deadline:
                time.sleep(1e-5)

    def _word(self, offset: int) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self._control + offset)


class Launch:
    """A program ready to run, again and again: its descriptor, and the choice of how many threads it runs on.

    The addresses are those of the program's steps, its table, and its scratch memory: `areas` of `stride` bytes each,
    one per thread. What is there must stay there, and the libraries of its kernels must be held.
    """

    def __init__(
        self, pool: Pool, program: int, table: int, scratch: int, stride: int, areas: int = 1, runs: int = 0
    ) -> None:
        """With one area, the program runs on one thread for ever. `runs` are counted on."""
        self._words = (ctypes.c_int64 * len(walk.DESCRIPTOR))(program, table, scratch, stride, 1)
        self._words[_RUNS_WORD] = runs
        self._address = ctypes.c_void_p(ctypes.addressof(self._words))
        self._pool, self._launch = pool, pool.launch
        self._areas = areas
        self.told = 0  # threads, by the last run
        self._choice = Choice(1, pool.window)

    @property
    def threads(self) -> int:
        """How many threads the next run will have."""
        return self._words[_THREADS_WORD]

    @property
    def address(self) -> int:
        """Where the descriptor is."""
        return ctypes.addressof(self._words)

    @property
    def function(self) -> int:
        """Where the code is that runs a descriptor."""
        return self._pool.launch_address

    @property
    def runs(self) -> int:
        """How often the program has run."""
        return self._words[_RUNS_WORD]

    def use(self, table: int) -> None:
        """Runs on another table from now on."""
        self._words[_TABLE_WORD] = table

    def run(self, threads: int) -> None:
        """Runs the program on up to `threads` threads."""
        if threads != self.told:
            self._choice = Choice(self._pool.reserve(min(threads, self._areas)), self._pool.window)
            self._go_on()
            self.told = threads
        self._launch(self._address)
        self._words[_LEFT_WORD] -= 1
        if self._words[_LEFT_WORD] <= 0:
            self.look()

    def look(self) -> None:
        """Chooses how many threads the next runs have, by what the last ones took."""
        words = self._words
        self._pool.reserve(self._choice.threads)  # there are none any more in the child of a fork
        self._choice.record(words[_TICKS_WORD + 1], words[_TICKS_WORD], words[_TICKS_WORD + 2])
        self._go_on()

    def _go_on(self) -> None:
        words = self._words
        words[_TICKS_WORD] = words[_TICKS_WORD + 1] = words[_TICKS_WORD + 2] = 0
        words[_THREADS_WORD] = self._choice.now
        words[_LEFT_WORD] = self._choice.launches


_pools: list[Pool] = []
_making = threading.Lock()


def process_pool() -> Pool:
    """The pool of this process."""
    with _making:
        if not _pools:
            pool = Pool(user_cache())
            atexit.register(pool.stop)
            if sys.platform != "win32":
                os.register_at_fork(after_in_child=pool.forget)
            _pools.append(pool)
        return _pools[0]
