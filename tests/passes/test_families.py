"""The families of primitives, held against their references."""

import numpy as np

from chainrule.ir.primitive import REGISTRY
from chainrule.ir.quiet import quietly
from chainrule.passes.families import is_elementwise, is_rearranging


def test_elementwise_primitives_compute_each_element_from_its_own_place() -> None:
    rng, found = np.random.default_rng(0), set()
    for primitive in filter(is_elementwise, list(REGISTRY.values())):
        assert primitive.samples is not None
        for arrays, params in primitive.samples(rng):
            order = rng.permutation(arrays[0].size)
            plain = quietly(primitive.reference, *[array.reshape(-1) for array in arrays], **params)
            moved = quietly(primitive.reference, *[array.reshape(-1)[order] for array in arrays], **params)
            np.testing.assert_array_equal(np.asarray(plain)[order], moved, err_msg=primitive.name)
            found.add(primitive.name)
    assert {"add", "eq", "where", "cast", "gelu", "erf", "clamp"} <= found


def test_rearranging_primitives_only_move_elements() -> None:
    found = {primitive.name for primitive in REGISTRY.values() if is_rearranging(primitive)}
    assert found == {"broadcast_to", "reshape", "permute", "slice", "flip"}
    assert not any(REGISTRY[name].computes for name in found)
