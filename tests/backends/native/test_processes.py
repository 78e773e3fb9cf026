"""Compiled training steps in processes that fork, are interrupted and end, with workers at work."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.backends.native.children import Script, output, starting

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and reads /proc")
ROOT = Path(__file__).parents[3]

PRELUDE = """
import multiprocessing, os, sys, threading, time, warnings
import chainrule as cr
from chainrule.backends.native.pool import process_pool
from tests.backends.native.models import begun
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads
cr.set_executor("native")
cr.set_num_threads(2)
def trained(name, steps):
    training = begun(name)
    training.run(steps)
    return training
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """Starts a program; all share a cache folder."""
    return starting(PRELUDE, tmp_path_factory.mktemp("cache"))


def test_a_child_of_a_fork_goes_on_training_and_compiles(script: Script) -> None:
    """It takes the parent's step on where it was, makes a program of its own, and both end as programs end."""
    child = script(
        """
training = trained("embedding", 3)
expected = trained("embedding", 5).digest()
other = trained("mlp adam", 2).digest()
def work():
    assert process_pool().size == 1
    training.run(2)
    assert trained("mlp adam", 2).digest() == other, "from the cache"
    assert abs(cr.compile(lambda x: (x * 3 + 1).sin().sum())(cr.ones(50_000)).item() + 37840.12) < 1, "new"
    assert process_pool().size == 2
for k in range(2):
    training = trained("embedding", 3)
    rest = [training.batch(j) for j in (3, 4)]
    def run(): return [training.step(*map(cr.tensor, batch)) for batch in rest]
    training.run = lambda steps: run()
    pid = os.fork()
    if not pid:
        work()
        assert training.digest() == expected
        sys.exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    run()
    assert training.digest() == expected, "and so does the parent"
context = multiprocessing.get_context("fork")
processes = [context.Process(target=lambda: trained("mlp adam", 2).digest() == other or os._exit(1)) for _ in range(2)]
for process in processes:
    process.start()
for process in processes:
    process.join(60)
print([process.exitcode for process in processes])
"""
    )
    assert output(child) == (0, "[0, 0]\n", "")


def test_ctrl_c_leaves_cells_whole_and_training_goes_on(script: Script) -> None:
    child = script(
        """
import signal
training = begun("embedding")
batches = [tuple(map(cr.tensor, training.batch(k))) for k in range(3)]
for k in range(4):
    training.step(*batches[k % 3])
steps, came = 4, 0
print("ready", flush=True)
while came < 5:
    try:
        while True:
            training.step(*batches[steps % 3])
            steps += 1
    except KeyboardInterrupt:
        came += 1
        taken = {int(entry["step"]) for entry in training.optimizer.state_dict()["state"].values()}
        assert len(taken) == 1, "all of a step or nothing"
        assert taken <= {steps, steps + 1}, (taken, steps)
        (steps,) = taken
        print("interrupted", flush=True)
signal.signal(signal.SIGINT, signal.SIG_IGN)
found, twin = training.digest(), begun("embedding")
for k in range(steps):
    twin.step(*batches[k % 3])
print(twin.digest() == found)
"""
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    for _ in range(5):
        time.sleep(0.03)  # until it is at it again
        child.send_signal(signal.SIGINT)
        if child.stdout.readline() != "interrupted\n":
            break
    assert output(child) == (0, "True\n", "")


def test_no_worker_outlives_the_interpreter(script: Script) -> None:
    """It ends at once: while another thread trains, be it that its work is done or by sys.exit."""
    for end, code in (("", 0), ("sys.exit(3)", 3)):
        child = script(
            f"""
training, other = trained("mlp adam", 3), begun("mlp sgd")
def on_and_on():
    while True:
        other.run(1)
threading.Thread(target=on_and_on, daemon=True).start()
training.run(20)
assert process_pool().size == 2
print(len(os.listdir("/proc/self/task")) >= 3, flush=True)
{end}
"""
        )
        assert output(child) == (code, "True\n", "")
        assert not Path(f"/proc/{child.pid}").exists()
