"""Drop images with many faces."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_most

__all__ = ["MaxFaces"]


@dataclass(frozen=True, slots=True)
class MaxFaces:
    """Keep images with at most `maximum` faces, as `MainFace` counts them among detections.

    Source: ours; mOSCAR (Futeral et al. 2024, arXiv 2406.08707) ships boxes and leaves the decision to the user.

    >>> MaxFaces(0).keep(pa.table({"face_count": [0, 1, None]})).to_pylist()
    [True, False, None]
    """

    maximum: int = 0
    needs: ClassVar[tuple[str, ...]] = ("face_count",)

    def __post_init__(self) -> None:
        if not self.maximum >= 0:
            raise ValueError(f"maximum={self.maximum}: give a count, 0 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_most(table["face_count"], self.maximum)
