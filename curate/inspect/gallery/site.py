"""The pages of a gallery: an address and its query in, a status, a media type and bytes out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any, Final

from curate.errors import CurateError, PlanError, StoreError
from curate.inspect.gallery.frame import Frame, open_frame
from curate.inspect.gallery.labelling import label_page, labels_page, write_label
from curate.inspect.gallery.pictures import Thumbnails, draw, make_thumbnails, placeholder
from curate.inspect.gallery.search import FATES, Search, count, page, read_search
from curate.inspect.gallery.similar import Neighbours, embedding_columns
from curate.inspect.gallery.whatif import Rules, count_at, find_rules
from curate.inspect.labels import LabelFile
from curate.inspect.report.captions import boxes_of, texts_of
from curate.inspect.report.rendering import environment, readable
from curate.inspect.tables import plain, value_text
from curate.inspect.view import View
from curate.stages import SOURCE_NAME

__all__ = ["Answer", "Site", "open_site"]

CARD: Final = ("uid", "alt_text", "dropped_by", "error")
NEAREST: Final = 48
LONGEST: Final = 4_000  # characters shown of one value
SHOWN: Final = 300  # of an alt text in the grid
ASSETS: Final = {"/style.css": "text/css", "/gallery.css": "text/css", "/script.js": "text/javascript"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser is sent; `kept` may be shown again without asking."""

    status: int
    kind: str
    content: bytes
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A run behind pages; `labels` is null where nothing may be written."""

    frame: Frame
    rules: Rules
    fates: list[tuple[str, str]]
    thumbnails: Thumbnails
    neighbours: Mapping[str, Neighbours]
    labels: LabelFile | None
    labeller: str
    pages: Any = field(repr=False)

    def get(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Answer a GET; what cannot be shown is a page that says why."""
        try:
            if path == "/favicon.ico":
                return Answer(204, "image/png", b"", kept=True)
            if path in ASSETS:
                return Answer(200, ASSETS[path], _asset(path.strip("/")))
            head, _, uid = path.strip("/").partition("/")
            if head in PICTURES and uid:
                return Answer(200, *PICTURES[head](self, uid), kept=True)
            if path == "/what-if.json":
                return Answer(200, "application/json", json.dumps(_counted(self, fields)).encode())
            if head == "sample" and uid:
                return self._page(path, "sample.html", 200, _sample(self, uid))
            if path in PAGES:
                name, make = PAGES[path]
                return self._page(path, name, 200, make(self, fields))
            return self._page(path, "trouble.html", 404, {"title": "Not found", "reason": "there is no such page"})
        except StoreError as error:
            return self._page(path, "trouble.html", 503, {"title": "Not readable", "reason": str(error)})
        except CurateError as error:
            return self._page(path, "trouble.html", 400, {"title": "Not possible", "reason": str(error)})

    def post(self, path: str, body: Any) -> Answer:
        """Write the label that a POST to /labels brings; raises CurateError where that is not possible."""
        if path != "/labels":
            return Answer(404, "application/json", b'{"error": "there is nothing to write here"}')
        try:
            write_label(self.frame, self.labels, self.labeller, body)
        except CurateError as error:
            return Answer(400, "application/json", json.dumps({"error": str(error)}).encode())
        return Answer(200, "application/json", b"{}")

    def _page(self, at: str, name: str, status: int, content: Mapping[str, Any]) -> Answer:
        shared = {"at": at, "run": self.frame.view.run, "size": self.frame.size, "labelling": self.labels is not None}
        text = self.pages.get_template(name).render(**shared, **content)
        return Answer(status, "text/html; charset=utf-8", readable(text).encode("utf-8", "replace"))


def open_site(view: View, labels: LabelFile | None = None, labeller: str = "") -> Site:
    """Read a run for its pages; raises PlanError without jinja2 or if the file of labels holds anything else."""
    pages = environment("curate.inspect.gallery", "curate.inspect.report")
    if labels is not None:
        labels.read()
    frame = open_frame(view)
    neighbours = {name: Neighbours(frame, name) for name in embedding_columns(frame)}
    rules, thumbnails = find_rules(frame), make_thumbnails(frame)
    return Site(frame, rules, _fates(frame), thumbnails, neighbours, labels, labeller, pages)


