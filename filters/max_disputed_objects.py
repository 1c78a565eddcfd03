"""Drop captions with objects that a second look does not confirm."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MaxDisputedObjects"]


@dataclass(frozen=True, slots=True)
class MaxDisputedObjects:
    """Keep captions with at most `denied` objects that the model denies and `disputed` ones seen at one scale only.

    Source: DC2 keeps an object only where both scales agree (Wang et al. 2024, arXiv 2408.15556): 0 and 0. The model
    overlooks small things on the full image, so `disputed` is laxer by default: any number (null).

    >>> lists = {"objects_denied": [[], ["cat"], [], None], "objects_disputed": [["dog"], [], [], None]}
    >>> MaxDisputedObjects().keep(pa.table(lists)).to_pylist()
    [True, False, True, None]
    >>> MaxDisputedObjects(disputed=0).keep(pa.table(lists)).to_pylist()
    [False, False, True, None]
    """

    denied: int = 0
    disputed: int | None = None
    needs: ClassVar[tuple[str, ...]] = ("objects_denied", "objects_disputed")

    def __post_init__(self) -> None:
        if self.denied < 0 or (self.disputed is not None and self.disputed < 0):
            raise ValueError(f"denied={self.denied}, disputed={self.disputed}: give 0 or more")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        denied, disputed = (pc.list_value_length(table[name]) for name in self.needs)
        few = pc.less_equal(denied, self.denied)
        most = self.disputed
        return pc.and_(few, pc.is_valid(disputed) if most is None else pc.less_equal(disputed, most))
