"""The page of numbers: keep rates, distributions, and what each stage cost and stands on."""

import re
from collections.abc import Mapping
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa

from curate.inspect.keep_rates import keep_rates
from curate.inspect.report.plots import bars_svg
from curate.inspect.view import View
from curate.models.known import find_known
from curate.storage.store import Store

__all__ = ["numbers_page"]

GROUPS: Final = 20  # languages and domains shown
BINS: Final = 20
DISTRIBUTIONS: Final = {
    "caption_words": "words of captions",
    "final_caption_words": "words of final captions",
    "caption_tier_px": "tier of the image that the writer saw, px",
    "caption_prompt_tokens": "tokens of prompts",
    "caption_completion_tokens": "tokens written",
    "image_width_px": "width of images, px",
    "text_words": "words of alt texts",
}
LONGEST: Final = 600  # characters of an identity


def numbers_page(
    view: View, connection: duckdb.DuckDBPyConnection, kinds: Mapping[str, pa.DataType], out: Store
) -> dict[str, Any]:
    """Return keep rates by language and domain, distributions, and costs and models of all stages."""
    rates = [{"by": by, "rows": rows} for by in ("language", "domain") if (rows := _rates(view, kinds, by))]
    plots = []
    for column, label in DISTRIBUTIONS.items():
        if column in kinds and (bars := _bars(connection, column)):
            out.write_bytes(f"plots/{column}.svg", bars_svg(label, *bars))
            plots.append((f"{column}.svg", label))
    identities = [(stage.id or stage.name, stage.repr[:LONGEST]) for stage in view.run.stages]
    return {
        "rates": rates,
        "plots": plots,
        "stages": _stages(view, connection, kinds),
        "identities": identities,
        "models": _models(" ".join(stage.repr for stage in view.run.stages)),
        "versions": sorted(view.run.versions.items()),
    }


def _rates(view: View, kinds: Mapping[str, pa.DataType], by: str) -> list[tuple[str, int, int, str]]:
    if by == "language" and "text_language" not in kinds:
        return []
    rates = keep_rates(view.store, view.run, by)
    known = [rate for rate in rates if rate.group != "(none)"]
    return [(rate.group[:80], rate.samples, rate.kept, f"{rate.rate:.1%}") for rate in rates[:GROUPS]] if known else []


def _bars(connection: duckdb.DuckDBPyConnection, column: str) -> tuple[list[str], list[int]] | None:
    """Return labels and counts of a column: each value if there are few, else classes of equal width."""
    values = connection.execute(
        f'SELECT "{column}" AS v, count(*) AS n FROM samples WHERE v IS NOT NULL GROUP BY v ORDER BY v'
    ).fetchnumpy()
    found, counts = np.asarray(values["v"], float), np.asarray(values["n"], np.int64)
    if not len(found):
        return None
    if len(found) <= BINS:
        return [f"{value:g}" for value in found], counts.tolist()
    edges = np.linspace(found[0], found[-1], BINS + 1)
    which = np.clip(np.searchsorted(edges, found, side="right") - 1, 0, BINS - 1)
    sums = np.bincount(which, counts, BINS).astype(np.int64)
    return [f"{left:.0f}" for left in edges[:-1]], sums.tolist()


def _stages(
    view: View, connection: duckdb.DuckDBPyConnection, kinds: Mapping[str, pa.DataType]
) -> list[tuple[Any, ...]]:
    counts = view.run.counts or {}
    measured = counts.get("measured") or {}
    seconds = {
        name: segment["seconds_per_row"]
        for segment in (counts.get("placement") or {}).get("segments", ())
        for name in segment["stages"]
    }
    rows = []
    for stage in view.run.stages:
        if stage.id is None:
            continue
        names = (stage.id, view.run.labels().get(stage.id))
        each: dict[str, int] = next((value for name, value in measured.items() if name in names), {})
        tokens = [_sum(connection, stage.schema().names, end) for end in ("prompt_tokens", "completion_tokens")]
        cost = seconds.get(stage.id)
        rows.append(
            (stage.name, each.get("rows", 0), each.get("errors", 0), "" if cost is None else f"{cost:.3g}", *tokens)
        )
    return rows


def _sum(connection: duckdb.DuckDBPyConnection, names: list[str], end: str) -> int | str:
    columns = [name for name in names if name.endswith(end)]
    if not columns:
        return ""
    sums = ", ".join(f'coalesce(sum("{name}"), 0)' for name in columns)
    return int(sum(connection.sql(f"SELECT {sums} FROM samples").fetchall()[0]))


def _models(stages: str) -> list[tuple[str, str, str]]:
    """Return name, licence and revision of the models that the stages' identities name."""
    named = sorted(set(re.findall(r"Weights\('([^']+)'(?:, )?([^)]*)\)", stages)))
    rows = []
    for name, identity in named:
        known = find_known(name)
        rows.append(
            (name, known.licence if known else "not known to us", identity or (known.revision if known else ""))
        )
    return rows
