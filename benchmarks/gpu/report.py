"""The table of all steps as Markdown, and its place in docs/benchmarks.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["BEGIN", "END", "publish", "ratios", "table"]

BEGIN: Final = "<!-- GPU figures: `python -m benchmarks.gpu --publish` writes what is between these lines -->"
RATIOS: Final = (  # what is divided by what, at equal sides
    ("Curate / `LLM.chat`, Qwen2.5-VL", "captions", "captions_vllm"),
    ("Curate / `LLM.chat`, Qwen3-VL", "captions_qwen3", "captions_qwen3_vllm"),
    ("deterministic mode / plain", "deterministic", "captions"),
)
END: Final = "<!-- end of GPU figures -->"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return where the figures are from, and then a heading and a table for each step."""
    machines = dict.fromkeys(_machine(record) for record in records)
    several = len(machines) > 1
    parts = [f"{f'({number}) ' if several else ''}{each}" for number, each in enumerate(machines, 1)]
    if rows := ratios(records):
        parts += ["### Ratios of images/s", _markdown(rows)]
    for record in records:
        parts += _section(record, f"({list(machines).index(_machine(record)) + 1}) " if several else "")
    return "\n\n".join(parts) + "\n"


def ratios(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each side that both of two steps measured, on one machine and at one scale."""
    by_name = {record["step"]: record for record in records}
    rows = []
    for what, upper, lower in RATIOS:
        pair = [by_name.get(name) for name in (upper, lower)]
        if None in pair or len({(each["device"], each["scale"]) for each in pair if each}) > 1:
            continue
        over, under = (_speeds(each) for each in pair if each)
        rows += [{"what": what, "side px": side, "ratio": over[side] / under[side]} for side in over if side in under]
    return rows


def publish(page: Path, text: str) -> None:
    """Put a text between the markers of a page; raises ValueError if they are not there once each, in order."""
    old = page.read_text(encoding="utf-8")
    if old.count(BEGIN) != 1 or old.count(END) != 1 or old.index(BEGIN) > old.index(END):
        raise ValueError(f"{page} must have the lines {BEGIN!r} and {END!r} once each, in this order")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n\n{END}{after}", encoding="utf-8")


def _speeds(record: Mapping[str, Any]) -> dict[int, float]:
    return {row["side px"]: row["images/s"] for row in record["figures"] if "images/s" in row}


def _machine(record: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    return f"{record['device']}; commit {record['commit']}, Python {record['python']}, {versions}."


def _section(record: Mapping[str, Any], machine: str) -> list[str]:
    rows, said = record["figures"], f"load {record['load']}, {record['seconds']:.0f} s in all"
    parts = [f"### {record['about']}", f"{machine}`{record['step']}` at scale {record['scale']}, {said}."]
    if record["status"] != "done":
        error = record.get("error", "").splitlines()[-1:] or [""]
        parts.append(f"**{record['status']}** {_cell(error[0])}".strip())
    return [*parts, _markdown(rows)] if rows else parts


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
