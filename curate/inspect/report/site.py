"""Write the report of a run: a folder of pages, styles, plots and small pictures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

import duckdb
import pyarrow as pa
from rich.text import Text

from curate.dataset.manifest import StageRecord
from curate.errors import PlanError
from curate.inspect.failures import failures
from curate.inspect.funnel import funnel
from curate.inspect.report.captions import caption_page, pair_page
from curate.inspect.report.chosen import drawn
from curate.inspect.report.numbers import numbers_page
from curate.inspect.report.pictures import write_thumbnails
from curate.inspect.report.plots import funnel_svg, histogram_svg
from curate.inspect.report.rendering import environment, readable
from curate.inspect.report.thresholds import Threshold, thresholds
from curate.inspect.samples_sql import text
from curate.inspect.view import View, run_view
from curate.models.extras import load_extra
from curate.storage.store import Store

__all__ = ["ReportWritten", "write_report"]

PAGES: Final = {
    "index": "Funnel",
    "filters": "Filters",
    "errors": "Errors",
    "captions": "Captions",
    "pairs": "Pairs",
    "numbers": "Numbers",
}
GRID: Final = 12  # samples of a grid drawn at random
GROUPS: Final = 20  # error groups
EXAMPLES: Final = 4  # of each
MARK: Final = "report.html"  # only a folder that this wrote, or an empty one, is written to


@dataclass(frozen=True, slots=True)
class ReportWritten:
    """Where the report is, and how many pictures it shows."""

    out: str
    pictures: int

    def __rich__(self) -> Text:
        return Text(f"report with {self.pictures:,} pictures in {self.out}; open {self.out.rstrip('/')}/index.html")


@dataclass(frozen=True, slots=True)
class Report:
    """What all pages need: the run, an open view of its samples, and the folder that is written."""

    view: View
    connection: duckdb.DuckDBPyConnection
    kinds: Mapping[str, pa.DataType]
    out: Store


def write_report(store: Store, run_id: str | None, out: str) -> ReportWritten:
    """Write the report of a run (the newest by default) to a folder or URL; it replaces an earlier report.

    Its size does not depend on the number of samples. Texts of samples are data: escaped, and no page has a script.
    Raises PlanError without jinja2 and matplotlib, which the extra `report` brings, or if `out` holds anything else.
    """
    for module in ("jinja2", "matplotlib"):
        load_extra(module, "report")
    target = Store(out)
    names = target.list("")
    if names and MARK not in names:
        raise PlanError(f"{out} holds files that no report wrote ({', '.join(names[:3])}); choose an empty folder")
    view = run_view(store, run_id)
    with view.connect() as connection:
        schema = connection.sql("SELECT * FROM samples LIMIT 0").to_arrow_table().schema
        report = Report(view, connection, {field.name: field.type for field in schema}, target)
        contents = {
            "index": _index(report),
            "filters": _filters(report),
            "errors": _errors(report, store),
            "captions": caption_page(report.view, connection, report.kinds, target),
            "pairs": pair_page(report.view, connection, report.kinds, target),
            "numbers": numbers_page(report.view, connection, report.kinds, target),
        }
    _write_pages(view, contents, target)
    target.write_bytes("style.css", files("curate.inspect.report").joinpath("pages/style.css").read_bytes())
    target.write_bytes(MARK, b'<!doctype html><title>report</title><a href="index.html">report</a>\n')
    return ReportWritten(out, sum(len(page.get("pictures", ())) for page in contents.values()))


def _write_pages(view: View, contents: Mapping[str, Mapping[str, Any]], out: Store) -> None:
    pages = environment("curate.inspect.report")
    for name, title in PAGES.items():
        page = pages.get_template(f"{name}.html")
        shared = {"page": name, "title": title, "pages": list(PAGES.items()), "run": view.run}
        text = page.render(**shared, **contents[name])
        out.write_bytes(f"{name}.html", readable(text).encode("utf-8", "replace"))


def _index(report: Report) -> dict[str, Any]:
    run = report.view.run
    steps = funnel(report.view.store, run)
    report.out.write_bytes("plots/funnel.svg", funnel_svg(steps))
    about: list[tuple[str, Any]] = [
        ("recipe", run.recipe),
        *(("parameter", f"{k}={v}") for k, v in run.parameters.items()),
    ]
    about += [("input", url) for url in run.inputs[:20]]
    about += [("status", run.status), ("started", run.started_at), ("seconds", run.seconds or ""), ("code", run.code)]
    return {"steps": steps, "about": about}


def _filters(report: Report) -> dict[str, Any]:
    kept = drawn(report.connection, "dropped_by IS NULL AND error IS NULL", GRID)
    shown, filters = [kept], []
    for number, stage in enumerate(stage for stage in report.view.run.stages if stage.kind in ("filter", "gate")):
        found = thresholds(report.connection, stage, dict(report.kinds))
        examples = drawn(report.connection, f"{_fate(stage)} = {text(stage.repr)}", GRID)
        shown += [examples, *(table for each in found for table in (each.below, each.above) if table is not None)]
        filters.append(
            {
                "repr": stage.repr,
                "taken": _count(report, stage, stage.repr),
                "unmeasured": _count(report, stage, f"unmeasured: {stage.repr}"),
                "thresholds": [_threshold(report, each, f"filter-{number}-{i}") for i, each in enumerate(found)],
                "examples": _rows([examples]),
            }
        )
    pictures = write_thumbnails(report.view, _together(shown), report.out)
    return {"filters": filters, "kept": _rows([kept]), "pictures": pictures}


def _threshold(report: Report, threshold: Threshold, name: str) -> dict[str, Any]:
    name = f"{name}.svg"
    report.out.write_bytes(f"plots/{name}", histogram_svg(threshold))
    sides = {
        "below": _rows([threshold.below] if threshold.below is not None else []),
        "above": _rows([threshold.above] if threshold.above is not None else []),
    }
    return {"column": threshold.column, "bound": threshold.bound, "plot": name, **sides}


def _errors(report: Report, store: Store) -> dict[str, Any]:
    groups = failures(store)
    shown, entries = [], []
    for group in groups[:GROUPS]:
        stage = report.view.run.labels().get(group.stage, group.stage)
        examples = drawn(report.connection, f"error = {text(f'{stage}: {group.code}')}", EXAMPLES)
        shown.append(examples)
        facts = {"stage": group.stage, "code": group.code, "count": group.count, "message": group.message or ""}
        entries.append(facts | {"examples": _rows([examples])})
    pictures = write_thumbnails(report.view, _together(shown), report.out) if shown else set()
    return {"groups": entries, "more": max(len(groups) - GROUPS, 0), "pictures": pictures}


def _count(report: Report, stage: StageRecord, reason: str) -> int:
    sql = f"SELECT count(*) FROM samples WHERE {_fate(stage)} = ?"
    return int(report.connection.execute(sql, [reason]).fetchall()[0][0])


def _fate(stage: StageRecord) -> str:
    return f'"{stage.artefact}_dropped_by"' if stage.artefact else "dropped_by"


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables([table.select(["uid", "shard"]) for table in tables])


def _rows(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    rows = [row for table in tables for row in table.to_pylist()]
    return [row | {"shown": None if row.get("value") is None else f"{row['value']:.4g}"} for row in rows]
