"""Write preference pairs as Parquet with the images inside, in the form of TRL's DPOTrainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from curate.exports.options import check_at_least_one, check_file_name
from curate.exports.pairs import Pairs, has_pair, pairs_of
from curate.exports.selection import Selection

__all__ = ["Trl"]


@dataclass(frozen=True, slots=True)
class Trl:
    """Writes each chosen pair as one row: `uid`, `images`, and `prompt`, `chosen`, `rejected` as lists of messages."""

    name: Annotated[str, "Beginning of the names of the files."] = "samples"
    samples_per_shard: Annotated[int, "Most pairs in one file."] = 1_000

    def __post_init__(self) -> None:
        check_file_name(self.name)
        check_at_least_one(samples_per_shard=self.samples_per_shard)

    def condition(self, columns: Sequence[str]) -> str | None:
        return has_pair(columns)

    def layout(self, selection: Selection) -> Pairs:
        return pairs_of(self.name, self.samples_per_shard)
