"""Drop overexposed images."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.bounds import at_most

__all__ = ["NotOverexposed"]


@dataclass(frozen=True, slots=True)
class NotOverexposed:
    """Keep images unless more than `bright_frac` is white and more than `glare_frac` nearly so.

    A thing on white paper stays: beside the white of the paper there is little that is nearly white.
    Source: ours, measured on photographs brightened until half is white and on things on white (docs/quality.md).

    >>> tones = {"luma_bright_frac": [0.3, 0.3, 0.1, None], "luma_glare_frac": [0.2, 0.01, 0.2, None]}
    >>> NotOverexposed(0.15, 0.05).keep(pa.table(tones)).to_pylist()
    [False, True, True, None]
    """

    bright_frac: float = 0.15
    glare_frac: float = 0.05
    needs: ClassVar[tuple[str, ...]] = ("luma_bright_frac", "luma_glare_frac")

    def __post_init__(self) -> None:
        if not 0 <= self.bright_frac <= 1 or not 0 <= self.glare_frac <= 1:
            raise ValueError(f"bright_frac={self.bright_frac}, glare_frac={self.glare_frac}: give shares, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        few = at_most(table["luma_bright_frac"], self.bright_frac)
        return pc.or_(few, at_most(table["luma_glare_frac"], self.glare_frac))
