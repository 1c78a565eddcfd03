"""Drop blurred images."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from filters.bounds import at_least

__all__ = ["MinSharpness"]


@dataclass(frozen=True, slots=True)
class MinSharpness:
    """Keep images whose `image_blur`, the variance of the Laplacian at 256 px, is at least `minimum`.

    Source: variance of the Laplacian as focus measure (Pech-Pacheco et al. 2000); the 12 is ours (docs/quality.md). A
    smooth picture, such as a plain wall, has as little as a blurred one.

    >>> MinSharpness(12.0).keep(pa.table({"image_blur": [12.0, 11.0, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 12.0
    needs: ClassVar[tuple[str, ...]] = ("image_blur",)

    def __post_init__(self) -> None:
        if not self.minimum >= 0:
            raise ValueError(f"minimum={self.minimum}: give luma levels squared, 0 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return at_least(table["image_blur"], self.minimum)
