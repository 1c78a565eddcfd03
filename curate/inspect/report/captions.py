"""The pages of captions and of preference pairs."""

from collections.abc import Mapping
from typing import Any, Final

import duckdb
import pyarrow as pa

from curate.inspect.report.chosen import PICKED, drawn
from curate.inspect.report.claims import Piece, marked
from curate.inspect.report.pictures import write_drawing, write_thumbnails
from curate.inspect.view import View
from curate.storage.store import Store

__all__ = ["boxes_of", "caption_page", "pair_page", "texts_of"]

SHOWN: Final = 24
BOXES: Final = (("objects", "object"), ("open_objects", "object"), ("ocr_lines", "text"))
TEXTS: Final = (("caption", "Caption"), ("final_caption", "Final caption, verified and repaired"))
FACTS: Final = ("repair_outcome", "caption_tier_px", "caption_prompt_id", "caption_model", "caption_evidence_coverage")
PAIR: Final = ("pair_kind", "pair_prompt", "pair_chosen", "pair_rejected")

Kinds = Mapping[str, pa.DataType]


def caption_page(view: View, connection: duckdb.DuckDBPyConnection, kinds: Kinds, out: Store) -> dict[str, Any]:
    """Return captions of the run, drawn at random, with claims marked; draw what the experts saw into the images."""
    if "caption" not in kinds:
        return {"captions": [], "pictures": set()}
    names = [name for name, _ in BOXES] + [name for name, _ in TEXTS] + list(FACTS) + ["caption_hints"]
    names += [f"{name}_verdicts" for name, _ in TEXTS]
    there = [f'"{name}"' for name in names if name in kinds]
    table = drawn(connection, "caption IS NOT NULL", SHOWN, ", ".join([PICKED, *there]))
    rows = table.to_pylist()
    boxes = {row["uid"]: boxes_of(row) for row in rows}
    pictures = write_drawing(view, table, boxes, out)
    return {"captions": [_caption(row) for row in rows], "pictures": pictures}


def boxes_of(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what experts saw on a sample's image, for `drawing_jpeg`."""
    return [(kind, box) for name, kind in BOXES for box in row.get(name) or ()]


def texts_of(row: Mapping[str, Any]) -> list[tuple[str, list[Piece]]]:
    """Return the captions of a sample, each with a heading and its claims marked."""
    return [(label, marked(row[name], row.get(f"{name}_verdicts"))) for name, label in TEXTS if row.get(name)]


def _caption(row: Mapping[str, Any]) -> dict[str, Any]:
    texts = texts_of(row)
    facts = "; ".join(f"{name} {row[name]}" for name in FACTS if row.get(name) is not None)
    fate = row["error"] or row["dropped_by"]
    facts = f"{facts}; {fate}" if fate else facts
    return {
        **{name: row[name] for name in ("uid", "alt_text")},
        "texts": texts,
        "facts": facts,
        "hints": row.get("caption_hints"),
    }


def pair_page(view: View, connection: duckdb.DuckDBPyConnection, kinds: Kinds, out: Store) -> dict[str, Any]:
    """Return preference pairs of the run, drawn at random."""
    if any(name not in kinds for name in PAIR):
        return {"pairs": [], "pictures": set()}
    names = [*PAIR, *(["pair_margin"] if "pair_margin" in kinds else [])]
    table = drawn(connection, "pair_chosen IS NOT NULL", SHOWN, f"{PICKED}, {', '.join(names)}")
    rows = [row | {"margin": _margin(row.get("pair_margin"))} for row in table.to_pylist()]
    return {"pairs": rows, "pictures": write_thumbnails(view, table, out)}


def _margin(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
