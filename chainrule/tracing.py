"""One trace of a function: what stands for its arguments, and what came out of it."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.call_key import PLAIN
from chainrule.ir import state
from chainrule.ir.errors import GradientError, InPlaceError
from chainrule.ir.trace import Ended, Trace, leaked, make_input
from chainrule.ir.tree import Structure, flatten, unflatten
from chainrule.ir.types import Array, Type, dtype_of, float64
from chainrule.ir.value import Leaf, Node, Value
from chainrule.program import Program, Target
from chainrule.staleness import Observations
from chainrule.tensor import NOT_KEPT, Buffer, Parameter, Tensor


def no_longer(g: Any, results: Any, inputs: Any) -> Any:
    """The derivative of a checkpoint inside a program, once the trace is over."""
    raise GradientError(
        "second derivatives through a compiled function that uses checkpoint cannot be taken outside it: take them "
        "inside the compiled function, or leave checkpoint out."
    )


class Tracing:
    """One trace of a function; `program` is what came of it."""

    def __init__(self, function: Callable[..., Any], leaves: list[Any], structure: Structure, keep_grads: bool) -> None:
        self.leaves = leaves
        self.keep_grads = keep_grads
        self.trace = Trace()
        self.argument_nodes: dict[Node, int] = {}
        self.argument_leaves: dict[Leaf, int] = {}
        self.stand_ins: dict[int, Tensor] = {}
        self.observations = Observations()
        self.observations.function(function)
        token = state.trace.set(self.trace)
        try:
            arguments = [self._argument(position, leaf) for position, leaf in enumerate(leaves)]
            args, kwargs = unflatten(structure, arguments)
            result = function(*args, **kwargs)
            del args, kwargs, arguments
            self._finish(result)
            del result
        except BaseException:
            self._end()
            raise
        finally:
            state.trace.reset(token)
        self._refuse_leaks()
        self.observations.finish()

    def _argument(self, position: int, leaf: Any) -> Any:
        """What the function gets for one argument."""
        if isinstance(leaf, Parameter | Buffer):
            return leaf
        if isinstance(leaf, Tensor):
            return self._stand_in(position, leaf)
        if isinstance(leaf, np.ndarray):
            array = self._input(position, Type(leaf.shape, dtype_of(leaf.dtype)), np.asarray(leaf))
            self.stand_ins[position] = array
            return array
        if leaf.__class__ is float or isinstance(leaf, np.floating):
            return self._input(position, Type((), float64), np.asarray(leaf, np.float64), weak=True)
        if not isinstance(leaf, PLAIN):
            self.observations.thing(leaf, f"argument {position}", self.observations.always)
        return leaf

    def _stand_in(self, position: int, leaf: Tensor) -> Tensor:
        for earlier, tensor in self.stand_ins.items():
            if self.leaves[earlier] is leaf:
                return tensor
        with state.using(state.trace, None):
            carrier = leaf.read()
        proxy = None
        needs_grad = carrier.needs_grad and state.gradients_enabled.get()
        if needs_grad and carrier.leaf is not None:
            proxy = Leaf()
            proxy.gradient = carrier.leaf.gradient
            self.trace.leaves.add(proxy)
            self.argument_leaves[proxy] = position
        tensor = self._input(position, carrier.type, carrier.array, needs_grad=needs_grad, leaf=proxy)
        tensor._leaf = proxy
        self.stand_ins[position] = tensor
        return tensor

    def _input(self, position: int, type: Type, array: Array, **how: Any) -> Tensor:
        node = make_input(f"argument{position}", type, **how)
        self.argument_nodes[node] = position
        self.trace.given[node] = array
        return Tensor(node)

    def _finish(self, result: Any) -> None:
        """Gathers the program's inputs and outputs."""
        results, structure = flatten(result)
        outputs: list[tuple[Target, Node]] = []
        constants: list[Any] = []
        for position, leaf in enumerate(results):
            captured = isinstance(leaf, Tensor) and leaf._carrier.__class__ is Value
            if captured and id(leaf) not in self.trace.cells:
                constants.append(leaf)  # a tensor from outside, returned as it is
            elif captured and isinstance(leaf, Parameter | Buffer):
                constants.append(leaf)
            elif isinstance(leaf, Tensor):
                outputs.append((Target("result", position), leaf.read()))
                constants.append(None)
            else:
                constants.append(leaf)
        del results, result
        outputs += self._written_arguments() + self._written_cells() + self._gradients()
        self.program = Program(self, outputs, structure, constants)
        for node in self.program.graph.nodes:
            if getattr(node.params.get("derivative"), "bound_to_trace", False):
                node.params = {**node.params, "derivative": no_longer}

    def _written_arguments(self) -> list[tuple[Target, Node]]:
        found = []
        for position, tensor in self.stand_ins.items():
            node = tensor.read()
            if node not in self.argument_nodes:
                if not isinstance(self.leaves[position], Tensor):
                    raise InPlaceError(
                        f"compile: argument {position} is a NumPy array and was written in place. Pass a tensor: "
                        "`chainrule.from_numpy(array)`.",
                        node.origin,
                    )
                found.append((Target("argument", position), node))
        return found

    def _written_cells(self) -> list[tuple[Target, Node]]:
        return [
            (Target("cell", cell.handle), cell.current)
            for cell in self.trace.cells.values()
            if cell.writes and cell.current is not cell.input
        ]

    def _gradients(self) -> list[tuple[Target, Node]]:
        """The gradients that the program leaves; those that it lets go, or sets to None, need no node."""
        found = []
        kept = self.keep_grads or not self.trace.called_optimizer
        self.other_gradients: list[tuple[Any, Any]] = []
        for entry in self.trace.gradients.values():
            leaf = self.argument_leaves.get(entry.leaf, entry.leaf)
            if entry.current is None:
                self.other_gradients.append((leaf, None))
            elif not kept and not entry.was_read:
                self.other_gradients.append((leaf, NOT_KEPT))
            elif entry.current.read() is not entry.entry:
                found.append((Target("gradient", leaf), entry.current.read()))
            entry.current = None
        return found

    def _end(self) -> None:
        """Takes their nodes from the handles that the trace made: they mean nothing any more."""
        for handle in list(self.trace.handles):
            carrier = handle._carrier
            handle._carrier = Ended(carrier.origin if carrier.__class__ is Node else None)

    def _refuse_leaks(self) -> None:
        self.stand_ins = {}
        for leaf in (*self.argument_leaves, *self.trace.inner_leaves):
            leaf.gradient = None
        if not self.trace.handles:
            return
        gc.collect()
        alive = list(self.trace.handles)
        self._end()
        if alive:
            raise leaked(alive[0]._carrier)
