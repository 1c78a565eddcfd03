"""Scores in Parquet files, found by key: an index on disk that every worker of a machine maps."""

import functools
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.errors import PlanError, SampleError
from curate.models.cache import cached
from curate.models.loading import loading

__all__ = ["SCORES", "ScoreFiles", "ScoreIndex", "number_in"]

By = Literal["key", "uid", "url", "sha256"]
SCORES: Final[Mapping[str, tuple[str, ...]]] = {
    "imported_similarity": ("similarity",),
    "imported_clip_b32_score": ("clip_b32_similarity_score",),
    "imported_clip_l14_score": ("clip_l14_similarity_score",),
    "imported_nsfw_score": ("punsafe",),
    "imported_watermark_score": ("pwatermark",),
    "imported_aesthetic_score": ("aesthetic", "aesthetic_score"),
    "imported_face_count": ("face_bboxes",),
}
"""Our columns, and the names that the sources have for them, in any case."""

TAIL: Final = 1 << 16  # bytes at the end of a Parquet file: its footer, with the statistics of what is in it
ROWS: Final = 1 << 16  # read at once
npy: Any = np.lib.format  # has no types

PARTS: Final = 256  # of the index, each sorted in memory: a billion rows are 170 MB a part
RECORD: Final = np.dtype([("low", "<u8"), ("file", "<u4"), ("row", "<u4"), *((name, "<f4") for name in SCORES)])


@dataclass(frozen=True, slots=True)
class ScoreFiles:
    """A folder of Parquet files with scores, at any depth, maybe each with an npz of the same name beside it.

    Its `repr` names the folder and has a digest over names, sizes and footers of the files: the same files elsewhere
    are the same, and changed ones are not.
    """

    folder: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", str(Path.cwd() / Path(self.folder).expanduser()))

    def files(self) -> list[Path]:
        """Return the files in order; raises PlanError if there are none."""
        folder = Path(self.folder)
        files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
        if not files:
            raise PlanError(f"scores: {folder} is no folder with Parquet files; give the one that holds the scores")
        return files

    def digest(self) -> str:
        total = hashlib.blake2b(digest_size=8)
        for path in self.files():
            with path.open("rb") as stream:
                stream.seek(max(0, path.stat().st_size - TAIL))
                name = path.relative_to(self.folder).as_posix()
                total.update(f"{name}\0{path.stat().st_size}\0".encode() + hashlib.blake2b(stream.read()).digest())
        return total.hexdigest()

    def __repr__(self) -> str:
        return f"ScoreFiles({Path(self.folder).name!r}, blake2b={self.digest()})"

    def index(self, by: By) -> "ScoreIndex":
        """Return the index over a key, which is made once on a machine and kept in its cache.

        Raises PlanError naming the first file that is damaged or has no such key.
        """
        place = cached(f"scores/{self.digest()}-{by}", functools.partial(_write, scores=self, by=by))
        return ScoreIndex(self.folder, place)


@dataclass(frozen=True)
class ScoreIndex:
    """Finds the scores of a key. Parts are sorted by the upper half of a 128-bit digest of the key, and mapped."""

    folder: str
    place: Path

    def find(self, key: str) -> npt.NDArray[np.void]:
        """Return the record of a key; raises SampleError if the files have none, or several that differ."""
        high, low = _digest(key)
        keys, records = self._part(high >> 56)
        wanted = np.uint64(high)  # of the type of the keys: else they would be copied to compare
        start, stop = (int(np.searchsorted(keys, wanted, side)) for side in ("left", "right"))
        found = [record for record in records[start:stop] if record["low"] == low]
        if not found:
            raise SampleError("scores_missing", "the score files have no row for this sample")
        if len({record.tobytes()[16:] for record in found}) > 1:
            raise SampleError("scores_ambiguous", f"the score files have {len(found)} rows for this sample that differ")
        first: npt.NDArray[np.void] = found[0]
        return first

    def embedding(self, record: npt.NDArray[np.void], array: str) -> npt.NDArray[np.float16]:
        """Return the row of an array in the npz beside the record's file; raises PlanError if that is not there."""
        rows = self._array(int(record["file"]), array)
        return np.asarray(rows[int(record["row"])], np.float16)

    @functools.cached_property
    def _files(self) -> list[tuple[str, int]]:
        return [(str(name), int(rows)) for name, rows in json.loads((self.place / "files.json").read_text("utf-8"))]

    @functools.cached_property
    def _parts(self) -> dict[int, tuple[npt.NDArray[np.uint64], npt.NDArray[np.void]]]:
        return {}

    def _part(self, number: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.void]]:
        if number not in self._parts:
            path = self.place / f"{number:02x}"
            empty = not path.with_suffix(".keys").is_file()
            self._parts[number] = (
                (np.zeros(0, np.uint64), np.zeros(0, RECORD))
                if empty
                else (
                    np.memmap(path.with_suffix(".keys"), "<u8", "r"),
                    np.memmap(path.with_suffix(".rows"), RECORD, "r"),
                )
            )
        return self._parts[number]

    @functools.cached_property
    def _arrays(self) -> dict[tuple[int, str], npt.NDArray[Any]]:
        return {}

    def _array(self, file: int, name: str) -> npt.NDArray[Any]:
        if (file, name) not in self._arrays:
            parquet, rows = self._files[file]
            path = (Path(self.folder) / parquet).with_suffix(".npz")
            with loading(f"scores: {path}"):
                array = _map_array(path, name)
            if array.ndim != 2 or len(array) != rows:
                raise PlanError(f"scores: {name} in {path} is {list(array.shape)}, but {parquet} has {rows} rows")
            if len(self._arrays) >= 8:  # rows of a shard lie in few files
                self._arrays.pop(next(iter(self._arrays)))
            self._arrays[file, name] = array
        return self._arrays[file, name]


