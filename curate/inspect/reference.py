"""Make a reference of images: what a dataset is compared with by `InReference`."""

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from rich.text import Text

from curate.errors import PlanError, SampleError
from curate.experts.image_fingerprint import SIDE, fingerprint
from curate.experts.reference_files import REFERENCE_FILE, write_reference
from curate.pixels import decode
from curate.sources import scan
from curate.sources.find import find_shards
from curate.sources.shard import Shard

__all__ = ["make_reference"]

ROWS = 512  # images of a batch


def make_reference(inputs: Sequence[str], name: str, to: Path) -> Text:
    """Write the digests and fingerprints of all images of some sources to a file, and say how many.

    An image that cannot be decoded is held by its bytes alone. Raises PlanError if there is no image.
    """
    if not to.parent.is_dir():
        raise PlanError(f"--to {to}: there is no folder {to.parent}; make it first")
    count = write_reference(to, name, _batches(find_shards(inputs)))
    if not count:
        to.unlink()
        raise PlanError(f"there is no image in {', '.join(inputs)}")
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
