"""Write the DataComp subset file of the kept samples: their uids, sorted, for its resharder and training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.exports.index import Location, Locations, Written, write_shards
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.sources.datacomp_subset import PAIR, metadata_uid, subset_bytes, uid_pairs
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["DatacompSubset"]

HAS_UID = r"""regexp_full_match(TRY(json_extract_string(metadata, '$.uid')), '[0-9a-fA-F]{32}')"""


@dataclass(frozen=True, slots=True)
class DatacompSubset:
    """Writes `NAME.npy`, dtype `u8,u8`: each uid once; 16 bytes of memory and of file a sample."""

    name: Annotated[str, "Name of the file, without its extension."] = "subset"
    uid: Annotated[
        Literal["metadata", "curate"],
        "Whose uid: metadata, 32 hex digits under `uid` in the sample's JSON, as DataComp's pool has them; or curate, "
        "the sample's own uid.",
    ] = "metadata"

    def __post_init__(self) -> None:
        check_file_name(self.name)
        if self.uid not in ("metadata", "curate"):
            raise PlanError(f"uid={self.uid!r}: give metadata or curate")

    def condition(self, columns: Sequence[str]) -> str | None:
        return HAS_UID if self.uid == "metadata" else None

    def write(self, selection: Selection, store: Store) -> Written:
        file, parts = f"{self.name}.npy", [np.empty(0, PAIR)]

        def append(shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Locations:
            uids = _uids(table, self.uid)
            parts.append(uid_pairs(uid for uid, is_chosen in zip(uids, chosen, strict=True) if is_chosen and uid))
            return [Location(file, None, 0) if each else None for each in chosen]

        counts = write_shards(store, selection, append)
        pairs: npt.NDArray[Any] = np.concatenate(parts)
        parts.clear()
        unique = np.unique(pairs)
        store.write_bytes(file, subset_bytes(unique))
        shared = len(pairs) - len(unique)
        notes = (f"{shared:,} of them share their uid with another, which the file names once",) if shared else ()
        return Written([file], counts, {"uids": len(unique)}, notes)


def _uids(table: pa.Table, uid: str) -> list[str | None]:
    if uid == "curate":
        own: list[str | None] = table["uid"].to_pylist()
        return own
    return [metadata_uid(text) for text in table["metadata"].to_pylist()]
