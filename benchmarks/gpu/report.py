"""The table of all steps as Markdown, and its place in docs/benchmarks.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["BEGIN", "END", "publish", "table"]

BEGIN: Final = "<!-- GPU figures: `python -m benchmarks.gpu --publish` writes what is between these lines -->"
END: Final = "<!-- end of GPU figures -->"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a heading, a line of provenance and a table for each step."""
    return "\n\n".join(_section(record) for record in records) + "\n"


def publish(page: Path, text: str) -> None:
    """Put a text between the markers of a page; raises ValueError if they are not there once each, in order."""
    old = page.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(f"{page} must have the lines {BEGIN!r} and {END!r} once each, in this order")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}", encoding="utf-8")


def _section(record: Mapping[str, Any]) -> str:
    about, rows = record["about"], record["figures"]
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    where = (
        f"`{record['step']}` at scale {record['scale']}: {record['device']}; commit {record['commit']}, "
        f"Python {record['python']}, {versions}; load {record['load']}; {record['seconds']:.0f} s."
    )
    parts = [f"### {about}", where]
    if record["status"] != "done":
        parts.append(f"**{record['status']}**")
    if rows:
        parts.append(_markdown(rows))
    return "\n\n".join(parts)


def _markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([_cell(row.get(name)) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "/").replace("\n", " ")
