"""Drop captions that the guards marked."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from filters.marked import none_of
from schemas.caption_guards import GUARD_MARKS

__all__ = ["CaptionClean"]


@dataclass(frozen=True, slots=True)
class CaptionClean:
    """Keep captions that carry no guard mark but those in `allow`.

    `column` holds the marks: `caption_marks` of `DenseCaption`, `caption_guards` of `CaptionGuards` (which knows the
    language too), or `final_caption_marks` of `RepairCaption`.
    Source: DenseFusion bans stock openers, hedging and boxes in its prompt, and its own samples still hold them (Li
    et al. 2024, arXiv 2407.08303), so the output is checked; KALE drops leaked prompt words (arXiv 2411.07461).

    >>> marks = pa.table({"caption_marks": [[], ["hedging"], ["hedging", "truncated"], None]})
    >>> CaptionClean().keep(marks).to_pylist()
    [True, False, False, None]
    >>> CaptionClean(allow=("hedging",)).keep(marks).to_pylist()
    [True, True, False, None]
    """

    allow: tuple[str, ...] = ()
    column: str = "caption_marks"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.allow) - set(GUARD_MARKS))
        if unknown:
            raise ValueError(f"allow={self.allow}: unknown {', '.join(unknown)}; allowed: {', '.join(GUARD_MARKS)}")

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def keep(self, table: pa.Table) -> pa.BooleanArray:
        marks = table[self.column].combine_chunks()
        allowed = pc.is_in(pc.list_flatten(marks), value_set=pa.array(self.allow, pa.string()))
        return none_of(marks, pc.invert(allowed))
