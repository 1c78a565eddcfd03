"""Everything known about one sample, and its image."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from curate.dataset.cells import Cells
from curate.errors import PlanError, SampleError, SourceError
from curate.inspect.tables import plain, printable
from curate.inspect.view import View, run_view
from curate.sources import fetch
from curate.sources.shard import Shard
from curate.storage.store import Store

__all__ = ["HalfBlocks", "image_bytes", "preview", "render", "sample_facts"]

PREVIEW = (48, 24)  # largest preview in characters; a character is one pixel wide and two high
LONGEST = 4_000  # characters shown of one value


def sample_facts(store: Store, uid: str, run_id: str | None = None) -> dict[str, Any]:
    """Return what a run (the newest by default) knows about a sample; `uid` may be a unique prefix.

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
    """Return what `sample_facts` found for a terminal, with a small preview of the image if it is given.

    The preview needs colour; without, or if the bytes are not an image, it is left out. All text is untrusted: control
    characters are replaced and markup is not read.
    """
    fate = facts["error"] or (f"dropped by {facts['dropped_by']}" if facts["dropped_by"] else "kept")
    source = facts["source"]
    where = source["url"]
    if source["image"] and source["image"]["offset"] >= 0:
        where += f" bytes {source['image']['offset']}+{source['image']['size']}"
    head = {"uid": facts["uid"], "fate": fate, "run": facts["run"], "source": f"{where} row {source['row']}"}
    parts: list[Any] = [HalfBlocks(image)] if image else []
    parts.append(_grid("sample", head))
    parts.append(_grid("columns", {k: v for k, v in facts["columns"].items() if k not in {"uid", "row", "members"}}))
    parts.append(_grid("stages", {stage["id"]: _state(stage) for stage in facts["stages"]}))
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
    with view.connect() as connection:
        found = connection.execute(
            "SELECT uid, shard FROM samples WHERE starts_with(uid, ?) ORDER BY uid LIMIT 3", [uid]
        ).fetchall()
        if not found:
            raise PlanError(f"run {view.run.id} has no sample {uid}; list some with: SELECT uid FROM samples LIMIT 10")
        if len(found) > 1:
            raise PlanError(
                f"several samples begin with {uid}: {', '.join(name for name, _ in found)}; give more digits"
            )
        ((full, name),) = found
        shard = next(shard for shard in view.shards if shard.name == name)
        table = view.table(connection, shard, view.names())
        return shard, table.filter(pc.equal(table["uid"], full))


def _stages(view: View, shard: Shard, row: int) -> Iterator[dict[str, Any]]:
    """Yield what each stage did with the sample; a stage without a cell has not measured it."""
    for stage in [view.run.sample_stage, *view.columns]:
        cell = Cells(view.store).read(stage, shard.name, set())
        known = cell.slice(row, 1).to_pylist()[0] if cell is not None else {}
        error = f"{known['error_code']}: {known['error_message']}" if known.get("error_code") else None
        yield {
            "id": stage,
            "measured": known.get("measured", False),
            "attempt": known.get("attempt", 0),
            "error": error,
        }


def _state(stage: dict[str, Any]) -> str:
    if stage["error"]:
        return f"failed: {stage['error']} (attempt {stage['attempt']})"
    return "measured" if stage["measured"] else "not measured"


def _grid(title: str, values: dict[str, Any]) -> Table:
    grid = Table(title=title, title_justify="left", show_header=False)
    for name, value in values.items():
        grid.add_row(Text(printable(name)), _text(value))
    return grid


def _text(value: Any) -> Text:
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, list) and len(value) > 8 and all(isinstance(one, float) for one in value):
        return Text(f"{len(value)} numbers: {value[0]}, {value[1]}, …")
    if isinstance(value, list):
        return Text("\n".join(printable(str(one), LONGEST) for one in value) or "none")
    return Text(printable(str(value), LONGEST))


def _small(image: bytes, width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Return a thumbnail, uint8[even height, width, 3], or None if the bytes are not an image."""
    from curate.pixels import decode, fit_within

    try:
        small = fit_within(decode(image, 2 * max(width, height)), width, height)
    except SampleError:
        return None
    return small[: len(small) - len(small) % 2]
