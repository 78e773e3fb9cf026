"""Nothing that a compiled function can see stays stale: wherever it lies, a change of it takes effect."""

from __future__ import annotations

import collections
import dataclasses
import functools
import importlib
import random
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from tests.compiler.twins import Decorate, same_both_ways

X = cr.tensor([1.0, 2.0])


def changing(function: Callable[..., Any], *changes: Callable[[], Any]) -> list[Any]:
    """The results of calls before and after each change, each call twice."""
    found = [function(X), function(X)]
    for change in changes:
        change()
        found += [function(X), function(X)]
    return found


def test_what_a_partial_holds() -> None:
    def run(decorate: Decorate) -> Any:
        settings = {"scale": 2.0}
        step = decorate(functools.partial(lambda s, x: x * s["scale"], settings))
        return changing(step, lambda: settings.update(scale=3.0))

    same_both_ways(run)


def test_attributes_in_slots() -> None:
    @dataclasses.dataclass(slots=True)
    class Settings:
        scale: float

    def run(decorate: Decorate) -> Any:
        settings = Settings(2.0)
        captured = changing(decorate(lambda x: x * settings.scale), lambda: setattr(settings, "scale", 3.0))
        passed = decorate(lambda x, s: x * s.scale)
        return [*captured, *changing(lambda x: passed(x, settings), lambda: setattr(settings, "scale", 4.0))]

    same_both_ways(run)


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: collections.deque([2, 3]), lambda q: q.appendleft(5)),
        (lambda: bytearray([2, 3]), lambda b: b.__setitem__(0, 5)),
        (lambda: np.array([2, 3]), lambda a: a.__setitem__(0, 5)),
        (lambda: collections.OrderedDict({0: 2}), lambda d: d.__setitem__(0, 5)),
        (lambda: types.MappingProxyType({0: [2]})[0], lambda held: held.__setitem__(0, 5)),
    ],
    ids=["deque", "bytearray", "array", "OrderedDict", "in a proxy"],
)
def test_contents_of_containers(make: Callable[[], Any], change: Callable[[Any], None]) -> None:
    def run(decorate: Decorate) -> Any:
        box = make()
        return changing(decorate(lambda x: x * int(box[0])), lambda: change(box))

    same_both_ways(run)


def test_class_attributes_methods_and_properties() -> None:
    outer = {"shift": 1.0}

    def run(decorate: Decorate) -> Any:
        class Model:
            table: ClassVar[Any] = {"scale": 2.0}
            weight = cr.ones(2)

            @property
            def shift(self) -> float:
                return outer["shift"]

            def scaled(self, x: Any) -> Any:
                return x * self.table["scale"] * self.weight + self.shift + getattr(self, "more", 0.0)

            def __call__(self, x: Any) -> Any:
                return self.scaled(x)

        outer["shift"] = 1.0
        return changing(
            decorate(Model()),
            lambda: Model.table.update(scale=3.0),
            lambda: setattr(Model, "table", {"scale": 4.0}),
            lambda: setattr(Model, "weight", cr.ones(2) * 5),
            lambda: outer.update(shift=6.0),
            lambda: setattr(Model, "more", 7.0),
            lambda: setattr(Model, "scaled", lambda self, x: x * 8),
        )

    same_both_ways(run)


def test_attributes_of_functions() -> None:
    def run(decorate: Decorate) -> Any:
        def scaled(x: Any) -> Any:
            return x * scaled.factor  # type: ignore[attr-defined]

        scaled.factor = 2.0  # type: ignore[attr-defined]
        return changing(decorate(scaled), lambda: setattr(scaled, "factor", 3.0))

    same_both_ways(run)


SOURCE = """
def first(x):
    return x * settings.a
def both(x):
    return first(x) * settings.b * package.inner.c
def imports(x):
    from made_up_settings import a
    import made_up_package.inner
    return x * a * made_up_package.inner.c
def missing(x):
    try:
        return x * LATER
    except NameError:
        return x
"""


@pytest.mark.parametrize("name", ["both", "imports", "missing"])
def test_globals_of_modules_of_the_user(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(decorate: Decorate) -> Any:
        settings: Any = types.ModuleType("made_up_settings")
        package: Any = types.ModuleType("made_up_package")
        package.inner = types.ModuleType("made_up_package.inner")
        settings.a, settings.b, package.inner.c = 2.0, 3.0, 5.0
        for module in (settings, package, package.inner):
            monkeypatch.setitem(sys.modules, module.__name__, module)
        scope: dict[str, Any] = {"settings": settings, "package": package, "__name__": "made_up"}
        exec(SOURCE, scope)
        return changing(
            decorate(scope[name]),
            lambda: setattr(settings, "b", 7.0),
            lambda: setattr(settings, "a", 11.0),
            lambda: setattr(package.inner, "c", 13.0),
            lambda: scope.update(LATER=17.0),
        )

    same_both_ways(run)


def test_a_counter_in_a_module_counts() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Any) -> Any:
            self.calls += 1
            return x * self.calls

    def run(decorate: Decorate) -> Any:
        model = Counting()
        return [changing(decorate(model)), model.calls]

    same_both_ways(run)


