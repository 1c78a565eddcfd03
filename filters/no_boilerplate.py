"""Drop alt texts that were not written to describe an image."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from filters.marked import none_of
from schemas.text_facts import TEXT_MARKS

__all__ = ["NoBoilerplate"]


@dataclass(frozen=True, slots=True)
class NoBoilerplate:
    """Keep alt texts that carry none of the `drop` marks of `text_marks`.

    Source: our own list after mOSCAR's URL and PII rules (Futeral et al. 2024, arXiv 2406.08707). `price` and
    `all_caps` are left out: both stand in many true descriptions of signs and goods.

    >>> marks = pa.table({"text_marks": [["boilerplate"], ["price"], [], None]})
    >>> NoBoilerplate().keep(marks).to_pylist()
    [False, True, True, None]
    """

    drop: tuple[str, ...] = ("boilerplate", "email", "filename", "html", "no_letters", "phone", "url")
    needs: ClassVar[tuple[str, ...]] = ("text_marks",)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.drop) - set(TEXT_MARKS))
        if unknown:
            raise ValueError(f"drop={self.drop}: unknown {', '.join(unknown)}; allowed: {', '.join(TEXT_MARKS)}")

    def keep(self, table: pa.Table) -> pa.BooleanArray:
        marks = table["text_marks"].combine_chunks()
        return none_of(marks, pc.is_in(pc.list_flatten(marks), value_set=pa.array(self.drop, pa.string())))
