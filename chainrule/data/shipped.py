"""The data sets that come with the package."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
import numpy.typing as npt

# How digits.npz marks the part that a row belongs to.
TRAIN, VALID, TEST = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Digits:
    """Handwritten digits in three parts: x is uint8 (n, 64), 8x8 images by rows, 0 to 16; y is int64 (n,), 0 to 9."""

    x_train: npt.NDArray[np.uint8]  # (1258, 64)
    y_train: npt.NDArray[np.int64]
    x_valid: npt.NDArray[np.uint8]  # (180, 64)
    y_valid: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.uint8]  # (359, 64)
    y_test: npt.NDArray[np.int64]


def load_digits() -> Digits:
    """The 1,797 UCI digits in a fixed split of 70 % / 10 % / 20 %, even over the ten classes.

    Source, citation and licence (CC BY 4.0): chainrule/data/digits/SOURCE.md.

    >>> load_digits().x_train.shape
    (1258, 64)
    """
    with (
        resources.files("chainrule").joinpath("data", "digits", "digits.npz").open("rb") as file,
        np.load(file) as arrays,
    ):
        images, labels, parts = arrays["images"], arrays["labels"].astype(np.int64), arrays["parts"]
    return Digits(
        x_train=images[parts == TRAIN],
        y_train=labels[parts == TRAIN],
        x_valid=images[parts == VALID],
        y_valid=labels[parts == VALID],
        x_test=images[parts == TEST],
        y_test=labels[parts == TEST],
    )
