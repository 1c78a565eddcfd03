"""What a format and the engine of exports tell each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import pyarrow as pa

from curate.storage.store import Store

__all__ = [
    "OWN",
    "WORK",
    "Contents",
    "Finished",
    "Location",
    "Part",
    "PartFacts",
    "Reads",
    "Samples",
    "Writer",
    "Wrote",
]

OWN = ".curate"
"""The folder of Curate's own files in an export: loaders of HF, Spark and Arrow pass over names with a leading dot."""
WORK = f"{OWN}/work"
"""Where writers put what only `finish` reads; it is gone when the export stands."""


@dataclass(frozen=True, slots=True)
class Reads:
    """How many samples make a part, and what its writer is given of each.

    `most_bytes` bounds the images of a part as the source has them, unless one alone is larger. `columns` are those of
    the run that rows have, beside `uid`; None: all that are worth exporting. `members` are the extensions of other
    members of the source; without `images` nothing is read from the source at all.
    """

    most_samples: int = 1_000
    most_bytes: int | None = None
    columns: tuple[str, ...] | None = None
    members: tuple[str, ...] = ()
    images: bool = True


@dataclass(frozen=True, slots=True)
class Samples:
    """Some samples of a part: n rows, their encoded images with the extension of each (`.jpg`, or empty).

    `members` holds, for each extension that was asked for, n contents; empty where the source has no such member.
    """

    rows: pa.Table
    images: Sequence[bytes] = ()
    extensions: Sequence[str] = ()
    members: Mapping[str, Sequence[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an export: its split (None: the export has none) and its number in that split, from 0."""

    split: str | None
    number: int

    @property
    def key(self) -> str:
        """Return what tells the part from all others, e.g. train-000003."""
        return f"{self.split}-{self.number:06d}" if self.split else f"{self.number:06d}"

    def file(self, name: str, extension: str) -> str:
        """Return the usual name of its file.

        >>> Part(None, 3).file("samples", "tar"), Part("train", 3).file("samples", "tar")
        ('samples-000003.tar', 'samples-train-000003.tar')
        """
        return f"{name}-{self.key}.{extension}"


@dataclass(frozen=True, slots=True)
class Location:
    """Where a sample lies in an export: file name, first byte of its image (null: not a tar), bytes of it."""

    file: str
    offset: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Wrote:
    """What a writer made of one part: its files with what `finish` wants to know of each, and where the samples went.

    `locations` has one entry for each sample that it was given, in order; None for one that it left out. `facts`, and
    what `files` holds of each, are small and fit JSON.
    """

    files: Mapping[str, Mapping[str, Any]]
    locations: Sequence[Location | None]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What `finish` is told of a part: its files, how many samples it holds, and the facts of its writer."""

    part: Part
    files: Mapping[str, Mapping[str, Any]]
    samples: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contents:
    """What a dataset card and Croissant tell of an export whose files `NAME-....EXTENSION` HF datasets can load.

    `columns` are what that loader gives. `fields` are those of them, or of the json member, that are columns of the
    run. `image` is the name of the image's column or member. A part tells size and SHA-256 of its files.
    """

    name: str
    extension: Literal["parquet", "tar"]
    columns: pa.Schema
    fields: pa.Schema
    image: str
    licence: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The files beside the parts, what the manifest adds after the format's name, and sentences for the user.

    With `contents` the export gets a dataset card and a Croissant file too.
    """

    files: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    contents: Contents | None = None


class Writer(Protocol):
    """Writes the parts of one export: a frozen dataclass that pickles, and whose repr tells what bytes it writes."""

    @property
    def reads(self) -> Reads: ...

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        """Write the files of one part under their final names, or into WORK; some worker calls it, maybe twice.

        A part may turn out to have no sample at all, if none of its images could be read again.
        """

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        """Write what stands beside the parts; called once, with all parts in order of splits and numbers."""
