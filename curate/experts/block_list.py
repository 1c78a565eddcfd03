"""Put images that are on block lists into quarantine."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa

from curate.errors import PlanError, SampleError
from curate.stages import Batch, Measurement, Resources, Scorer
from curate.storage.file_digest import file_identity
from schemas.block_list import BLOCK_LIST

__all__ = ["BlockList", "read_list"]

KINDS: Final = {64: "sha256", 32: "md5", 16: "phash"}
BLOCKED: Final = "blocked"


@dataclass(frozen=True, repr=False)
class BlockList:
    """Give each image that is on a list the error `blocked`: it goes no further, is never shown and never exported.

    `lists` are text files with a digest a line, in hexadecimal: SHA-256 or MD5 of the bytes, or `image_phash` (16
    digits), which is compared within `phash_radius` bits and needs `ImageFacts` before; what follows `#` is a comment.
    Put it first in a recipe: then nothing else is measured of such an image. What earlier runs measured of it is not
    shown either, by any run of the dataset, see docs/dedup.md.
    Source: block lists by digest are how organisations share what must not be distributed; radius 0 is exact.
    """

    lists: tuple[str, ...] = ()
    phash_radius: int | None = None
    resources: Resources = field(default=Resources(), compare=False)
    version: ClassVar[int] = 1
    adds: ClassVar[pa.Schema] = BLOCK_LIST
    pixels: ClassVar[int | None] = None

    def __post_init__(self) -> None:
        if self.phash_radius is not None and not 0 <= self.phash_radius <= 16:
            raise PlanError(f"BlockList: phash_radius={self.phash_radius}: give 0 to 16 bits")

    def __repr__(self) -> str:
        files = ", ".join(f"({file_identity(path)})" for path in self.lists)
        return f"BlockList(lists=({files}), phash_radius={self.phash_radius!r})"

    @property
    def needs(self) -> tuple[str, ...]:
        return () if self.phash_radius is None else ("image_phash",)

    def check(self) -> None:
        """Raise PlanError if a list is missing, or has a line that is no digest."""
        for path in self.lists:
            held = read_list(path)
            if held["phash"] and self.phash_radius is None:
                raise PlanError(f"{path} holds perceptual hashes; give phash_radius=0, or a few bits more")

    def load(self) -> Scorer:
        lists = [read_list(path) for path in self.lists]
        held = {kind: frozenset().union(*(each[kind] for each in lists)) for kind in KINDS.values()}
        hashes = np.array(sorted(int(each, 16) for each in held["phash"]), np.uint64)
        return _Scorer(held["sha256"], held["md5"], hashes, self.phash_radius)


@dataclass(frozen=True, slots=True)
class _Scorer:
    sha256: frozenset[str]
    md5: frozenset[str]
    hashes: np.ndarray[tuple[int], np.dtype[np.uint64]]
    radius: int | None

    def __call__(self, batch: Batch) -> Measurement:
        near = self._near(batch)
        hits = [on or self._exact(payload) for payload, on in zip(batch.payloads, near, strict=True)]
        errors = [SampleError(BLOCKED, "the image is on a block list") if hit else None for hit in hits]
        return Measurement({"blocked": pa.array([False] * len(hits))}, errors)

    def _exact(self, payload: bytes) -> bool:
        return hashlib.sha256(payload).hexdigest() in self.sha256 or (
            bool(self.md5) and hashlib.md5(payload, usedforsecurity=False).hexdigest() in self.md5
        )

    def _near(self, batch: Batch) -> list[bool]:
        if self.radius is None or not len(self.hashes):
            return [False] * len(batch)
        values = batch.table["image_phash"].to_pylist()
        return [value is not None and self._holds(np.uint64(value)) for value in values]

    def _holds(self, value: np.uint64) -> bool:
        return bool((np.bitwise_count(self.hashes ^ value) <= self.radius).any())


def read_list(path: str) -> dict[str, frozenset[str]]:
    """Return the digests of a list by kind: sha256, md5, phash.

    Raises PlanError, with the number of the line, for one that is no digest.
    """
    file_identity(path)
    found: dict[str, set[str]] = {kind: set() for kind in KINDS.values()}
    with Path(path).expanduser().open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            digest = line.partition("#")[0].strip().lower()
            if not digest:
                continue
            if len(digest) not in KINDS or set(digest) - set("0123456789abcdef"):
                raise PlanError(f"{path}, line {number}: give 64, 32 or 16 hexadecimal digits: a SHA-256, MD5 or phash")
            found[KINDS[len(digest)]].add(digest)
    return {kind: frozenset(digests) for kind, digests in found.items()}
