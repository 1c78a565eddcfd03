"""Make a reference of images or of a dataset: what others are compared with by `InReference`."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from rich.text import Text

from curate.errors import PlanError, SampleError
from curate.experts.image_fingerprint import SIDE, fingerprint
from curate.experts.reference_files import REFERENCE_FILE, write_reference
from curate.inspect.query import query
from curate.pixels import decode
from curate.sources import scan
from curate.sources.find import find_shards
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["make_reference", "reference_of", "reference_of_dataset"]

ROWS = 512  # images of a batch


def reference_of(inputs: Sequence[str], dataset: str | None, name: str, to: Path) -> Text:
    """Make a reference of sources or of a dataset; raises PlanError unless one of them is given."""
    if bool(inputs) == bool(dataset):
        raise PlanError("give either --input or --from-dataset")
    return reference_of_dataset(dataset, name, to) if dataset else make_reference(inputs, name, to)


def make_reference(inputs: Sequence[str], name: str, to: Path) -> Text:
    """Write the digests and fingerprints of all images of some sources to a file, and say how many.

    An image that cannot be decoded is held by its bytes alone. Raises PlanError if there is no image.
    """
    return _written(name, to, _batches(find_shards(inputs)), ", ".join(inputs))


def reference_of_dataset(dataset: str, name: str, to: Path, embedding: str = "clip_embedding") -> Text:
    """Write what the newest run of a dataset measured of its images, with their embeddings if it did.

    Raises PlanError if `ImageFacts` and `ImageFingerprint` were not in its recipe.
    """
    columns = set(query(Store(dataset), "SELECT * FROM samples LIMIT 0").column_names)
    if missing := sorted({"image_sha256", *REFERENCE_FILE.names[2:4]} - columns):
        raise PlanError(f"{dataset} has no {', '.join(missing)}: put ImageFacts() and ImageFingerprint() in its recipe")
    vector = f'"{embedding}"' if embedding in columns else "NULL"
    table = query(
        Store(dataset),
        "SELECT shard || '/' || key AS reference_key, image_sha256, image_fingerprint, image_fingerprint_aspect, "
        f"{vector} AS embedding FROM samples WHERE image_sha256 IS NOT NULL ORDER BY uid",
    )
    columns_of = [pc.cast(table[field.name], field.type) for field in REFERENCE_FILE]
    batches = pa.table(columns_of, schema=REFERENCE_FILE).to_batches(max_chunksize=ROWS)
    return _written(name, to, batches, dataset)


def _written(name: str, to: Path, batches: Iterable[pa.RecordBatch], where: str) -> Text:
    if not to.parent.is_dir():
        raise PlanError(f"--to {to}: there is no folder {to.parent}; make it first")
    count = write_reference(to, name, batches)
    if not count:
        to.unlink()
        raise PlanError(f"there is no image in {where}")
    return Text(f"{to}: {count:,} images of {name}")


def _batches(shards: Sequence[Shard]) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, object]] = []
    for shard in shards:
        for sample in scan(shard):
            if sample.image is not None:
                rows.append(_row(f"{shard.name}/{sample.key}", sample.image))
            if len(rows) == ROWS:
                yield pa.RecordBatch.from_pylist(rows, schema=REFERENCE_FILE)
                rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema=REFERENCE_FILE)


def _row(key: str, image: bytes) -> dict[str, object]:
    row: dict[str, object] = {"reference_key": key, "image_sha256": hashlib.sha256(image).hexdigest()}
    with contextlib.suppress(SampleError):
        row["image_fingerprint"], row["image_fingerprint_aspect"] = fingerprint(decode(image, SIDE))
    return row
