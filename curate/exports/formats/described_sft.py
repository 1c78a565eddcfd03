"""Write the user's own training rows with a description before the question: STIC's second stage.

The rows are a file of LLaVA's or ms-swift's form; the descriptions are a column of the run. They are joined by id,
never by position.
Source: STIC (Deng et al. 2024, arXiv 2405.19716): "Image description: ..." and a blank line, after the image's tag
and before the question, in the first human turn. Its released script pairs by position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.exports.index import Location, Locations, Written, write_shards
from curate.exports.options import check_file_name
from curate.exports.selection import Selection
from curate.exports.training_rows import as_lines, image_name, read_rows, row_keys, with_description
from curate.sources.shard import Shard
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

    def write(self, selection: Selection, store: Store) -> Written:
        names = selection.columns.names
        column = self.text or next((name for name in ("description", "final_caption") if name in names), "caption")
        for name in (column, self.sft_join):
            if name not in names:
                raise PlanError(f"there is no column {name!r}; columns: {', '.join(names)}")
        rows, file = read_rows(self.sft), f"{self.name}.jsonl"
        descriptions = Descriptions(column, self.sft_join, file, {key for row in rows for key in row_keys(row)})
        counts = write_shards(store, selection, partial(_gather, descriptions))
        described, missing = _join(rows, descriptions)
        store.write_bytes(file, as_lines(described))
        store.write_bytes(MISSING, as_lines(missing))
        reasons = [row["reason"] for row in missing]
        facts = {"rows": len(rows), "described": len(described), "missing": {r: reasons.count(r) for r in REASONS}}
        note = f"{len(described):,} of {len(rows):,} rows have a description, missing.jsonl names the others"
        return Written([file, MISSING], counts, {"text": column, **facts}, (note,))


@dataclass(slots=True)
class Descriptions:
    """Descriptions by join key, of the keys that rows ask for; a key in `repeated` names two samples: it joins none."""

    column: str
    join: str
    file: str
    keys: set[str]
    samples: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)


def _gather(descriptions: Descriptions, shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Locations:
    """Keep the descriptions of a shard's chosen samples that rows ask for."""
    column, join = descriptions.column, descriptions.join
    names = ["uid", join, column, *(f"{column}_{part}" for part in ("prompt", "prompt_id", "model"))]
    samples = table.select([name for name in dict.fromkeys(names) if name in table.column_names]).to_pylist()
    locations: Locations = [None] * len(samples)
    for i in np.flatnonzero(chosen):
        sample = samples[i]
        key = sample[join]
        if key not in descriptions.keys:
            continue
        if key in descriptions.samples:
            descriptions.repeated.add(key)
        facts = {name.removeprefix(f"{column}_"): sample[name] for name in sample if name != join}
        descriptions.samples[key] = facts | {"uid": sample["uid"], "text": sample[column]}
        locations[i] = Location(descriptions.file, None, 0)
    return locations


def _join(rows: list[dict[str, Any]], descriptions: Descriptions) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows that have a description now, and for each of the others its place and the reason."""
    described, missing = [], []
    for i, row in enumerate(rows):
        key = next((key for key in row_keys(row) if key in descriptions.samples), "")
        sample = descriptions.samples.get(key)
        text = sample and sample["text"]
        fresh = with_description(row, text) if text else None
        if sample is None or key in descriptions.repeated or fresh is None:
            reason = "no sample" if sample is None else "ambiguous" if key in descriptions.repeated else None
            reason = reason or ("no human turn" if text else "no description")
            missing.append({"row": i, "id": row.get("id"), "image": image_name(row), "reason": reason})
            continue
        about = {name: sample[name] for name in ("uid", "prompt", "prompt_id", "model") if sample.get(name) is not None}
        described.append({**fresh, "description": about})
    return described, missing
