from typing import Any

import numpy as np

from chainrule.autodiff.reverse import reverse
from chainrule.ir.value import Value
from chainrule.ops.control import alias, detach, with_derivative
from chainrule.ops.elementwise import exp, sin
from tests.gradients import variables


def test_results_are_differentiated_by_the_given_rule_alone() -> None:
    (x,) = variables([np.array([1.0, 2.0])])

    def derivative(g: Any, results: Any, inputs: Any) -> list[Any]:
        return [g[0] * results[0] * 10.0 + g[1]]

    first, second = with_derivative([exp(x), sin(x)], [x], derivative)
    np.testing.assert_array_equal(first.array, np.exp(x.array))
    kept = reverse([first], [Value(np.ones(2))], [x], create_graph=True)  # none for `second`: zeros
    np.testing.assert_array_equal(kept[x].array, 10 * np.exp(x.array))
    kept = reverse([first, second], [Value(np.ones(2)), Value(np.full(2, 7.0))], [x])
    np.testing.assert_array_equal(kept[x].array, 10 * np.exp(x.array) + 7)


def test_no_gradient_flows_through_detach() -> None:
    (x,) = variables([np.ones(2)])
    assert not detach(x).needs_grad
    y = detach(x) * x
    np.testing.assert_array_equal(reverse([y], [Value(np.full(2, 3.0))], [x])[x].array, [3.0, 3.0])


def test_alias_is_another_carrier_that_the_gradient_flows_through() -> None:
    (x,) = variables([np.ones(2)])
    y = alias(x)
    assert y is not x
    z = y * 3.0
    kept = reverse([z], [Value(np.ones(2))], [x, y])
    np.testing.assert_array_equal(kept[y].array, [3.0, 3.0])
    np.testing.assert_array_equal(kept[x].array, [3.0, 3.0])
