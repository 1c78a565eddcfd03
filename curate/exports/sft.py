"""Rows for trainers that read images from files: one file of rows, and each image beside it as it was stored."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from curate.exports.layout import WORK, Finished, Location, Part, PartFacts, Samples, Wrote
from curate.storage.store import Store

__all__ = ["MakeRows", "RowsFile", "join_rows", "write_rows"]

MakeRows: TypeAlias = Callable[[Mapping[str, Any], str], Sequence[Mapping[str, Any]]]
"""Makes the rows of a sample from its columns and the name of its image; none: the sample is left out."""


@dataclass(frozen=True, slots=True)
class RowsFile:
    """A file of rows: the beginning of its name, its extension, the text before, between and after rows."""

    name: str
    extension: str
    head: str = ""
    between: str = "\n"
    tail: str = "\n"

    def of(self, split: str | None) -> str:
        """Return the name of the file of a split."""
        return f"{self.name}-{split}.{self.extension}" if split else f"{self.name}.{self.extension}"


def write_rows(folder: Store, part: Part, file: RowsFile, samples: Iterator[Samples], rows_of: MakeRows) -> Wrote:
    """Write the image file of each sample, and the rows of a part for `join_rows`."""
    locations: list[Location | None] = []
    images: list[str] = []
    count = 0
    with folder.open_write(_piece(part)) as stream:
        for some in samples:
            rows = some.rows.to_pylist()
            for columns, image, extension in zip(rows, some.images, some.extensions, strict=True):
                name = f"{columns['uid']}{extension if _is_plain(extension) else '.jpg'}"
                made = rows_of(columns, name)
                for row in made:
                    text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
                    stream.write(f"{file.between if count else ''}{text}".encode())
                    count += 1
                if made:
                    folder.write_bytes(name, image)
                    images.append(name)
                locations.append(Location(file.of(part.split), None, len(image)) if made else None)
    return Wrote({name: {} for name in images}, locations, {"rows": count})


def join_rows(folder: Store, file: RowsFile, parts: Sequence[PartFacts]) -> Finished:
    """Write the file of rows of each split from its parts, one after another."""
    splits = dict.fromkeys(each.part.split for each in parts)
    for split in splits:
        filled = [each.part for each in parts if each.part.split == split and each.facts["rows"]]
        with folder.open_write(file.of(split)) as stream:
            stream.write(file.head.encode())
            for i, part in enumerate(filled):
                stream.write(file.between.encode() if i else b"")
                with folder.open_read(_piece(part)) as piece:
                    shutil.copyfileobj(piece, stream, 1 << 20)
            stream.write(file.tail.encode() if filled else b"]\n" if file.head else b"")
    return Finished([file.of(split) for split in splits], {"rows": sum(each.facts["rows"] for each in parts)})


def _piece(part: Part) -> str:
    return f"{WORK}/{part.key}.rows"


def _is_plain(extension: str) -> bool:
    return extension[1:].isalnum() and extension.isascii()
