"""Look a sample up in a DataComp subset file."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.models.weights import Weights
from curate.sources.datacomp_subset import PAIR, check_sorted, contains, metadata_uid, open_subset, uid_pairs
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.in_subset import IN_SUBSET
from schemas.prefix import check_prefix, prefixed

__all__ = ["InSubset"]


@dataclass(frozen=True)
class InSubset:
    """Add whether a DataComp subset file names the sample; the filter `SubsetOnly` keeps those that it names.

    `subset` is the file: an `.npy` of dtype `u8,u8`, sorted; the content is part of the identity. It is mapped and
    searched, never loaded: 1.4 billion uids, 22 GB, cost no memory that the system cannot take back. `uid` says whose
    uid is looked up: "metadata", the 32 hex digits under `uid` in the sample's JSON, as DataComp's pool has them (null
    without), or "curate", the sample's own, as an export with the same option writes it.
    Source: Gadre et al. 2023, arXiv 2304.14108, and `resharder.py` of mlfoundations/datacomp. Left out: a uid that the
    file names n times is written n times there; here it is one sample.
    """

    subset: Weights | None = None
    uid: Literal["metadata", "curate"] = "metadata"
    prefix: str = ""
    version: ClassVar[int] = 1
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=4096), repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.uid not in ("metadata", "curate"):
            raise PlanError(f"InSubset: uid={self.uid!r}: give 'metadata' or 'curate'")
        check_prefix(self.prefix)

    @property
    def needs(self) -> tuple[str, ...]:
        return ("metadata",) if self.uid == "metadata" else ()

    @property
    def adds(self) -> pa.Schema:
        return prefixed(IN_SUBSET, self.prefix)

    def check(self) -> None:
        self._open()

    def load(self) -> Scorer:
        subset = self._open() if self.subset else np.empty(0, PAIR)  # without a file `check` has refused to start
        check_sorted(subset, self.subset.where if self.subset else "")
        return partial(_look_up, subset, self.uid, self.adds.names[0])

    def _open(self) -> npt.NDArray[Any]:
        if self.subset is None:
            raise PlanError("InSubset: no subset file is given; give one with -p in_subset.subset=FILE.npy")
        if not self.subset.is_local():
            raise PlanError(f"InSubset: subset={self.subset.where} is no path; give a file, such as ./subset.npy")
        return open_subset(self.subset.path())


def _look_up(subset: npt.NDArray[Any], uid: str, name: str, batch: Batch) -> Measurement:
    if uid == "curate":
        uids: list[str | None] = batch.table["uid"].to_pylist()
    else:
        uids = [metadata_uid(text) for text in batch.table["metadata"].to_pylist()]
    known = np.array([each is not None for each in uids], bool)
    found = contains(subset, uid_pairs(each for each in uids if each is not None))
    values = np.zeros(len(uids), bool)
    values[known] = found
    return Measurement({name: pa.array(values, pa.bool_(), mask=~known)})
