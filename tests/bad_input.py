"""Input that is refused wherever it is given: what more than one lesson's tests try."""

import numpy as np
import pytest
import torch
from scipy import sparse

# Each is no table of samples, one in each row, and what it is refused with.
TABLES = [
    ([[0.0, np.nan]] * 9, ValueError),
    ([[0.0, np.inf]] * 9, ValueError),
    ([[0.0, 1e305]] * 9, ValueError),
    ([0.0, 1.0, 2.0], ValueError),
    (np.zeros((2, 3, 4)), ValueError),
    (np.zeros((0, 3)), ValueError),
    (np.zeros((9, 0)), ValueError),
    (np.zeros((1, 3)), ValueError),
    ([["a", "b"]] * 9, TypeError),
    ([[0.0, 1.0], [2.0]], TypeError),
    (np.zeros((9, 3), complex), TypeError),
    (None, TypeError),
    (sparse.csr_array(np.eye(9)), TypeError),
    (torch.zeros(9, 3, requires_grad=True), TypeError),
]


def assert_wrong_words_are_refused(call, length: int, q: int) -> None:
    """See a code refuse words of another length, symbols outside its field of `q`, and what is no integer."""
    for bad in (
        np.zeros((2, length + 1), dtype=int),
        np.zeros(length - 1, dtype=int),
        np.int64(1),
    ):
        with pytest.raises(ValueError, match=f"must have rows of length {length}"):
            call(bad)
    for symbol in (-1, q):
        with pytest.raises(ValueError, match=f"must hold integers from 0 to {q - 1}"):
            call(np.full((2, length), symbol))
    for bad in (np.zeros(length), np.full(length, np.nan), ["a"] * length):
        with pytest.raises(TypeError, match="must hold integers"):
            call(bad)
