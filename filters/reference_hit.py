"""Drop samples that are unlike all reference images."""

from dataclasses import dataclass

import pyarrow as pa

__all__ = ["ReferenceHit"]


@dataclass(frozen=True, slots=True)
class ReferenceHit:
    """Keep samples of clusters that a reference image falls into, as `ReferenceClusters` found; `column` is its answer.

    Source: DataComp's image-based filter with ImageNet's training images (Gadre et al. 2023, arXiv 2304.14108).

    >>> ReferenceHit().keep(pa.table({"reference_hit": [True, False, None]})).to_pylist()
    [True, False, None]
    """

    column: str = "reference_hit"

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        return table[self.column]
