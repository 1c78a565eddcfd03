"""Decision trees: log odds from a few numbers, as gradient boosting fits them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

__all__ = ["Trees", "read_trees"]


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees in one array of nodes: a row goes left while its number is at most the threshold, until it is at a leaf.

    `feature` int64[n] (-1: a leaf), `threshold` float32[n], `left` and `right` int64[n], `value` float32[n] of leaves,
    `roots` int64[t]; `bias` is added to the sum of their values.
    """

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: npt.NDArray[np.float32]
    roots: npt.NDArray[np.int64]
    bias: float

    def __call__(self, numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the log odds of n rows, float32[n], each by itself."""
        rows = np.arange(len(numbers))[:, None]
        at = np.broadcast_to(self.roots, (len(numbers), len(self.roots)))
        while (inner := self.feature[at] >= 0).any():
            low = numbers[rows, np.maximum(self.feature[at], 0)] <= self.threshold[at]
            at = np.where(inner, np.where(low, self.left[at], self.right[at]), at)
        return np.asarray(self.value[at].sum(axis=1) + np.float32(self.bias), np.float32)


def read_trees(path: Path, names: tuple[str, ...]) -> Trees:
    """Read trees as `benchmarks.near_fit` writes them; `names` are what their numbers mean, in order."""
    held = json.loads(path.read_text())
    if tuple(held["names"]) != names:
        raise ValueError(f"{path.name} was fitted on {held['names']}, not {list(names)}: fit it again")
    whole = (np.array(held[name], np.int64) for name in ("feature", "left", "right", "roots"))
    feature, left, right, roots = whole
    threshold, value = (np.array(held[name], np.float32) for name in ("threshold", "value"))
    return Trees(feature, threshold, left, right, value, roots, float(held["bias"]))
