"""Write the DataComp subset file of the kept samples: their uids, sorted, for its resharder and training."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.exports.layout import WORK, Finished, Location, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.sources.datacomp_subset import metadata_uid, subset_bytes, uid_pairs
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

    def layout(self, selection: Selection) -> "Uids":
        columns = ("metadata",) if self.uid == "metadata" else ()
        return Uids(self.name, self.uid, Reads(100_000, columns=columns, images=False))


@dataclass(frozen=True, slots=True)
class Uids:
    """Gathers the uids of each part, and sorts them at the end, those of each split."""

    name: str
    uid: str
    reads: Reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        uids = [uid for some in samples for uid in _uids(some.rows, self.uid)]
        pairs = uid_pairs(uid for uid in uids if uid)
        folder.write_bytes(_piece(part), subset_bytes(pairs))
        location = Location(self._file(part.split), None, 0)
        return Wrote({}, [location if uid else None for uid in uids], {"uids": len(pairs)})

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        files, uids = list[str](), 0
        for split in dict.fromkeys(each.part.split for each in parts):
            pieces = [_pairs(folder, each.part) for each in parts if each.part.split == split]
            unique: npt.NDArray[Any] = np.unique(np.concatenate(pieces))
            files.append(self._file(split))
            folder.write_bytes(files[-1], subset_bytes(unique))
            uids += len(unique)
        shared = sum(each.facts["uids"] for each in parts) - uids
        notes = (f"{shared:,} of them share their uid with another, which the file names once",) if shared else ()
        return Finished(files, {"uids": uids}, notes)

    def _file(self, split: str | None) -> str:
        return f"{self.name}-{split}.npy" if split else f"{self.name}.npy"


def _piece(part: Part) -> str:
    return f"{WORK}/{part.key}.npy"


def _pairs(folder: Store, part: Part) -> npt.NDArray[Any]:
    pairs: npt.NDArray[Any] = np.load(io.BytesIO(folder.read_bytes(_piece(part))))
    return pairs


def _uids(table: pa.Table, uid: str) -> list[str | None]:
    if uid == "curate":
        own: list[str | None] = table["uid"].to_pylist()
        return own
    return [metadata_uid(text) for text in table["metadata"].to_pylist()]
