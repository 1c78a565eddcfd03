"""Write the pairs of `trl` with kind, scores, margin and verdict: for reward models and for choosing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.pairs import Pairs, has_pair, pairs_of
from curate.exports.selection import Selection

__all__ = ["JudgedPairs"]

JUDGED: Final = (
    *("pair_kind", "pair_chosen_score", "pair_rejected_score", "pair_margin", "pair_length_log_ratio"),
    *("pair_judge_preference", "pair_judge_agreement"),
)
"""Columns that tell how sure a pair is."""


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """Writes each chosen pair as `trl` does, then what was measured of it, as far as the run has it."""

    name: Annotated[str, "Beginning of the names of the files."] = "samples"
    samples_per_shard: Annotated[int, "Most pairs in one file."] = 1_000

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard)

    def condition(self, columns: Sequence[str]) -> str | None:
        return has_pair(columns)

    def layout(self, selection: Selection) -> Pairs:
        measured = [field for field in selection.columns if field.name in JUDGED]
        return pairs_of(self.name, self.samples_per_shard, measured)
