"""Groups that pairs make, where some pairs are less sure than others."""

import numpy as np
import numpy.typing as npt

from curate.similarity.components import components, connect

__all__ = ["join_pairs"]


def join_pairs(count: int, pairs: npt.NDArray[np.int64], sure: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return for each of `count` items the smallest of its group, int64[count].

    Sure pairs join what they connect. Two of these groups are then joined by the other pairs between them, if there are
    as many as the smaller group has items: one doubtful pair joins a single item, but does not bridge two groups.

    >>> pairs = np.array([[0, 1], [2, 3], [1, 2], [3, 4]])
    >>> join_pairs(5, pairs, np.array([True, True, False, False])).tolist()
    [0, 0, 2, 2, 2]
    """
    labels = components(count, pairs[sure])
    doubtful = np.unique(np.sort(pairs[~sure], axis=1), axis=0).reshape(-1, 2)
    between = np.sort(labels[doubtful], axis=1)
    between = between[between[:, 0] != between[:, 1]]
    links, times = np.unique(between, axis=0, return_counts=True)
    sizes = np.bincount(labels, minlength=count)
    enough = times >= sizes[links.reshape(-1, 2)].min(axis=1)
    connect(labels, links.reshape(-1, 2)[enough])
    return labels
