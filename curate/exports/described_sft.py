"""Export training rows with a description before the question: STIC's second stage.

The rows are the user's own, a file of LLaVA's or ms-swift's form; the descriptions are a column of the run. They are
joined by id, never by position.
Source: STIC (Deng et al. 2024, arXiv 2405.19716): "Image description: ..." and a blank line, after the image's tag
and before the question, in the first human turn. Its released script pairs by position.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import PlanError
from curate.exports.index import INDEX, Place, Places, write_manifest, write_shards
from curate.exports.options import ExportOptions
from curate.exports.selection import Selection
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["read_rows", "with_description", "write_described_sft"]

TAG: Final = "<image>"
MISSING: Final = "missing.jsonl"
REASONS: Final = ("ambiguous", "no description", "no human turn", "no sample")


@dataclass(slots=True)
class Known:
    """The descriptions by join key, of the keys that rows ask for; a key of two samples is worth nothing."""

    column: str
    join: str
    file: str
    wanted: set[str]
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    twice: set[str] = field(default_factory=set)


def write_described_sft(selection: Selection, store: Store, options: ExportOptions) -> dict[str, int]:
    """Write every row of the file `sft` whose sample has a description; return the counts of samples.

    `sft_join` is the column that a row's id, or the stem of its image's name, must equal: `key` or `uid`. Rows that
    cannot be described are left out, counted by reason in the manifest and named in `missing.jsonl`.
    """
    if not options.sft:
        raise PlanError("described_sft needs -p sft=rows.jsonl: the training rows that get a description")
    names = selection.columns.names
    column = options.text or next((name for name in ("description", "final_caption") if name in names), "caption")
    for name in (column, options.sft_join):
        if name not in names:
            raise PlanError(f"there is no column {name!r}; columns: {', '.join(names)}")
    rows = read_rows(Path(options.sft))
    known = Known(column, options.sft_join, f"{options.name}.jsonl", {key for row in rows for key in _keys(row)})

    def gather(shard: Shard, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Places:
        return _gather(known, table, chosen)

    counts = write_shards(store, selection, gather)
    written, missing = _join(rows, known)
    store.write_bytes(f"{options.name}.jsonl", _lines(written))
    store.write_bytes(MISSING, _lines(missing))
    reasons = [row["reason"] for row in missing]
    about = {"rows": len(rows), "described": len(written), "missing": {r: reasons.count(r) for r in REASONS}}
    files = [f"{options.name}.jsonl", MISSING, INDEX]
    write_manifest(selection, store, files, {"format": "described_sft", "text": column, **about, **counts})
    return counts | {"rows": len(rows), "described": len(written)}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read training rows, a JSON list or JSONL; raises PlanError that names the line."""
    if not path.is_file():
        raise PlanError(f"no training rows at {path}")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    try:
        found = json.loads(text) if text.lstrip().startswith("[") else list(_parsed(path, text))
    except (ValueError, RecursionError) as error:
        raise PlanError(f"{path} is neither a JSON list nor JSONL: {error}") from error
    bad = next((i for i, row in enumerate(found) if not isinstance(row, dict)), None)
    if bad is not None:
        raise PlanError(f"{path}: row {bad} is not an object")
    return found


def _parsed(path: Path, text: str) -> Iterator[Any]:
    for i, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError) as error:
                raise PlanError(f"{path} line {i} is not JSON: {error}") from error


def with_description(row: dict[str, Any], description: str) -> dict[str, Any] | None:
    r"""Return a row with the description before the question of its first human turn; None if it has no such turn.

    >>> row = {"conversations": [{"from": "human", "value": "<image>\nHow many?"}, {"from": "gpt", "value": "2"}]}
    >>> with_description(row, "Two dogs.")["conversations"][0]["value"]
    '<image>\nImage description: Two dogs.\n\nHow many?'
    """
    for turns, who, human, said in (
        ("conversations", "from", "human", "value"),
        ("messages", "role", "user", "content"),
    ):
        listed = row.get(turns)
        if not isinstance(listed, list):
            continue
        for i, turn in enumerate(listed):
            if isinstance(turn, dict) and turn.get(who) == human and isinstance(turn.get(said), str):
                fresh = {**turn, said: _described(turn[said], description)}
                return {**row, turns: [*listed[:i], fresh, *listed[i + 1 :]]}
    return None


def _described(question: str, description: str) -> str:
    """Put the description after the leading tag, or first; a trailing tag (LLaVA has both) stays where it is."""
    tag, rest = "", question
    if question.startswith(TAG):
        rest = question[len(TAG) :]
        gap = rest[: len(rest) - len(rest.lstrip())]
        tag, rest = TAG + (gap or "\n"), rest[len(gap) :]
    # The description is a model's text: a tag in it would ask for a second image.
    return f"{tag}Image description: {description.replace(TAG, '').strip()}\n\n{rest}"


def _gather(known: Known, table: pa.Table, chosen: npt.NDArray[np.bool_]) -> Places:
    """Remember the descriptions of a shard's chosen samples that rows ask for."""
    column, join = known.column, known.join
    names = ["uid", join, column, *(f"{column}_{part}" for part in ("prompt", "prompt_id", "model"))]
    rows = table.select([name for name in dict.fromkeys(names) if name in table.column_names]).to_pylist()
    places: Places = [None] * len(rows)
    for i in np.flatnonzero(chosen):
        row = rows[i]
        key = row[join]
        if key not in known.wanted:
            continue
        if key in known.texts:
            known.twice.add(key)
        known.texts[key] = {name.removeprefix(f"{column}_"): row[name] for name in row if name != join} | {
            "uid": row["uid"],
            "text": row[column],
        }
        places[i] = Place(known.file, None, 0)
    return places


def _join(rows: list[dict[str, Any]], known: Known) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    written, missing = [], []
    for i, row in enumerate(rows):
        key = next((key for key in _keys(row) if key in known.texts), None)
        found = known.texts.get(key) if key is not None else None
        text = found and found["text"]
        fresh = with_description(row, text) if text else None
        if found is None or key is None or key in known.twice or not text or fresh is None:
            reason = "no sample" if found is None else "ambiguous" if key in known.twice else None
            reason = reason or ("no human turn" if text else "no description")
            missing.append({"row": i, "id": row.get("id"), "image": _image(row), "reason": reason})
            continue
        about = {name: found[name] for name in ("uid", "prompt", "prompt_id", "model") if found.get(name) is not None}
        written.append({**fresh, "description": about})
    return written, missing


def _keys(row: dict[str, Any]) -> list[str]:
    """Return what may name the sample of a row: its id, and the name of its image, with and without an extension."""
    image = _image(row)
    keys = [row.get("id"), image, PurePosixPath(image).stem if image else None]
    return [str(key) for key in keys if isinstance(key, str | int) and not isinstance(key, bool)]


def _image(row: dict[str, Any]) -> str | None:
    images = row.get("images")
    image = row.get("image", images[0] if isinstance(images, list) and images else None)
    if isinstance(image, dict):
        image = image.get("path")
    return image if isinstance(image, str) else None


def _lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
