import contextlib
import ctypes
import gc
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from chainrule.backends.native import futex, portable_wait, walk
from chainrule.backends.native.jit import Library, compile_object, host_level
from chainrule.backends.native.level import levels_of
from chainrule.backends.native.pool import Pool
from tests.backends.native.children import Script, output, starting
from tests.backends.native.programs import NOWHERE, STRIDE, Program, mixed, mixing

ROOT = Path(__file__).parents[3]
linux = pytest.mark.skipif(sys.platform != "linux", reason="tells what Linux does")


@pytest.fixture(scope="module", params=["platform", "portable"])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    made = Pool(NOWHERE, portable=request.param == "portable")
    yield made
    made.stop()


PRELUDE = """
import os, sys, time
from tests.backends.native.programs import mixing, mixed
from chainrule.backends.native.pool import process_pool
"""


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Starts a program with a cache folder of its own."""
    return starting(PRELUDE, tmp_path)


# Programs


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("code", [walk.BARRIER, walk.CHECKED_BARRIER])
def test_phases_read_what_other_threads_wrote(pool: Pool, threads: int, code: int) -> None:
    program, want = mixing(10, code)
    for _ in range(100):
        program.arrays[1][:] = 0
        program.run(pool, threads)
        np.testing.assert_array_equal(program.arrays[1], want)


def test_thousands_of_launches_follow_each_other(pool: Pool) -> None:
    program, _ = mixing(2)
    for _ in range(2000):
        program.run(pool, 2)
    np.testing.assert_array_equal(program.arrays[1], mixed(4000))


def test_each_launch_may_have_another_number_of_threads(pool: Pool) -> None:
    program, _ = mixing(4)
    order = np.random.default_rng(0).integers(1, 5, 400)
    for threads in order:
        program.run(pool, int(threads))
    np.testing.assert_array_equal(program.arrays[1], mixed(1600))


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_threads_have_their_parts_and_their_scratch(pool: Pool, threads: int) -> None:
    out = np.full((threads, 3), -1, np.int64)
    program = Program([("sign", (1,), walk.ALL)], [out])
    program.run(pool, threads)
    base = program.scratch.ctypes.data
    assert out.tolist() == [[base + k * STRIDE, k, threads] for k in range(threads)]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_step_with_an_owner_runs_on_that_thread_alone(pool: Pool, threads: int) -> None:
    outs = [np.full((threads, 3), -1, np.int64) for _ in range(5)]
    program = Program([("sign", (1 + k,), k) for k in range(5)], outs)
    program.run(pool, threads)
    base = program.scratch.ctypes.data
    for k, out in enumerate(outs):
        assert out[0].tolist() == [base + k % threads * STRIDE, 0, 1]
        assert (out[1:] == -1).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_all_threads_leave_behind_an_error(pool: Pool, threads: int) -> None:
    x, y = np.zeros(1003, np.int64), np.zeros(1003, np.int64)
    fails = ("fail", (), walk.ALL)
    program = Program([fails, walk.BARRIER, ("mix", (1, 2), walk.ALL), 2, ("mix", (2, 1), walk.ALL), 1], [x, y])
    for _ in range(100):
        x[:] = y[:] = 0
        program.error[0] = 0
        program.run(pool, threads)
        assert program.error[0] == 7
        assert (y == 1).all()  # before the check
        assert (x == 0).all()  # behind it


@pytest.mark.parametrize("threads", [2, 3])
def test_an_error_behind_a_check_parts_no_threads(pool: Pool, threads: int) -> None:
    program = Program([walk.CHECKED_BARRIER, ("fail", (), walk.ALL), walk.BARRIER, walk.BARRIER], [])
    for _ in range(1000):
        program.error[0] = 0
        program.run(pool, threads)
        assert program.error[0] == 7


def test_two_python_threads_may_launch_at_once(pool: Pool) -> None:
    programs = [mixing(2)[0] for _ in range(3)]

    def launches(program: Program) -> None:
        for _ in range(500):
            program.run(pool, 2)

    threads = [threading.Thread(target=launches, args=(program,)) for program in programs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for program in programs:
        np.testing.assert_array_equal(program.arrays[1], mixed(1000))


@pytest.mark.skipif(not llvm.get_process_triple().startswith("x86_64"), reason="sets a register of x86-64")
def test_kernels_run_with_denormals_whatever_the_caller_has_set(pool: Pool) -> None:
    out = np.full(3, np.finfo(np.float32).tiny, np.float32)
    program = Program([("mode", (1,), walk.ALL)], [out])
    with flushing():
        ours = Pool(NOWHERE)  # its worker begins as its maker is
        program.run(ours, 2)
        ours.stop()
        assert np.finfo(np.float32).tiny * np.float32(0.5) == 0  # what the caller has set is still set
    assert (out[1:] > 0).all()


@contextlib.contextmanager
def flushing() -> Iterator[None]:
    """Denormals are zero meanwhile, as some libraries set it for the thread that loads them."""
    level = host_level()
    text = f"""target triple = "{level.triple}"
    declare void @llvm.x86.sse.ldmxcsr(ptr)
    define void @set(i32 %mode) {{
      %place = alloca i32
      store i32 %mode, ptr %place
      call void @llvm.x86.sse.ldmxcsr(ptr %place)
      ret void
    }}"""
    library = Library(compile_object(text, level))
    set_mode = ctypes.CFUNCTYPE(None, ctypes.c_int32)(library.address("set"))
    set_mode(0x9FC0)
    try:
        yield
    finally:
        set_mode(0x1F80)


# A program's own launches


def test_a_launch_repeats_its_program(pool: Pool) -> None:
    program, _ = mixing(2)
    launch = program.launch(pool, areas=4)
    for k in range(3000):
        launch.run(1 + k // 100 % 4)
    np.testing.assert_array_equal(program.arrays[1], mixed(6000))


def test_a_launch_has_no_more_threads_than_scratch_areas(pool: Pool) -> None:
    out = np.full((4, 3), -1, np.int64)
    program = Program([("sign", (1,), walk.ALL)], [out])
    launch = program.launch(pool, areas=1)
    launch.run(4)
    assert launch.threads == 1
    assert (out[1:] == -1).all()


@linux
def test_launches_leak_nothing(pool: Pool) -> None:
    program, _ = mixing(2)
    launch = program.launch(pool, areas=2)

    def launches(count: int) -> int:
        for _ in range(count):
            launch.run(2)
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    before = launches(2000)
    assert launches(10_000) - before < 1 << 20


# Threads that come and go


def test_a_pool_grows_when_asked_and_never_shrinks() -> None:
    pool = Pool(NOWHERE)
    assert pool.size == 1
    assert (pool.reserve(3), pool.reserve(2), pool.size) == (3, 2, 3)
    pool.stop()


def test_a_stopped_pool_runs_programs_alone() -> None:
    pool = Pool(NOWHERE)
    program, _ = mixing(2)
    program.run(pool, 3)
    workers = [thread for thread in threading.enumerate() if thread.name in ("chainrule-1", "chainrule-2")]
    pool.stop()
    assert len(workers) >= 2
    program.run(pool, 3)
    np.testing.assert_array_equal(program.arrays[1], mixed(4))


def test_a_pool_makes_do_with_the_threads_it_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = Pool(NOWHERE)
    pool.reserve(2)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    program, _ = mixing(2)
    program.run(pool, 4)
    assert pool.size == 2
    np.testing.assert_array_equal(program.arrays[1], mixed(2))
    pool.stop()


def test_ctrl_c_while_a_worker_starts_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(NOWHERE)
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                pool.reserve(4)
    program, _ = mixing(2)
    for _ in range(300):
        program.run(pool, 3)
    np.testing.assert_array_equal(program.arrays[1], mixed(600))
    pool.stop()


@linux
def test_the_interpreter_exits_while_workers_spin_and_while_they_sleep(script: Script) -> None:
    """Twenty-four children, each of which makes its own pool and ends the way that every program ends."""
    child = script(
        """
