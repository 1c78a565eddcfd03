"""Drop images with nothing on them."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["NotBlank"]


@dataclass(frozen=True, slots=True)
class NotBlank:
    """Keep images of which at least one of red, green and blue deviates by `minimum` levels.

    Source: ours; a pale drawing on a thousandth of a white page deviates by 5 or more. docs/quality.md has what it
    finds.

    >>> NotBlank(4.0).keep(pa.table({"rgb_std_max": [4.0, 3.9, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 4.0
    needs: ClassVar[tuple[str, ...]] = ("rgb_std_max",)

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 128:
            raise ValueError(f"minimum={self.minimum}: give levels, 0 to 128")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table["rgb_std_max"], self.minimum)
