"""Drop animations."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["NotAnimated"]


@dataclass(frozen=True, slots=True)
class NotAnimated:
    """Keep still images: those with one frame.

    A caption describes one frame, and experts see the first. Source: our own rule; img2dataset keeps animations.

    >>> NotAnimated().keep(pa.table({"image_frames": [1, 12, None]})).to_pylist()
    [True, False, None]
    """

    needs: ClassVar[tuple[str, ...]] = ("image_frames",)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return pc.equal(table["image_frames"], 1)