from tests.backends.native.programs import kernels
kernels()
for k in range(24):
    child = os.fork()
    if not child:
        pool = process_pool()
        program, want = mixing(2)
        program.run(pool, 3)
        if k % 2:
            time.sleep(0.003)
        assert (program.arrays[1] == want).all()
        break
    assert os.waitpid(child, 0)[1] == 0, k
else:
    print("all")
"""
    )
    assert output(child) == (0, "all\n", "")


@linux
def test_a_daemon_thread_may_launch_until_the_end(script: Script) -> None:
    child = script(
        """
import threading
pool = process_pool()
def launches():
    program, _ = mixing(2)
    while True:
        program.run(pool, 2)
for _ in range(2):
    threading.Thread(target=launches, daemon=True).start()
time.sleep(0.1)
print("end")
"""
    )
    assert output(child) == (0, "end\n", "")


@linux
def test_a_child_of_a_fork_has_workers_of_its_own(script: Script) -> None:
    child = script(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
pool = process_pool()
program, _ = mixing(2)
launch = program.launch(pool, 2)
program.run(pool, 3)
launch.run(2)
for k in range(5):
    child = os.fork()
    if not child:
        assert pool.size == 1
        for _ in range(50):
            launch.run(2)
        assert pool.size == 2
        for _ in range(50):
            program.run(pool, 3)
        assert (program.arrays[1] == mixed(2 * 102)).all()
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0, k
program.run(pool, 3)
assert (program.arrays[1] == mixed(2 * 3)).all()
print("all")
"""
    )
    assert output(child) == (0, "all\n", "")


@linux
def test_ctrl_c_arrives_between_launches(script: Script) -> None:
    child = script(
        """
pool = process_pool()
program, want = mixing(2_000)
try:
    print("ready", flush=True)
    while True:
        program.run(pool, 2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
program.arrays[1][:] = 0
program.run(pool, 2)
assert (program.arrays[1] == want).all()
print("runs on")
"""
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGINT)
    assert output(child) == (0, "interrupted\nruns on\n", "")


# Other processors


def test_the_code_compiles_for_other_processors() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for triple in ("aarch64-unknown-linux-gnu", "arm64-apple-darwin", "x86_64-pc-windows-msvc"):
        level = levels_of(triple, {}, "generic")[0]
        waiting = futex.definitions(triple) if futex.runs_on(triple) else portable_wait.definitions()
        assert compile_object(walk.text(level, waiting), level)
