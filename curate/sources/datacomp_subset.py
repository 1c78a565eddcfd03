"""Read and write DataComp's subset files: the 128-bit uids of chosen samples, sorted, as pairs of u8.

The file is an `.npy` of dtype `u8,u8` with one dimension, or the same pairs without a header: a uid of 32 hex digits is
its first 16 and its last 16 as numbers, and rows are in the order of the digits. Source: the README, `resharder.py`
and `baselines/apply_filter.py` of mlfoundations/datacomp (Gadre et al. 2023, arXiv 2304.14108).
"""

import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from curate.errors import PlanError

__all__ = ["PAIR", "check_sorted", "contains", "metadata_uid", "open_subset", "subset_bytes", "uid_pairs"]

PAIR: Final = np.dtype("u8,u8")
"""One uid: its first 16 hex digits and its last 16, in native byte order as numpy's own `u8,u8`."""

UID: Final = re.compile(r"[0-9a-fA-F]{32}")
BLOCK_ROWS: Final = 1 << 20  # rows that are compared at once: 16 MiB


def metadata_uid(metadata: str | None) -> str | None:
    """Return the `uid` in a sample's JSON metadata in lower case; null unless it is text of 32 hex digits.

    >>> metadata_uid('{"uid": "00000000000000010000000000000002"}')
    '00000000000000010000000000000002'
    >>> metadata_uid('{"uid": 7}')
    """
    try:
        document = json.loads(metadata or "null")
    except (ValueError, RecursionError):
        return None
    uid = document.get("uid") if isinstance(document, dict) else None
    return uid.lower() if isinstance(uid, str) and UID.fullmatch(uid) else None


def uid_pairs(uids: Iterable[str]) -> npt.NDArray[Any]:
    """Return uids of 32 hex digits as PAIR[n], in their order.

    >>> uid_pairs(["000000000000000a0000000000000002"]).tolist()
    [(10, 2)]
    """
    return np.array([(int(uid[:16], 16), int(uid[16:], 16)) for uid in uids], PAIR)


def open_subset(path: Path) -> npt.NDArray[Any]:
    """Map a subset file into memory as PAIR[n], read-only: nothing is read before it is asked for.

    Raises PlanError that says what else the file is.
    """
    try:
        with path.open("rb") as stream:
            has_header = stream.read(6) == b"\x93NUMPY"
        subset: npt.NDArray[Any]
        if has_header:
            subset = np.load(path, mmap_mode="r", allow_pickle=False)
        else:
            empty = path.stat().st_size == 0
            subset = np.empty(0, PAIR) if empty else np.memmap(path, PAIR, "r")
    except (OSError, ValueError) as error:
        raise PlanError(f"{path} is not a DataComp subset file, which is an .npy of dtype u8,u8: {error}") from error
    if subset.dtype != PAIR or subset.ndim != 1:
        raise PlanError(
            f"{path} holds {subset.dtype} in {subset.ndim} dimensions; a DataComp subset file holds u8,u8 in one"
        )
    return subset


def check_sorted(subset: npt.NDArray[Any], name: str) -> None:
    """Raise PlanError unless the rows are in order, equal ones allowed; reads all of them, a block at a time."""
    for start in range(0, len(subset), BLOCK_ROWS):
        block = np.asarray(subset[start : start + BLOCK_ROWS + 1])
        high, low = block["f0"], block["f1"]
        falls = (high[1:] < high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] < low[:-1]))
        if falls.any():
            row = start + int(np.argmax(falls)) + 1
            raise PlanError(
                f"{name} is not sorted: row {row} is below the one before it; sort it with numpy: "
                "a = numpy.load(FILE); a.sort(); numpy.save(FILE, a)"
            )


def contains(subset: npt.NDArray[Any], pairs: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return bool[n]: which of PAIR[n] are in a sorted subset, by binary search in the mapped file."""
    found = np.searchsorted(subset, pairs)
    inside = found < len(subset)
    found_pairs = np.zeros(len(pairs), PAIR)
    found_pairs[inside] = subset[found[inside]]
    same: npt.NDArray[np.bool_] = inside & (found_pairs == pairs)
    return same


def subset_bytes(pairs: npt.NDArray[Any]) -> bytes:
    """Return the subset file of PAIR[n], each uid once, sorted."""
    stream = io.BytesIO()
    np.save(stream, np.unique(pairs), allow_pickle=False)
    return stream.getvalue()
