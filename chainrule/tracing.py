"""One trace of a function: what stands for its arguments, and what came out of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection
from typing import Any
from weakref import ref

import numpy as np

from chainrule.call_key import is_computed, is_float
from chainrule.checks import SCALARS
from chainrule.executor import without_collections
from chainrule.ir import state
from chainrule.ir.errors import ArgumentError, GradientError, InPlaceError, LeakedTensorError
from chainrule.ir.trace import Ended, Trace, leaked, make_input
from chainrule.ir.tree import Structure, flatten, unflatten
from chainrule.ir.types import Array, Type, dtype_of, float64
from chainrule.ir.value import Leaf, Node, Value
from chainrule.program import Program, Target, behind
from chainrule.results import Recipes
from chainrule.settings_while_tracing import explained, refuse_traced_parameters
from chainrule.staleness import Observations
from chainrule.tensor import NOT_KEPT, Buffer, Parameter, Tensor
from chainrule.views import root_of


def no_longer(g: Any, results: Any, inputs: Any) -> Any:
    """The derivative of a checkpoint inside a program, once the trace is over."""
    raise GradientError(
        "second derivatives through a compiled function that uses checkpoint cannot be taken outside it: take them "
        "inside the compiled function, or leave checkpoint out."
    )


class Overlap(Exception):
    """Arguments share elements with each other or with what the function captured, and it writes to them."""

    def __init__(self, positions: set[int]) -> None:
        self.positions = positions


@without_collections
def traced(function: Callable[..., Any], leaves: list[Any], structure: Structure, keep_grads: bool) -> Program:
    """The program that a function is for these arguments."""
    try:
        return Tracing(function, leaves, structure, keep_grads).program
    except Overlap as found:  # then the program is for these very tensors
        return Tracing(function, leaves, structure, keep_grads, found.positions).program


class Tracing:
    """One trace of a function; `program` is what came of it."""

    def __init__(
        self,
        function: Callable[..., Any],
        leaves: list[Any],
        structure: Structure,
        keep_grads: bool,
        by_handle: Collection[int] = (),
    ) -> None:
        self.leaves = leaves
        self.keep_grads = keep_grads
        self.bound = {position: leaves[position] for position in by_handle}
        self.trace = Trace()
        self.argument_nodes: dict[Node, int] = {}
        self.argument_leaves: dict[Leaf, int] = {}
        self.stand_ins: dict[int, Tensor] = {}
        self.observations = Observations()
        self.observations.observe(function, "function")
        token = state.trace.set(self.trace)
        try:
            arguments = [self._argument(position, leaf) for position, leaf in enumerate(leaves)]
            args, kwargs = unflatten(structure, arguments)
            results, result_structure = flatten(self._called(function, args, kwargs))
            del args, kwargs, arguments
            self._finish(results, result_structure)
        except BaseException:
            self._end()
            raise
        finally:
            state.trace.reset(token)
        self._refuse_leaks()
        self.observations.finish(self.trace.foreign)

    @staticmethod
    def _called(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        before = [(variable, variable.get()) for variable in state.SETTINGS]
        try:
            result = function(*args, **kwargs)
        except Exception as error:
            clearer = explained(error)
            if clearer is error:
                raise
            raise clearer from error
        finally:
            left = [(variable, value) for variable, value in before if variable.get() is not value]
            for variable, value in left:
                variable.set(value)
        if left:
            raise ArgumentError(
                f"compile: the function changed {left[0][0].name} and left it so, which would happen in its first call "
                "only. Use a `with` block (`with chainrule.no_grad(): ...`), or change it outside."
            )
        return result

    # Arguments

    def _argument(self, position: int, leaf: Any) -> Any:
        """What the function gets for one argument."""
        if isinstance(leaf, Parameter | Buffer) or position in self.bound:
            return leaf
        if isinstance(leaf, Tensor):
            return self._stand_in(position, leaf)
        if isinstance(leaf, np.ndarray):
            array = self._input(position, Type(leaf.shape, dtype_of(leaf.dtype)), np.asarray(leaf))
            self.stand_ins[position] = array
            return array
        if is_float(leaf):
            return self._input(position, Type((), float64), np.asarray(leaf, np.float64), weak=True)
        if not isinstance(leaf, SCALARS):
            self.observations.observe(leaf, f"argument {position}")
        return leaf

    def _stand_in(self, position: int, leaf: Tensor) -> Tensor:
        for earlier, tensor in self.stand_ins.items():
            if self.leaves[earlier] is leaf:
                return tensor
        carrier = leaf.read_outside()
        proxy = None
        needs_grad = carrier.needs_grad and state.gradients_enabled.get()
        if needs_grad and carrier.leaf is not None and not is_computed(carrier):
            proxy = Leaf()
            proxy.gradient, proxy.hooks = carrier.leaf.gradient, carrier.leaf.hooks
            self.trace.leaves.add(proxy)
            self.argument_leaves[proxy] = position
        tensor = self._input(position, carrier.type, carrier.array, needs_grad=needs_grad, leaf=proxy)
        if is_computed(carrier):
            self.trace.computed[tensor._carrier] = f"argument {position}"
        tensor._leaf = proxy
        self.stand_ins[position] = tensor
        return tensor

    def _input(self, position: int, type: Type, array: Array, **how: Any) -> Tensor:
        node = make_input(f"argument{position}", type, **how)
        self.argument_nodes[node] = position
        self.trace.given[node] = array
        return Tensor(node)

    # What came out

    def _finish(self, results: list[Any], structure: Structure) -> None:
        """Gathers the program's inputs and outputs."""
        self._refuse_short_lived(results)
        self._refuse_overlap()
        self._refuse_new_leaves()
        outputs = self._written_arguments() + self._written_cells()
        kept = {id(entry.current): entry.leaf for entry in self.trace.gradients.values() if self._is_kept(entry)}
        leaf_of = {key: self.argument_leaves.get(leaf, leaf) for key, leaf in kept.items()}

        def output(node: Node) -> int:
            outputs.append((Target("result", None), node))
            return len(outputs) - 1

        positions = {id(t): k for k, t in self.stand_ins.items() if isinstance(self.leaves[k], Tensor)}
        recipes = Recipes(results, positions, leaf_of, output).recipes
        results.clear()
        outputs += self._gradients()
        refuse_traced_parameters(behind([node for _, node in outputs]))
        self.program = Program(self, outputs, structure, recipes)
        for node in self.program.graph.nodes:
            if getattr(node.params.get("derivative"), "bound_to_trace", False):
                node.params = {**node.params, "derivative": no_longer}

    def _refuse_short_lived(self, results: list[Any]) -> None:
        """A cell that the function makes anew in every call would begin with the value that it had in this one."""
        made = self.trace.made
        cells = [cell for cell in self.trace.cells.values() if id(cell.handle) in made]
        for cell in cells:
            cell.handle = ref(cell.handle)
        results[:] = [made.get(id(result), result) if isinstance(result, Tensor) else result for result in results]
        gone = next((cell for cell in cells if cell.handle() is None), None)
        if gone is not None or any(isinstance(result, ref) and result() is None for result in results):
            raise LeakedTensorError(
                "a Parameter, Buffer or layer is made inside a compiled function and is gone when it ends: the next "
                "call would not make it anew. Make it outside, once; or use a plain tensor (for gradients: "
                "`x.detach().clone().requires_grad_()`)."
            )
        for cell in cells:
            cell.handle = cell.handle()
        results[:] = [result() if isinstance(result, ref) else result for result in results]

    def _refuse_overlap(self) -> None:
        """Raises Overlap where a write to one tensor must be seen through another, and they stand apart here."""
        arguments = {k: t for k, t in self.stand_ins.items() if isinstance(self.leaves[k], Tensor)}
        roots = {k: root_of(self.leaves[k]) for k in arguments}
        captured = {id(root_of(cell.handle)) for cell in self.trace.cells.values()}
        touched = {id(root_of(c.handle)) for c in self.trace.cells.values() if c.writes or c.input.needs_grad}
        found = set()
        for k, tensor in arguments.items():
            if id(roots[k]) in (captured if tensor._writes else touched):
                found.add(k)
            others = {other for other in arguments if other != k and roots[other] is roots[k]}
            if tensor._writes and others:
                found |= {k, *others}
        if found:
            raise Overlap(found)

    def _refuse_new_leaves(self) -> None:
        """requires_grad of what the caller holds cannot be changed for good."""
        changed = [
            tensor
            for position, tensor in self.stand_ins.items()
            if isinstance(self.leaves[position], Tensor) and tensor._leaf not in (None, *self.argument_leaves)
        ]
        changed += [
            cell.handle
            for cell in self.trace.cells.values()
            if cell.handle._leaf is not None and cell.current.needs_grad != cell.input.needs_grad and not cell.writes
        ]
        if changed:
            raise GradientError(
                f"requires_grad of a tensor {changed[0].read().type} from outside is changed inside a compiled "
                "function and left so, which would happen in its first call only. Change it outside, set it back "
                "before the function ends, or work on `x.detach().clone().requires_grad_()`."
            )

    def _written_arguments(self) -> list[tuple[Target, Node]]:
        found = []
        for position, tensor in self.stand_ins.items():
            if not tensor._writes:
                continue
            node = tensor.read()
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

    def _is_kept(self, entry: Any) -> bool:
        if not isinstance(entry.current, Tensor):
            return False
        return self.keep_grads or not self.trace.called_optimizer or bool(entry.was_read)

    def _gradients(self) -> list[tuple[Target, Node]]:
        """The gradients that the program leaves; those that it lets go, or sets to None, need no node."""
        found = []
        self.other_gradients: list[tuple[Any, Any]] = []
        for entry in self.trace.gradients.values():
            leaf = self.argument_leaves.get(entry.leaf, entry.leaf)
            if not self._is_kept(entry):
                self.other_gradients.append((leaf, None if entry.current is None else NOT_KEPT))
            elif entry.current._carrier.__class__ is Value:
                self.other_gradients.append((leaf, entry.current))
            elif entry.current is not entry.original:
                found.append((Target("new gradient", leaf), entry.current.read()))
            elif entry.current.read() is not entry.entry:
                found.append((Target("gradient", leaf), entry.current.read()))
            entry.current = entry.original = None
        return found

    # The end

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
