"""Label mode: one sample after another, a question, and what the answers say."""

from collections.abc import Mapping
from typing import Any, Final

from curate.errors import PlanError
from curate.inspect.gallery.frame import Frame
from curate.inspect.gallery.search import Search, page, read_search
from curate.inspect.labels import BY_CHANCE, KEEP, Label, LabelFile, summarise
from curate.inspect.report.captions import texts_of

__all__ = ["label_page", "labels_page", "write_label"]

QUESTIONS: Final = {KEEP: "Should this sample be kept?"}


def label_page(frame: Frame, file: LabelFile | None, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the sample to be labelled next: the one that was asked for, or the first of a search without a label."""
    labels = _there(file).read()
    question = fields.get("question", "").strip()[:200] or KEEP
    search = read_search({"sort": BY_CHANCE, **fields}, frame)
    at = int(fields["at"]) if fields.get("at", "").isdecimal() else None
    n = at if at is not None else _first_open(frame, search, {uid for uid, asked in labels if asked == question})
    rows = [] if n is None else frame.rows([n], ["uid"])
    if n is None or not rows:
        return {"title": "Label", "row": None, "question": question, "search": search}
    uid = rows[0]["uid"]
    row = frame.sample(uid).to_pylist()[0]
    given = labels.get((uid, question))
    links = {"next": _beside(frame, search, n, "after"), "previous": _beside(frame, search, n, "before")}
    base = search.query(question=question)
    chance = search.sort == BY_CHANCE and not (search.text or search.shard or search.where)
    return {
        "title": "Label",
        "row": row,
        "texts": texts_of(row),
        "question": question,
        "asked": QUESTIONS.get(question, question),
        "search": search,
        "order": BY_CHANCE if chance else search.sort or "chosen",
        "given": None if given is None else given.label,
        "done": sum(asked == question for _, asked in labels),
        "here": f"/label?{base}&at={n}",
        **{name: "" if number is None else f"/label?{base}&at={number}" for name, number in links.items()},
    }


def labels_page(frame: Frame, file: LabelFile | None) -> dict[str, Any]:
    """Return what the labels of each question say about the run."""
    labels = list(_there(file).read().values())
    uids = [label.uid for label in labels]
    found = frame.ask("SELECT uid, dropped_by, error FROM frame WHERE uid IN (SELECT unnest(?))", [uids]).to_pylist()
    rows = {row["uid"]: row for row in found}
    questions = dict.fromkeys(label.question for label in labels)
    reports = [summarise(name, [each for each in labels if each.question == name], rows) for name in questions]
    yes = {name: sum(bool(each.label) for each in labels if each.question == name) for name in questions}
    return {"title": "Labels", "reports": reports, "yes": yes, "file": str(_there(file).path)}


def write_label(frame: Frame, file: LabelFile | None, labeller: str, body: Any) -> None:
    """Append the label that a page sends; raises PlanError if it is none, or of no sample of the run."""
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in ("uid", "question", "order")):
        raise PlanError("a label has uid, question, order and label")
    label = Label(body["uid"], body["question"], body.get("label"), labeller, body["order"])
    frame.find(label.uid)
    _there(file).add(label)


def _there(file: LabelFile | None) -> LabelFile:
    if file is None:
        raise PlanError("this gallery only reads; start it with --labels FILE to label samples")
    return file


def _first_open(frame: Frame, search: Search, done: set[str]) -> int | None:
    edge, n = "", None
    while True:
        shown = page(frame, search, edge, n)
        open_ = [row["n"] for row in frame.rows(shown.numbers, ["uid"]) if row["uid"] not in done]
        if open_ or shown.after is None:
            return open_[0] if open_ else None
        edge, n = "after", shown.after


def _beside(frame: Frame, search: Search, n: int, edge: str) -> int | None:
    return next(iter(page(frame, search, edge, n, most=1).numbers), None)
