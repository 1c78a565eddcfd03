"""What can be read as samples: chosen rows that lie in parts."""

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import SampleError

__all__ = ["Numbers", "Rows"]

Numbers: TypeAlias = npt.NDArray[np.int64]


class Rows(Protocol):
    """Chosen rows in parts: the source shards of a run, the files of an export. It pickles, and holds nothing open."""

    @property
    def name(self) -> str:
        """What is read, for messages: folder and run."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns, embeddings included."""
        ...

    @property
    def parts(self) -> Sequence[str]:
        """The names of the parts, in order; they decide how parts are shuffled."""
        ...

    @property
    def counts(self) -> Numbers:
        """The chosen rows of each part, int64[parts]."""
        ...

    def table(self, part: int, numbers: Numbers | None, columns: Sequence[str]) -> pa.Table:
        """Return columns of the chosen rows of a part; of those with `numbers` (from 0, any order), if given."""
        ...

    def images(self, part: int, numbers: Numbers) -> Iterator[bytes | SampleError]:
        """Yield the encoded images of chosen rows by reading their ranges; `numbers` ascend."""
        ...

    def find(self, uid: str) -> tuple[int, int]:
        """Return part and number of a chosen row; raises KeyError."""
        ...
