"""Drop rewrites that lost what only the alt text knew."""

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MinNamesKept"]


@dataclass(frozen=True, slots=True)
class MinNamesKept:
    """Keep samples whose rewrite kept at least `minimum` of the alt text's names and numbers.

    Source: our own rule; CapsFusion (arXiv 2310.20550) reports that captions lose world knowledge, and gives no
    threshold. A name that the image contradicts is lost rightly, so 1.0 is too strict for the web's alt texts.

    >>> MinNamesKept(0.5).keep(pa.table({"alt_text_names_kept_frac": [0.5, 0.25, None]})).to_pylist()
    [True, False, None]
    """

    minimum: float = 0.5
    needs: ClassVar[tuple[str, ...]] = ("alt_text_names_kept_frac",)

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 1:
            raise ValueError(f"minimum={self.minimum}: give a fraction, 0 to 1")

    def keep(self, table: pa.Table) -> pa.ChunkedArray:
        share = table["alt_text_names_kept_frac"]
        return pc.greater_equal(share, pa.scalar(self.minimum, pa.float64()).cast(share.type, safe=False))
