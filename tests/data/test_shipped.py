import numpy as np
import pytest

from chainrule.data.shipped import Digits, load_digits


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits()


def test_digits_are_split_70_10_20(digits: Digits) -> None:
    assert digits.x_train.shape == (1258, 64)
    assert digits.x_valid.shape == (180, 64)
    assert digits.x_test.shape == (359, 64)
    assert digits.y_train.shape == (1258,)
    assert digits.y_valid.shape == (180,)
    assert digits.y_test.shape == (359,)


def test_digits_are_bytes_and_their_labels_int64(digits: Digits) -> None:
    assert {digits.x_train.dtype, digits.x_valid.dtype, digits.x_test.dtype} == {np.dtype(np.uint8)}
    assert {digits.y_train.dtype, digits.y_valid.dtype, digits.y_test.dtype} == {np.dtype(np.int64)}


def test_parts_are_all_of_uci_and_share_no_image(digits: Digits) -> None:
    images = np.concatenate([digits.x_train, digits.x_valid, digits.x_test])
    labels = np.concatenate([digits.y_train, digits.y_valid, digits.y_test])
    # The class counts stand in the description of UCI's optdigits.tes; no image occurs twice in it.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert len(np.unique(images, axis=0)) == 1797
    assert (images.min(), images.max()) == (0, 16)


def test_every_class_is_split_alike(digits: Digits) -> None:
    counts = np.stack([np.bincount(y) for y in (digits.y_train, digits.y_valid, digits.y_test)])  # (part, class)
    ideal = np.outer([0.7, 0.1, 0.2], counts.sum(axis=0))
    assert np.abs(counts - ideal).max() < 1


def test_images_belong_to_their_labels(digits: Digits) -> None:
    """The nearest training image names nearly every test digit; rows out of step with their labels would give 10 %."""
    train, test = digits.x_train.astype(np.int64), digits.x_test.astype(np.int64)
    distances = (test**2).sum(axis=1)[:, None] - 2 * test @ train.T + (train**2).sum(axis=1)  # (359, 1258)
    nearest = digits.y_train[distances.argmin(axis=1)]
    assert (nearest == digits.y_test).mean() > 0.97
