"""Show all that a run recorded of one sample, and its image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.segment import Segment
from rich.style import Style

from curate.dataset.cells import Cells
from curate.errors import PlanError, SampleError, SourceError
from curate.inspect.tables import facts_table, plain
from curate.inspect.view import View, run_view
from curate.sources import fetch
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["HalfBlocks", "image_bytes", "preview", "render", "sample_facts"]

PREVIEW = (48, 24)  # largest preview in characters; a character is one pixel wide and two high
LONGEST = 4_000  # characters shown of one value


def sample_facts(store: Store, uid: str, run_id: str | None = None) -> dict[str, Any]:
    """Return what a run (the newest by default) recorded of a sample; `uid` may be a unique prefix.

    Keys: `uid`, `run`, `shard`, `source` (where its bytes are), `columns` (name -> value, embeddings as lists),
    `stages` (per stage: id, measured, attempt, error), `dropped_by`, `error`. Raises PlanError for an unknown uid.
    """
    view = run_view(store, run_id)
    shard, table = _find(view, uid)
    values = {field.name: plain(field.type)(table[field.name][0].as_py()) for field in table.schema}
    member = next((m for m in values["members"] or [] if m["name"] == values["image_member"]), None)
    return {
        "uid": values["uid"],
        "run": view.run.id,
        "shard": shard.name,
        "dropped_by": values.pop("dropped_by"),
        "error": values.pop("error"),
        "source": {"url": shard.url, "kind": shard.kind, "row": values["row"], "image": member},
        "columns": values,
        "stages": list(_stages(view, shard, values["row"])),
    }


def image_bytes(store: Store, uid: str, run_id: str | None = None) -> bytes:
    """Return the encoded image as stored in the source; raises SampleError if it cannot be read."""
    shard, table = _find(run_view(store, run_id), uid)
    if table["image_member"][0].as_py() is None:
        raise SampleError("missing_image", f"sample {table['uid'][0]} has no image")
    data = next(iter(fetch(shard, table)))
    if isinstance(data, SampleError):
        raise data
    return data


def preview(store: Store, uid: str, run_id: str | None = None) -> bytes | None:
    """Return the image for `render`, or None if its bytes are gone or were never there."""
    try:
        return image_bytes(store, uid, run_id)
    except (SampleError, SourceError):
        return None


def render(facts: dict[str, Any], image: bytes | None = None) -> Group:
    """Return what `sample_facts` returns for a terminal, with a small preview of the image if it is given.

    The preview needs colour; without, or if the bytes are not an image, it is left out. All text is untrusted: control
    characters are replaced and markup is not read.
    """
    state = facts["error"] or (f"dropped by {facts['dropped_by']}" if facts["dropped_by"] else "kept")
    source = facts["source"]
    where = source["url"]
    if source["image"] and source["image"]["offset"] >= 0:
        where += f" bytes {source['image']['offset']}+{source['image']['size']}"
    head = {"uid": facts["uid"], "fate": state, "run": facts["run"], "source": f"{where} row {source['row']}"}
    parts: list[Any] = [HalfBlocks(image)] if image else []
    parts.append(facts_table(head, "sample", LONGEST))
    columns = {name: value for name, value in facts["columns"].items() if name not in {"uid", "row", "members"}}
    parts.append(facts_table(columns, "columns", LONGEST))
    parts.append(facts_table({stage["id"]: _state(stage) for stage in facts["stages"]}, "stages", LONGEST))
    return Group(*parts)


class HalfBlocks:
    """An image in characters: the upper half block in one colour on another; nothing in a terminal without colour."""

    def __init__(self, image: bytes) -> None:
        self._image = image

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if console.color_system is None:
            return
        pixels = _small(self._image, min(PREVIEW[0], options.max_width), 2 * PREVIEW[1])
        if pixels is None:
            return
        for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
            for (a, b, c), (d, e, f) in zip(upper.tolist(), lower.tolist(), strict=True):
                yield Segment("▀", Style(color=f"#{a:02x}{b:02x}{c:02x}", bgcolor=f"#{d:02x}{e:02x}{f:02x}"))
            yield Segment.line()


def _find(view: View, uid: str) -> tuple[Shard, pa.Table]:
    """Return the shard and the row of a sample, all columns."""
    if not uid or set(uid) - set("0123456789abcdef"):
        raise PlanError(f"{uid!r} is not a uid or the beginning of one: it has only the characters 0-9 and a-f")
    with view.connect(["uid", "shard"]) as connection:
        matches = connection.execute(
            "SELECT uid, shard FROM samples WHERE starts_with(uid, ?) ORDER BY uid LIMIT 3", [uid]
        ).fetchall()
        if not matches:
            raise PlanError(f"run {view.run.id} has no sample {uid}; list some with: SELECT uid FROM samples LIMIT 10")
        if len(matches) > 1:
            raise PlanError(
                f"several samples begin with {uid}: {', '.join(name for name, _ in matches)}; give more digits"
            )
    ((full, name),) = matches
    shard = next(shard for shard in view.shards if shard.name == name)
    table = view.shard_table(shard, view.names())
    return shard, table.filter(pc.equal(table["uid"], full))


def _stages(view: View, shard: Shard, row: int) -> Iterator[dict[str, Any]]:
    """Yield what each stage did with the sample; a stage without a cell has not measured it."""
    for stage in [view.run.sample_stage, *view.columns]:
        cell = Cells(view.store).read(stage, shard.name, {"error_message"})
        record = cell.slice(row, 1).to_pylist()[0] if cell is not None else {}
        error = f"{record['error_code']}: {record['error_message']}" if record.get("error_code") else None
        yield {
            "id": stage,
            "measured": record.get("measured", False),
            "attempt": record.get("attempt", 0),
            "error": error,
        }


def _state(stage: dict[str, Any]) -> str:
    if stage["error"]:
        return f"failed: {stage['error']} (attempt {stage['attempt']})"
    return "measured" if stage["measured"] else "not measured"


def _small(image: bytes, width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Return a thumbnail, uint8[even height, width, 3], or None if the bytes are not an image."""
    from curate.pixels import decode, fit_within

    try:
        small = fit_within(decode(image, 2 * max(width, height)), width, height)
    except SampleError:
        return None
    return small[: len(small) - len(small) % 2]
