"""Write WebDataset tars with the metadata of Megatron-Energon: ready for its loader, without `energon prepare`.

The tars are those of the format webdataset. Beside them stand `.nv-meta/` (dataset.yaml, split.yaml, .info.json) and a
small index of every tar, `*.tar.idx`. What needs `index.sqlite` (joins of datasets, reading by key) is not written, as
its tables change between releases: `energon prepare FOLDER` adds it.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np

from curate.exports.formats.webdataset import Tars, WebDataset
from curate.exports.layout import Finished, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.selection import Selection
from curate.exports.tar import BLOCK
from curate.storage.store import Store

__all__ = ["Energon"]

VERSION: Final = "7.4.1"
"""The release of Megatron-Energon whose files these are, as `.info.json` says it."""
SPLITS: Final = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Energon:
    """Writes tars of CaptioningSamples: `image` is the image, `caption` the text; the json member is there for cookers.

    Samples of splits named train, val and test go to these; without `--split` all are train.
    """

    name: Annotated[str, "Beginning of the names of the tars."] = "samples"
    samples_per_shard: Annotated[int, "Most samples in one tar; energon advises fewer than 10,000 tars."] = 1_000
    bytes_per_shard: Annotated[
        int | None, "Most bytes of images in one tar, as the source has them, unless a single image has more."
    ] = None
    text: Annotated[
        str | None,
        "Column of the caption; by default the drawn caption, the final one, the caption or the alt text, the first of "
        "them that the run has. Null is empty.",
    ] = None
    crude: Annotated[bool, "Declare the samples as crude: a cooker of yours makes them from the members."] = False

    def __post_init__(self) -> None:
        self._tars()

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def layout(self, selection: Selection) -> "EnergonTars":
        return EnergonTars(self._tars().layout(selection), self.crude)

    def _tars(self) -> WebDataset:
        return WebDataset(self.name, self.samples_per_shard, self.bytes_per_shard, text=self.text)


@dataclass(frozen=True, slots=True)
class EnergonTars:
    """Writes the tars of another writer with an index each; `crude` tells what dataset.yaml declares."""

    tars: Tars
    crude: bool

    @property
    def reads(self) -> Reads:
        return self.tars.reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        wrote = self.tars.write(folder, part, samples)
        ((file, facts),) = wrote.files.items()
        begins = [each.offset - BLOCK for each in wrote.locations if each and each.offset is not None]
        if not begins:
            return wrote
        end = facts["size_bytes"] - 2 * BLOCK  # a tar ends with two empty blocks
        folder.write_bytes(f"{file}.idx", np.array([*begins, end], "<u8").tobytes())
        return Wrote({file: facts, f"{file}.idx": {}}, wrote.locations, wrote.facts)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        """Write `.nv-meta`."""
        files = [each for part in parts for each in part.files.items()]
        counts = {file: facts["samples"] for file, facts in files if facts.get("samples")}
        split_parts: dict[str, list[str]] = {name: [] for name in SPLITS}
        for part in parts:
            mine = split_parts.setdefault(part.part.split or "train", [])
            mine.extend(file for file in part.files if file in counts)
        info = {"energon_version": VERSION, "shard_counts": counts}
        meta = {
            ".nv-meta/dataset.yaml": self._dataset(),
            ".nv-meta/split.yaml": {"split_parts": split_parts, "exclude": []},
            ".nv-meta/.info.json": info,
        }
        for name, content in meta.items():  # JSON is YAML
            folder.write_bytes(name, json.dumps(content, indent=1).encode() + b"\n")
        notes = (f"the caption is empty: {self.tars.text} is null for every sample",) if self.tars.empty else ()
        return Finished(list(meta), {"image_key": self.tars.image_key}, notes)

    def _dataset(self) -> dict[str, Any]:
        if self.crude:
            return {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}
        sample = {"__module__": "megatron.energon", "__class__": "CaptioningSample"}
        return {"sample_type": sample, "field_map": {"image": self.tars.image_key, "caption": "txt"}}