def number_in(value: Any) -> float | None:
    """Return a score as a number, a list as its length; null for what is neither, NaN and infinities included.

    >>> number_in(0.25), number_in([[1, 2, 3, 4]]), number_in("UNLIKELY"), number_in(float("nan")), number_in(True)
    (0.25, 1.0, None, None, None)
    """
    if isinstance(value, list):
        return float(len(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e30 else None


def _digest(key: str) -> tuple[int, int]:
    raw = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")


def _write(place: Path, *, scores: ScoreFiles, by: By) -> None:
    """Fill the index: rows are dealt to the parts by digest, file after file; then each part is sorted."""
    listed = []
    with ExitStack() as stack:
        parts = [stack.enter_context((place / f"{number:02x}.part").open("wb")) for number in range(PARTS)]
        for number, path in enumerate(scores.files()):
            count = 0
            with loading(f"scores: {path}"):
                for keys, records in _read(path, by):
                    records["file"], records["row"] = number, np.arange(count, count + len(records))
                    count += len(records)
                    whole = _keyed(keys, records)
                    for part in np.unique(whole["high"] >> np.uint64(56)):
                        parts[int(part)].write(whole[whole["high"] >> np.uint64(56) == part].tobytes())
            listed.append((path.relative_to(scores.folder).as_posix(), count))
    for number in range(PARTS):
        _sort(place / f"{number:02x}.part")
    (place / "files.json").write_text(json.dumps(listed), encoding="utf-8")


def _keyed(keys: Sequence[str | None], records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the records that have a key, with its digest."""
    whole = np.zeros(len(records), [("high", "<u8"), *((name, RECORD[name]) for name in RECORD.names or ())])
    for name in RECORD.names or ():
        whole[name] = records[name]
    for i, key in enumerate(keys):
        if key is not None:
            whole["high"][i], whole["low"][i] = _digest(key)
    known: npt.NDArray[np.void] = whole[np.array([key is not None for key in keys], bool)]
    return known


def _sort(part: Path) -> None:
    rows = np.fromfile(part, [("high", "<u8"), *((name, RECORD[name]) for name in RECORD.names or ())])
    part.unlink()
    if not len(rows):
        return
    rows = rows[np.lexsort((rows["row"], rows["file"], rows["low"], rows["high"]))]
    rows["high"].tofile(part.with_suffix(".keys"))
    records = np.zeros(len(rows), RECORD)
    for name in RECORD.names or ():
        records[name] = rows[name]
    records.tofile(part.with_suffix(".rows"))


def _read(path: Path, by: By) -> Iterator[tuple[list[str | None], npt.NDArray[np.void]]]:
    """Yield keys and records of a Parquet file."""
    with pq.ParquetFile(path) as file:
        names = {name.casefold(): name for name in file.schema_arrow.names}
        if by not in names:
            raise PlanError(
                f"scores: {path} has no column {by!r}; its columns are {', '.join(file.schema_arrow.names)}"
            )
        known = {ours: names[theirs] for ours, each in SCORES.items() for theirs in each[::-1] if theirs in names}
        if not known:
            wanted = ", ".join(name for each in SCORES.values() for name in each)
            raise PlanError(f"scores: {path} has none of the columns {wanted}")
        for batch in file.iter_batches(ROWS, columns=list(dict.fromkeys([names[by], *known.values()]))):
            records = np.zeros(batch.num_rows, RECORD)
            for ours in SCORES:
                values = batch.column(known[ours]).to_pylist() if ours in known else [None] * batch.num_rows
                records[ours] = [np.nan if (value := number_in(each)) is None else value for each in values]
            yield batch.column(names[by]).cast(pa.string()).to_pylist(), records


def _map_array(path: Path, name: str) -> npt.NDArray[Any]:
    """Return an array of an npz, mapped if it is stored as it is, as DataComp's are; else read whole."""
    with zipfile.ZipFile(path) as archive:
        try:
            member = archive.getinfo(f"{name}.npy")
        except KeyError:
            there = ", ".join(each.removesuffix(".npy") for each in archive.namelist())
            raise PlanError(f"scores: {path} has no array {name!r}; it has {there}") from None
        if member.compress_type != zipfile.ZIP_STORED:
            with np.load(path, allow_pickle=False) as arrays:
                whole: npt.NDArray[Any] = arrays[name]
                return whole
    with path.open("rb") as stream:
        stream.seek(member.header_offset + 26)
        sizes = int.from_bytes(stream.read(2), "little"), int.from_bytes(stream.read(2), "little")
        stream.seek(sum(sizes), 1)
        read = npy.read_array_header_1_0 if npy.read_magic(stream) == (1, 0) else npy.read_array_header_2_0
        shape, fortran, kind = read(stream)
        if kind.hasobject or fortran:
            raise PlanError(f"scores: {name} in {path} is no plain array of numbers, row after row")
        return np.memmap(path, kind, "r", stream.tell(), shape)
