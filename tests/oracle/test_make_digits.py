import subprocess
import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "chainrule" / "data" / "digits" / "digits.npz"


def test_digits_are_scikit_learns_in_its_order() -> None:
    source = load_digits()
    with np.load(SHIPPED) as arrays:
        np.testing.assert_array_equal(arrays["images"], source.data)
        np.testing.assert_array_equal(arrays["labels"], source.target)


def test_making_digits_again_gives_the_same_bytes(tmp_path: Path) -> None:
    again = tmp_path / "digits.npz"
    subprocess.run([sys.executable, ROOT / "tools" / "make_digits.py", again], check=True)
    assert again.read_bytes() == SHIPPED.read_bytes()