def test_a_counter_in_an_optimiser_counts() -> None:
    class Counting(optim.Optimizer):
        def __init__(self, params: Any) -> None:
            super().__init__(params, {"lr": 0.1})
            self.calls = 0

        def step(self, closure: Any = None) -> None:
            self.calls += 1
            with cr.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.sub_(p.grad * self.param_groups[0]["lr"] / (1 - 0.9**self.calls))

    def run(decorate: Decorate) -> Any:
        w = cr.ones(2, requires_grad=True)
        optimizer = Counting([w])

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (w * w * x).sum()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return [changing(decorate(step)), w, optimizer.calls]

    same_both_ways(run)


@pytest.mark.parametrize(
    "draw",
    [
        random.random,
        lambda: random.uniform(0, 1),
        lambda: float(np.random.rand()),  # noqa: NPY002 (users draw so)
        lambda: next(ITERATOR),
    ],
    ids=["random", "from random", "numpy", "iterator"],
)
def test_numbers_that_python_draws_are_drawn_at_every_call(draw: Callable[[], float]) -> None:
    def run(decorate: Decorate) -> Any:
        global ITERATOR
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        ITERATOR = iter([0.1, 0.2, 0.3, 0.4])
        return changing(decorate(lambda x: x * draw()))

    same_both_ways(run)


ITERATOR = iter([0.1])


def test_a_numpy_generator_draws_at_every_call() -> None:
    def run(decorate: Decorate) -> Any:
        generator = np.random.default_rng(0)
        return changing(decorate(lambda x: x * generator.random()))

    same_both_ways(run)


@pytest.mark.parametrize(
    "use",
    [cr.tensor, cr.from_numpy, lambda a: a * 2, lambda a: float(a[0])],
    ids=["tensor", "from_numpy", "NumPy", "element"],
)
def test_an_array_that_the_function_works_on(use: Callable[[Any], Any]) -> None:
    def run(decorate: Decorate) -> Any:
        mask = np.array([2, 3], np.float32)
        return changing(decorate(lambda x: x * use(mask)), lambda: mask.fill(5))

    same_both_ways(run)


def test_a_converted_array_is_read_at_every_call_without_a_new_trace() -> None:
    mask = np.array([2, 3], np.float32)
    step = cr.compile(lambda x: x * cr.tensor(mask))
    changing(step, lambda: mask.fill(5))
    assert step.traces == 1
    copied = cr.compile(lambda: cr.tensor(mask).view(2, 1))()
    mask.fill(0)
    assert copied.tolist() == [[5], [5]]


def test_shape_and_requires_grad_of_a_tensor_that_is_not_read_otherwise() -> None:
    def run(decorate: Decorate) -> Any:
        w = nn.Parameter(cr.ones(2))
        return changing(
            decorate(lambda x: x * w.shape[0] * (2 if w.requires_grad else 3)),
            lambda: setattr(w, "data", cr.ones(5)),
            lambda: w.requires_grad_(False),
        )

    same_both_ways(run)


def test_what_only_other_methods_use_makes_no_new_trace() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.model = nn.Linear(2, 2)
            self.losses: list[float] = []
            self.calls = 0
            self.scale = 2.0

        @cr.compile
        def step(self, x: Any) -> Any:
            return (self.model(x) * self.scale).sum()

        def fit(self) -> None:
            for _ in range(5):
                self.losses.append(self.step(X).item())
                self.calls += 1

    trainer = Trainer()
    trainer.fit()
    assert trainer.step.traces == 1
    trainer.scale = 3.0
    trainer.fit()
    assert trainer.step.traces == 2
    assert trainer.losses[5] == pytest.approx(trainer.losses[0] * 1.5)


def test_libraries_are_not_walked_but_the_functions_own_package_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "site-packages"
    place.mkdir()
    (place / "made_up_library.py").write_text("FACTOR = 2.0\ndef scaled(x):\n    return x * FACTOR\n")
    monkeypatch.syspath_prepend(str(place))
    sys.modules.pop("made_up_library", None)
    library = importlib.import_module("made_up_library")
    monkeypatch.setitem(sys.modules, "made_up_library", library)
    outer, own = cr.compile(lambda x: library.scaled(x)), cr.compile(library.scaled)
    changing(own, lambda: setattr(library, "FACTOR", 3.0))
    assert own.traces == 2
    assert own(X).tolist() == [3, 6]
    assert outer(X).tolist() == [3, 6]


class Hostile:
    """Answers every question with an error."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


def test_objects_that_do_not_want_to_be_looked_at_are_left_alone() -> None:
    hostile = Hostile()
    assert cr.compile(lambda x: (hostile, x * 2)[1])(X).tolist() == [2, 4]


def test_a_deep_nest_can_be_looked_at() -> None:
    nest: Any = [3.0]
    for _ in range(3000):
        nest = [nest]
    assert cr.compile(lambda x: x * len(nest))(X).tolist() == [1, 2]


def test_an_iterator_of_settings_is_a_known_limit() -> None:
    """A generator does not say how far it is; docs/decisions/0003 names it."""

    def numbers() -> Any:
        yield 1.0
        yield 2.0

    source = numbers()
    step = cr.compile(lambda x: x * next(source))
    assert step(X).tolist() == step(X).tolist() == [1, 2]
