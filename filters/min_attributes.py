"""Drop people of whom too little is known for certain."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinAttributes"]


@dataclass(frozen=True, slots=True)
class MinAttributes:
    """Keep samples with more than `more_than` attributes of `part` that are present with a probability over `over`.

    Source: FaceCaption-15M, on which HumanCaption builds (HumanVLM, arXiv 2411.03034): more than 5 of 40 facial
    attributes over 0.85, by a classifier. `part` "" counts the attributes of all parts.

    >>> sure = {"part": "face", "name": "a beard", "present": True, "probability": 0.9}
    >>> people = pa.table({"human_attributes": [[sure] * 6, [sure] * 5 + [sure | {"probability": 0.8}], [], None]})
    >>> MinAttributes().keep(people).to_pylist()
    [True, False, False, None]
    """

    more_than: int = 5
    over: float = 0.85
    part: str = "face"
    needs: ClassVar[tuple[str, ...]] = ("human_attributes",)

    def __post_init__(self) -> None:
        if self.more_than < 0 or not 0 <= self.over <= 1:
            raise ValueError(f"more_than={self.more_than}, over={self.over}: give a count and a probability")

    def keep(self, table: pa.Table) -> pa.BooleanArray:
        lists = table["human_attributes"].combine_chunks()
        each = pc.list_flatten(lists)
        probability = pc.struct_field(each, "probability")
        is_sure = pc.greater(probability, pa.scalar(self.over, pa.float64()).cast(probability.type, safe=False))
        valid = pc.and_kleene(pc.struct_field(each, "present"), is_sure)
        if self.part:
            valid = pc.and_kleene(valid, pc.equal(pc.struct_field(each, "part"), self.part))
        rows = pc.filter(pc.list_parent_indices(lists), pc.fill_null(valid, False))
        counts = pc.value_counts(rows)
        enough = pc.filter(
            pc.struct_field(counts, "values"), pc.greater(pc.struct_field(counts, "counts"), self.more_than)
        )
        kept = pc.is_in(pa.array(range(len(lists)), pa.int64()), value_set=enough)
        return pc.if_else(pc.is_valid(lists), kept, None)
