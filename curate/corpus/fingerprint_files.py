"""Fingerprints of a pool in files, and the index of some of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.similarity.fingerprint_rows import FaceRows, describe_all
from curate.similarity.fingerprints import Fingerprints
from curate.similarity.lookup import Described, Index, make_index
from curate.similarity.pieces import join_pieces
from curate.storage.arrays import read_array, write_array
from curate.storage.store import Store

__all__ = ["Files", "read_index", "write_fingerprints"]


def write_fingerprints(scratch: Store, number: int, rows: FaceRows) -> None:
    """Write the faces of a batch, and what an index holds of them."""
    described = describe_all(rows)
    arrays: dict[str, npt.NDArray[Any]] = {
        "prints": rows.data,
        "aspects": rows.aspect,
        "owners": rows.owners,
        "keys": described.keys,
        "signs": described.signs,
        "names": described.names,
    }
    for name, array in arrays.items():
        write_array(scratch, f"{name}-{number}.npy", array)


@dataclass(frozen=True, slots=True)
class Files:
    """The fingerprints that `write_fingerprints` wrote of some batches, one after another."""

    scratch: Store
    batches: tuple[int, ...]

    def read(self, name: str) -> list[npt.NDArray[Any]]:
        return [read_array(self.scratch, f"{name}-{number}.npy") for number in self.batches]

    def owners(self, starts: Sequence[int]) -> npt.NDArray[np.int64]:
        """Return whose each is, among the pictures of all batches, of which those of each batch begin at `starts`."""
        parts = [owners + starts[i] for owners, i in zip(self.read("owners"), self.batches, strict=True)]
        return np.concatenate(parts)

    def all(self) -> tuple[Fingerprints, npt.NDArray[np.uint64]]:
        """Return all of them, and their names."""
        prints, aspects, names = (np.concatenate(self.read(name)) for name in ("prints", "aspects", "names"))
        return Fingerprints.of_bytes(prints, aspects), names


def read_index(files: Files) -> tuple[Index, Callable[[npt.NDArray[np.int64]], Fingerprints]]:
    """Return the index of some batches, and what gives its fingerprints by their rows, read when asked for."""
    described = Described(*(np.concatenate(files.read(name)) for name in Described.__slots__))
    prints, aspects = join_pieces(files.read("prints")), np.concatenate(files.read("aspects"))
    return make_index(described), lambda rows: Fingerprints.of_bytes(prints[rows], aspects[rows])
