"""Drop what is in evaluation sets or earlier datasets."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NotInReference"]


@dataclass(frozen=True, slots=True)
class NotInReference:
    """Keep samples whose image is in no reference.

    Source: mOSCAR drops images that are in an evaluation set (Futeral et al. 2024, arXiv 2406.08707).

    >>> NotInReference().keep(pa.table({"reference_hits": [0, 2, None]})).to_pylist()
    [True, False, None]
    """

    needs: ClassVar[tuple[str, ...]] = ("reference_hits",)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.equal(table["reference_hits"], 0)
