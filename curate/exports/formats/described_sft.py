"""Write the user's own training rows with a description before the question: STIC's second stage.

The rows are a file of LLaVA's or ms-swift's form; the descriptions are a column of the run. They are joined by id,
never by position.
Source: STIC (Deng et al. 2024, arXiv 2405.19716): "Image description: ..." and a blank line, after the image's tag
and before the question, in the first human turn. Its released script pairs by position.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

from curate.errors import PlanError
from curate.exports.layout import WORK, Finished, Location, Part, PartFacts, Reads, Samples, Wrote
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.exports.training_rows import as_lines, image_name, read_rows, row_keys, with_description
from curate.storage.store import Store

__all__ = ["DescribedSft"]

MISSING: Final = "missing.jsonl"
REASONS: Final = ("ambiguous", "no description", "no human turn", "no sample")


@dataclass(frozen=True, slots=True)
class DescribedSft:
    """Writes every row of the file `sft` whose sample has a description to `NAME.jsonl`.

    Rows that cannot be described are left out, counted by reason in the manifest and named in `missing.jsonl`.
    """

    sft: Annotated[Path, "Path of the training rows that get a description, a JSON list or JSONL."]
    sft_join: Annotated[str, "Column that a row's id, or the stem of its image's name, must equal: key or uid."] = "key"
    text: Annotated[
        str | None,
        "Column of the description; by default description, final_caption or caption, the first that the run has.",
    ] = None
    name: Annotated[str, "Name of the file of rows, without its extension."] = "samples"

    def __post_init__(self) -> None:
        check_file_name(self.name)

    def condition(self, columns: Sequence[str]) -> str | None:
        return None

    def layout(self, selection: Selection) -> "Descriptions":
        names = selection.columns.names
        column = self.text or next((name for name in ("description", "final_caption") if name in names), "caption")
        for name in (column, self.sft_join):
            if name not in names:
                raise PlanError(f"there is no column {name!r}; columns: {', '.join(names)}")
        read_rows(self.sft)
        digest = hashlib.blake2b(self.sft.read_bytes(), digest_size=8).hexdigest()
        more = (name for part in ("prompt", "prompt_id", "model") if (name := f"{column}_{part}") in names)
        columns = tuple(dict.fromkeys([self.sft_join, column, *more]))
        reads = Reads(10_000, columns=columns, images=False)
        return Descriptions(self.name, self.sft, digest, self.sft_join, column, reads)


@dataclass(frozen=True, slots=True)
class Descriptions:
    """Gathers the descriptions of each part that rows ask for; the rows get them at the end.

    `digest` is that of the file `sft`. With splits, a row goes where its sample goes, one without to the missing.
    """

    name: str
    sft: Path
    digest: str
    join: str
    column: str
    reads: Reads

    def write(self, folder: Store, part: Part, samples: Iterator[Samples]) -> Wrote:
        keys, lines, locations = _asked(self.sft, self.digest), [], []
        for some in samples:
            for sample in some.rows.to_pylist():
                key = sample[self.join]
                if key in keys:
                    facts = {name.removeprefix(f"{self.column}_"): sample[name] for name in sample if name != self.join}
                    lines.append({**facts, "uid": sample["uid"], "text": sample[self.column], "key": key})
                locations.append(Location(self._file(part.split), None, 0) if key in keys else None)
        folder.write_bytes(_piece(part), as_lines(lines))
        return Wrote({}, locations)

    def finish(self, folder: Store, parts: Sequence[PartFacts]) -> Finished:
        found = Found()
        for each in parts:
            for line in folder.read_bytes(_piece(each.part)).splitlines():
                found.add(json.loads(line), each.part.split)
        rows = read_rows(self.sft)
        described, missing = _join(rows, found)
        files = {split: self._file(split) for split in dict.fromkeys(each.part.split for each in parts)}
        for split, file in files.items():
            folder.write_bytes(file, as_lines([row for of, row in described if of == split]))
        folder.write_bytes(MISSING, as_lines(missing))
        reasons = [row["reason"] for row in missing]
        facts = {"rows": len(rows), "described": len(described), "missing": {r: reasons.count(r) for r in REASONS}}
        note = f"{len(described):,} of {len(rows):,} rows have a description, missing.jsonl names the others"
        return Finished([*files.values(), MISSING], {"text": self.column, **facts}, (note,))

    def _file(self, split: str | None) -> str:
        return f"{self.name}-{split}.jsonl" if split else f"{self.name}.jsonl"


@dataclass(slots=True)
class Found:
    """Samples by join key, each with its split; a key in `repeated` names two samples: it joins none."""

    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    splits: dict[str, str | None] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)

    def add(self, sample: dict[str, Any], split: str | None) -> None:
        key = sample.pop("key")
        if key in self.samples:
            self.repeated.add(key)
        self.samples[key], self.splits[key] = sample, split


@functools.lru_cache(maxsize=1)
def _asked(sft: Path, digest: str) -> frozenset[str]:
    """Return the keys that rows ask for; `digest` tells one version of the file from another."""
    return frozenset(key for row in read_rows(sft) for key in row_keys(row))


def _piece(part: Part) -> str:
    return f"{WORK}/{part.key}.jsonl"


def _join(
    rows: list[dict[str, Any]], found: Found
) -> tuple[list[tuple[str | None, dict[str, Any]]], list[dict[str, Any]]]:
    """Return the rows that have a description now, and for each of the others its place and the reason."""
    described, missing = [], []
    for i, row in enumerate(rows):
        key = next((key for key in row_keys(row) if key in found.samples), "")
        sample = found.samples.get(key)
        text = sample and sample["text"]
        fresh = with_description(row, text) if text else None
        if sample is None or key in found.repeated or fresh is None:
            reason = "no sample" if sample is None else "ambiguous" if key in found.repeated else None
            reason = reason or ("no human turn" if text else "no description")
            missing.append({"row": i, "id": row.get("id"), "image": image_name(row), "reason": reason})
            continue
        about = {name: sample[name] for name in ("uid", "prompt", "prompt_id", "model") if sample.get(name) is not None}
        described.append((found.splits[key], {**fresh, "description": about}))
    return described, missing
