"""Groups that pairs make: connected components."""

import numpy as np
import numpy.typing as npt

__all__ = ["components", "connect"]

I64 = npt.NDArray[np.int64]


def components(count: int, pairs: I64) -> I64:
    """Return for each of `count` items the smallest item that pairs connect it with, int64[count].

    >>> components(5, np.array([[3, 1], [4, 3]])).tolist()
    [0, 1, 2, 1, 1]
    """
    labels = np.arange(count)
    connect(labels, pairs)
    return labels


def connect(labels: I64, pairs: I64) -> None:
    """Join the groups that `labels` are, in place, by more pairs; the label of a group is its smallest item.

    The order of pairs does not matter.
    """
    left, right = labels[pairs[:, 0]], labels[pairs[:, 1]]
    while (apart := left != right).any():
        low, high = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
        np.minimum.at(labels, high, low)
        while (shorter := labels[labels] != labels).any():
            labels[shorter] = labels[labels[shorter]]
        left, right = labels[low], labels[high]