def _grid(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    search = read_search(fields, site.frame)
    edge = next((name for name in ("after", "before") if fields.get(name, "").isdecimal()), "")
    shown = page(site.frame, search, edge, int(fields[edge]) if edge else None)
    rows = site.frame.rows(shown.numbers, [*CARD, *([search.sort] if search.sort else [])])
    return {
        "title": "Samples",
        "search": search,
        "found": count(site.frame, search),
        "rows": [_card(row, row.get(search.sort)) for row in rows],
        "shown": shown,
        "fates": site.fates,
        "columns": list(site.frame.kinds),
        "texts": "clip_embedding" in site.neighbours,
    }


def _similar(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    uid, text = fields.get("uid", ""), fields.get("like", "")[:2_000]
    column = fields.get("column") or next(iter(site.neighbours), "")
    if column not in site.neighbours:
        raise PlanError("the run has no embeddings to compare; put Clip into its recipe")
    found = []
    if uid:
        found = site.neighbours[column].of_sample(uid, NEAREST)
    elif text.strip():
        found = site.neighbours[column].of_text(text, NEAREST)
    cosines = dict(found)
    rows = site.frame.rows(list(cosines), CARD)
    title = f"Like sample {uid[:12]}" if uid else f"Like \u201c{text}\u201d" if text else "Search by text"
    cards = [_card(row, round(cosines[row["n"]], 4)) for row in rows]
    return {"title": title, "rows": cards, "column": column, "columns": list(site.neighbours), "like": text}


def _what_if(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    names = [stage.name for stage in site.frame.view.run.stages]
    knobs = [
        asdict(knob)
        | {
            "top": max(knob.bars, default=0) or 1,
            "shown": f"{knob.bound:g}",
            "path": _path(names, knob.stage, knob.name),
        }
        for knob in site.rules.knobs
    ]
    return {"title": "What if", "knobs": knobs, "fixed": list(site.rules.fixed.values()), "now": _counted(site, {})}


def _path(names: list[str], stage: int, field_name: str) -> str:
    """Return how `-p` names a bound; nothing where stages share a name."""
    return f"{names[stage]}.{field_name}" if names.count(names[stage]) == 1 else ""


def _counted(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return counts at the bounds that the fields t0, t1, ... give, with addresses of the samples that change."""
    bounds = {}
    for name, value in fields.items():
        try:
            bounds[int(name.removeprefix("t"))] = float(value)
        except ValueError as error:
            raise PlanError(f"{name[:20]}={value[:40]!r} is no threshold") from error
    outcome = asdict(count_at(site.frame, site.rules, bounds))
    for name in ("gained", "lost", "unknown"):
        outcome[f"{name}_at"] = f"/?{Search(where=outcome.pop(f'{name}_where')).query()}"
    return outcome


def _sample(site: Site, uid: str) -> dict[str, Any]:
    table = site.frame.sample(uid)
    row = table.to_pylist()[0]
    values = {f.name: value_text(plain(f.type)(row[f.name]), LONGEST).plain for f in table.schema}
    try:
        draw(site.frame, table, boxes_of(row))
        reason = ""
    except CurateError as error:
        reason = str(error)
    return {
        "title": "Sample",
        "row": row,
        "reason": reason,
        "texts": texts_of(row),
        "hints": row.get("caption_hints"),
        "values": values,
        "embedded": [name for name in site.neighbours if row.get(name)],
    }


def _thumbnail(site: Site, uid: str) -> tuple[str, bytes]:
    return site.thumbnails(uid)


def _drawing(site: Site, uid: str) -> tuple[str, bytes]:
    table = site.frame.sample(uid)
    try:
        return draw(site.frame, table, boxes_of(table.to_pylist()[0]))
    except CurateError as error:
        return placeholder(str(error))


def _label(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    return label_page(site.frame, site.labels, fields)


def _labels(site: Site, fields: Mapping[str, str]) -> dict[str, Any]:
    return labels_page(site.frame, site.labels)


def _card(row: Mapping[str, Any], value: Any) -> dict[str, Any]:
    text = row["alt_text"] or "no text"
    shown = "" if value is None else value_text(round(value, 6) if isinstance(value, float) else value, 60).plain
    return dict(row) | {"text": text[:SHOWN], "value": shown}


def _fates(frame: Frame) -> list[tuple[str, str]]:
    """Return the fates that samples can be searched by, each with its number of samples."""
    counts = {
        row["stopped"]: row["n"]
        for row in frame.ask("SELECT stopped, count(*) AS n FROM frame GROUP BY stopped ORDER BY stopped").to_pylist()
    }
    names = {i: stage.repr[:80] for i, stage in enumerate(frame.view.run.stages)}
    names |= {-1: f"{SOURCE_NAME}, or not finished", 32_767: "another"}
    known = [(name, name or "any fate") for name in FATES]
    return known + [(str(i), f"{names[i]}: {n:,}") for i, n in counts.items() if i is not None]


def _asset(name: str) -> bytes:
    package = "curate.inspect.report" if name == "style.css" else "curate.inspect.gallery"
    return files(package).joinpath("pages", name).read_bytes()


PICTURES: Final[Mapping[str, Callable[[Site, str], tuple[str, bytes]]]] = {"thumb": _thumbnail, "drawing": _drawing}
PAGES: Final[Mapping[str, tuple[str, Callable[[Site, Mapping[str, str]], dict[str, Any]]]]] = {
    "/": ("grid.html", _grid),
    "/similar": ("similar.html", _similar),
    "/what-if": ("what_if.html", _what_if),
    "/label": ("label.html", _label),
    "/labels": ("labels.html", _labels),
}
