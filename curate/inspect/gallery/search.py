"""Which samples a page shows, and in which order: an address's query as SQL, paged by the last sample shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import duckdb

from curate.errors import PlanError
from curate.inspect.gallery.frame import Frame
from curate.inspect.view import plain_error

__all__ = ["FATES", "PAGE", "Page", "Search", "count", "page", "read_search"]

PAGE: Final = 48  # samples on a page
LONGEST: Final = 16_000  # characters of a field
FATES: Final = {
    "": None,
    "kept": "stopped IS NULL",
    "dropped": "dropped_by IS NOT NULL",
    "failed": "error IS NOT NULL",
}
TEXTS: Final = ("alt_text", "caption", "final_caption", "best_caption", "ocr_text", "key")


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked: `text` in any text, `fate`, `shard`, an SQL condition, a column to sort by.

    `fate` is a key of `FATES`, or the number of a stage that stopped samples. Without `sort` samples come in the order
    of shard and row; "uid" is an order by chance, the same one each time, as a uid is a hash.
    """

    text: str = ""
    fate: str = ""
    shard: str = ""
    where: str = ""
    sort: str = ""
    down: bool = False

    def query(self, **more: Any) -> str:
        """Return the search as the query of an address, with more fields."""
        fields = {"text": self.text, "fate": self.fate, "shard": self.shard, "where": self.where, "sort": self.sort}
        fields |= {"down": "1" if self.down else ""} | {name: str(value) for name, value in more.items()}
        return urlencode({name: value for name, value in fields.items() if value != ""})


@dataclass(frozen=True, slots=True)
class Page:
    """A page of samples by `n`; `before` and `after` name its ends where there are more on that side."""

    numbers: tuple[int, ...]
    before: int | None
    after: int | None


def read_search(fields: Mapping[str, str], frame: Frame) -> Search:
    """Return the search of an address's query; raises PlanError for what no search has."""
    given = {name: fields.get(name, "").strip()[:LONGEST] for name in ("text", "fate", "shard", "where", "sort")}
    sort, fate = given["sort"], given["fate"]
    if sort and sort not in frame.kinds:
        raise PlanError(f"{sort[:80]!r} is no column to sort by; there are {', '.join(frame.kinds)}")
    if fate not in FATES and not fate.removeprefix("-").isdecimal():
        raise PlanError(f"fate={fate[:80]!r}: give one of {', '.join(filter(None, FATES))} or a stage's number")
    return Search(given["text"], fate, given["shard"], given["where"], sort, fields.get("down", "") == "1")


def count(frame: Frame, search: Search) -> int:
    """Return how many samples a search finds."""
    condition, values = _condition(frame, search)
    return int(frame.ask(f"SELECT count(*) FROM frame WHERE {condition}", values)[0][0].as_py())


def page(frame: Frame, search: Search, edge: str = "", n: int | None = None, most: int = PAGE) -> Page:
    """Return a page: the first, or the one "before" or "after" sample `n`. It takes as long wherever it is."""
    condition, values = _condition(frame, search)
    back = edge == "before"
    if n is not None:
        beyond, more = _beyond(frame, search, n, back)
        condition, values = f"{condition} AND {beyond}", [*values, *more]
    sql = f"SELECT n FROM frame WHERE {condition} ORDER BY {_order(search, back)} LIMIT {most + 1}"
    found = frame.ask(sql, values)["n"].to_pylist()
    there, numbers = len(found) > most, found[:most]
    numbers = numbers[::-1] if back else numbers
    earlier, later = (there, n is not None) if back else (n is not None, there)
    first, last = (numbers[0], numbers[-1]) if numbers else (None, None)
    return Page(tuple(numbers), first if earlier else None, last if later else None)


def _condition(frame: Frame, search: Search) -> tuple[str, list[Any]]:
    """Return the WHERE of a search and its values; strangers' words are values, but for the condition itself."""
    parts, values = ["true"], []
    if search.text:
        texts = [name for name in TEXTS if name in frame.kinds]
        parts.append("(" + " OR ".join(f'contains(lower("{name}"), lower(?))' for name in texts) + ")")
        values += [search.text] * len(texts)
    if search.fate:
        parts.append(FATES.get(search.fate) or f"stopped = {int(search.fate)}")
    if search.shard:
        parts.append("contains(shard, ?)")
        values.append(search.shard)
    if search.where:
        parts.append(_checked(frame, search.where))
    return " AND ".join(parts), values


def _checked(frame: Frame, where: str) -> str:
    """Return a condition in brackets of its own; over columns that the frame lacks, the samples that the view finds."""
    try:
        duckdb.SQLExpression(where)
    except duckdb.Error as error:
        raise PlanError(f"the condition is not one SQL expression: {plain_error(error)}") from error
    try:
        frame.ask(f"SELECT 1 FROM frame WHERE ({where}\n) LIMIT 0")
    except PlanError:  # a list, or no column at all: the view says which
        return f"n IN (SELECT n FROM {frame.matches(where)})"
    return f"({where}\n)"


def _order(search: Search, back: bool) -> str:
    """Return the ORDER BY: what has no value comes last, and first when walked back."""
    way = "DESC" if search.down != back else "ASC"
    sort = f'"{search.sort}" {way} NULLS {"FIRST" if back else "LAST"}, ' if search.sort else ""
    return f"{sort}n {'DESC' if back else 'ASC'}"


def _beyond(frame: Frame, search: Search, n: int, back: bool) -> tuple[str, list[Any]]:
    """Return the condition of being past sample `n` in the order, or before it."""
    side = "<" if back else ">"
    if not search.sort:
        return f"n {side} ?", [n]
    column, further = f'"{search.sort}"', "<" if search.down != back else ">"
    rows = frame.rows([n], [search.sort])
    if not rows:
        raise PlanError(f"the run has no sample number {n}")
    value = rows[0][search.sort]
    if value is None:
        return (f"({column} IS NOT NULL OR n {side} ?)" if back else f"({column} IS NULL AND n {side} ?)"), [n]
    last = "" if back else f" OR {column} IS NULL"
    return f"({column} {further} ? OR ({column} = ? AND n {side} ?){last})", [value, value, n]
