"""Drop samples that nearly repeat a better one."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxSemanticCosine"]


@dataclass(frozen=True, slots=True)
class MaxSemanticCosine:
    """Keep samples that come no nearer than `maximum` to one before them: 1 - epsilon in the words of SemDeDup.

    `column` is what `SemanticDuplicates` adds. Cosines belong to one model: with another the same epsilon drops more
    or less.
    Source: SemDeDup (Abbas et al. 2023, arXiv 2303.09540) removes a sample with a cosine above 1 - epsilon to an
    earlier one of its cluster; DenseFusion-1M (arXiv 2407.08303) uses epsilon 0.4.

    >>> MaxSemanticCosine(0.6).keep(pa.table({"semantic_cosine": [-1.0, 0.6, 0.61, None]})).to_pylist()
    [True, True, False, None]
    """

    maximum: float = 0.6
    column: str = "semantic_cosine"

    def __post_init__(self) -> None:
        if not -1 <= self.maximum <= 1:
            raise ValueError(f"maximum={self.maximum}: give a cosine, -1 to 1")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        cosine = table[self.column]
        return pc.less_equal(cosine, pa.scalar(self.maximum, pa.float64()).cast(cosine.type, safe=False))
