"""Write chainrule/data/digits/digits.npz from scikit-learn's copy of the UCI digits, with its fixed split.

Run with scikit-learn at hand: `make oracle`, then `.venv-oracle/bin/python tools/make_digits.py [FILE]`.
The same bytes come out each time: nothing is compressed (zlib's output differs between its versions), and the shuffle
is `RandomState`, whose stream NumPy has frozen.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits

SPLIT_SEED = 0
TRAIN, VALID, TEST = 0, 1, 2
TRAIN_FRACTION, VALID_FRACTION = 0.7, 0.1
SHIPPED = Path(__file__).parents[1] / "chainrule" / "data" / "digits" / "digits.npz"


def stratified_parts(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """TRAIN, VALID or TEST for each row: every class is shuffled on its own and cut at 70 % and 80 %."""
    shuffler = np.random.RandomState(SPLIT_SEED)
    parts = np.full(len(labels), TEST, dtype=np.uint8)
    for digit in range(10):
        rows = shuffler.permutation(np.flatnonzero(labels == digit))
        train_end = round(TRAIN_FRACTION * len(rows))
        valid_end = round((TRAIN_FRACTION + VALID_FRACTION) * len(rows))
        parts[rows[:train_end]] = TRAIN
        parts[rows[train_end:valid_end]] = VALID
    return parts


def write(path: Path) -> None:
    source = load_digits()
    images = source.data.astype(np.uint8)  # (1797, 64)
    labels = source.target.astype(np.uint8)  # (1797,)
    if not np.array_equal(images, source.data):
        raise ValueError("scikit-learn's digits hold values that uint8 does not")
    np.savez(path, images=images, labels=labels, parts=stratified_parts(labels))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else SHIPPED)
