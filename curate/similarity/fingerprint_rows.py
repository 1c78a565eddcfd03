"""Fingerprints from the columns of a table."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ContractError
from curate.similarity.fingerprints import Fingerprints, faces
from curate.similarity.lookup import Described, describe
from schemas.image_fingerprint import FINGERPRINT_BYTES

__all__ = ["FaceRows", "FingerprintRows", "describe_all", "face_rows", "fingerprint_rows"]

AT_ONCE = 1_024  # fingerprints that are described together


@dataclass(frozen=True, slots=True)
class FingerprintRows:
    """Fingerprints of n rows, uint8[n, 4612] and float32[n], zeros where not `valid`; their digests uint64[n, 2]."""

    data: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class FaceRows:
    """What is looked up of some pictures: uint8[m, 4612], float32[m], names uint64[m], and whose they are, int64[m]."""

    data: npt.NDArray[np.uint8]
    aspect: npt.NDArray[np.float32]
    names: npt.NDArray[np.uint64]
    owners: npt.NDArray[np.int64]

    def pictures(self) -> Fingerprints:
        return Fingerprints.of_bytes(self.data, self.aspect)


def fingerprint_rows(table: pa.Table) -> FingerprintRows:
    """Return what `ImageFingerprint` added to a table; raises ContractError for fingerprints of another kind."""
    column = table["image_fingerprint"].combine_chunks()
    if column.type != pa.binary(FINGERPRINT_BYTES):
        raise ContractError(
            f"image_fingerprint is {column.type}, not {FINGERPRINT_BYTES} bytes as ImageFingerprint writes it"
        )
    aspects = table["image_fingerprint_aspect"].combine_chunks()
    valid = np.asarray(pc.and_(pc.is_valid(column), pc.is_valid(aspects))).astype(bool)
    blank = bytes(FINGERPRINT_BYTES)
    each = [value if ok else blank for value, ok in zip(column.to_pylist(), valid.tolist(), strict=True)]
    aspect = np.asarray(pc.fill_null(aspects, 0.0)).astype(np.float32)
    sums = b"".join(
        hashlib.blake2b(value + shape.tobytes(), digest_size=16).digest()
        for value, shape in zip(each, np.round(aspect, 2), strict=True)
    )
    data = np.frombuffer(b"".join(each), np.uint8).reshape(-1, FINGERPRINT_BYTES)
    return FingerprintRows(data, aspect, valid, np.frombuffer(sums, ">u8").reshape(-1, 2).astype(np.uint64))


def face_rows(rows: FingerprintRows, chosen: npt.NDArray[np.int64]) -> FaceRows:
    """Return the faces of the chosen rows; owners are places among these."""
    data, owners = faces(rows.data[chosen])
    return FaceRows(data, rows.aspect[chosen][owners], rows.digests[chosen, 0][owners], owners)


def describe_all(rows: FaceRows) -> Described:
    """Return what an index holds of some faces."""
    parts = [
        describe(Fingerprints.of_bytes(rows.data[at], rows.aspect[at]), rows.names[at])
        for at in (slice(begin, begin + AT_ONCE) for begin in range(0, max(1, len(rows.data)), AT_ONCE))
    ]
    return Described(*(np.concatenate([getattr(each, name) for each in parts]) for name in Described.__slots__))
