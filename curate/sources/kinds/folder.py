"""A folder of images, with .txt and .json files beside them."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import PurePosixPath
from typing import Final

import pyarrow as pa

from curate.errors import SampleError, SourceError
from curate.sources.image_limits import MAX_IMAGE_BYTES, image_error
from curate.sources.kind import SourceKind
from curate.sources.member_names import IMAGE_EXTENSIONS
from curate.sources.opening import file_size, read_start, translate_errors
from curate.sources.shard import Member, Shard, SourceSample
from curate.sources.texts import METADATA_BYTES, TEXT_BYTES, caption_in, clip_text, read_metadata, read_text

__all__ = ["KIND"]

CHUNK_SAMPLES: Final = 1_000


def image_key(file: str) -> str:
    """Return the key of an image: its relative path without the last extension."""
    return file.rpartition(".")[0]


def folder_chunks(files: list[str]) -> list[tuple[str, ...]]:
    """Split the images of a folder into runs of up to 1,000 samples, sorted, equal keys together."""
    ordered = sorted(files, key=_order)
    groups = [list(group) for _, group in groupby(ordered, image_key)]
    return [
        tuple(file for group in groups[i : i + CHUNK_SAMPLES] for file in group)
        for i in range(0, len(groups), CHUNK_SAMPLES)
    ]


def scan_folder(shard: Shard) -> Iterator[SourceSample]:
    """Yield one sample per key: of images that differ only in their extension the first by format is the image."""
    with translate_errors(shard.url, SourceError):
        for key, files in groupby(shard.files, image_key):
            yield _sample(shard.url, key, list(files))


def count_folder(shard: Shard) -> int:
    """Return the number of samples; opens nothing."""
    return len({image_key(file) for file in shard.files})


def fetch_folder(shard: Shard, samples: pa.Table) -> Iterator[bytes | SampleError]:
    """Yield the image bytes of rows of the sample table, in their order, by opening each file."""
    with translate_errors(shard.url, SourceError):
        for file in samples["image_member"].to_pylist():
            url = f"{shard.url}/{file}"
            yield image_error(file_size(url) if file else None) or read_start(url, MAX_IMAGE_BYTES)


def _order(file: str) -> tuple[str, int, str]:
    extension = PurePosixPath(file).suffix[1:].lower()
    return image_key(file), IMAGE_EXTENSIONS.index(extension), file


def _sample(folder: str, key: str, files: list[str]) -> SourceSample:
    names = [*files, f"{key}.txt", f"{key}.json"]
    sizes = {name: size for name in names if (size := file_size(f"{folder}/{name}")) is not None}
    error = image_error(sizes.get(files[0]))
    text, cut = None, False
    metadata, value = None, None
    if (size := sizes.get(names[-1])) is not None and size <= METADATA_BYTES:
        metadata, value = read_metadata(read_start(f"{folder}/{names[-1]}", METADATA_BYTES))
    if (size := sizes.get(names[-2])) is not None:
        text, cut = read_text(read_start(f"{folder}/{names[-2]}", TEXT_BYTES), size)
    elif (caption := caption_in(value)) is not None:
        text, cut = clip_text(caption)
    return SourceSample(
        key=key,
        image_member=files[0] if files[0] in sizes else None,
        image=None if error else read_start(f"{folder}/{files[0]}", MAX_IMAGE_BYTES),
        alt_text=text,
        metadata=metadata,
        members=tuple(Member(name, -1, size) for name, size in sizes.items()),
        alt_text_cut=cut,
        error=error,
    )


KIND = SourceKind(
    order=3,
    label="images",
    endings=tuple(f".{extension}" for extension in IMAGE_EXTENSIONS),
    scan=scan_folder,
    fetch=fetch_folder,
    count=count_folder,
    group=folder_chunks,
)
