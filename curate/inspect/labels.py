"""Labels that people give samples: a file that only grows, and what it says of filters and judges."""

import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from rich.console import Group
from rich.table import Table
from rich.text import Text

from curate.captions.judging.calibration import Agreement, agreement
from curate.errors import PlanError, StoreError
from curate.inspect.calibrate import Gate
from curate.inspect.tables import printable
from curate.inspect.view import open_view
from curate.storage.store import Store

__all__ = ["BY_CHANCE", "KEEP", "Label", "LabelFile", "LabelReport", "Share", "label_report", "summarise", "wilson"]

KEEP: Final = "keep"
"""The question whose answers measure filters: should this sample be kept?"""
BY_CHANCE: Final = "uid"
"""The order of samples drawn by chance: a uid is a hash. Only labels given in it count for an interval."""
Z: Final = 1.959964  # 95 %
CUT: Final = '{"uid": "'  # how a line begins that a crash cut off


@dataclass(frozen=True, slots=True)
class Label:
    """One answer; `label` is null where an earlier one was taken back. `time` is for people: nothing is decided by it.

    `order` is the column by which samples were shown.
    """

    uid: str
    question: str
    label: int | None
    labeller: str
    order: str = ""
    time: str = ""

    def __post_init__(self) -> None:
        if not self.uid or set(self.uid) - set("0123456789abcdef") or len(self.uid) > 64:
            raise PlanError(f"{self.uid[:64]!r} is not a uid")
        if self.label not in (0, 1, None) or isinstance(self.label, bool):
            raise PlanError(f"label={self.label!r}: give 1, 0 or null")
        for name in ("question", "labeller", "order", "time"):
            value = getattr(self, name)
            if len(value) > 200 or not value.isprintable():
                raise PlanError(f"{name}: give at most 200 characters, none of them control characters")
        if not self.question:
            raise PlanError("a label answers a question; give one word or a sentence")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A JSON object per line, the last one about a uid and a question counts."""

    path: Path

    def add(self, label: Label) -> None:
        """Append a label, synced to disk; a line that a crash cut off stays a line of its own."""
        stamped = asdict(label) | {"time": label.time or datetime.now(UTC).isoformat(timespec="seconds")}
        line = json.dumps(stamped, ensure_ascii=False) + "\n"
        try:
            with self.path.open("ab+") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX)
                end = stream.seek(0, os.SEEK_END)
                if end:
                    stream.seek(end - 1)
                    line = line if stream.read(1) == b"\n" else f"\n{line}"
                stream.write(line.encode())
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise StoreError(
                f"{self.path} cannot be written ({error.strerror}); give another file: --labels"
            ) from error

    def read(self) -> dict[tuple[str, str], Label]:
        """Return the labels that count by (uid, question), in the order given; an unfinished line is passed over."""
        labels: dict[tuple[str, str], Label] = {}
        for label in self._lines():
            key = (label.uid, label.question)
            labels.pop(key, None)
            if label.label is not None:
                labels[key] = label
        return labels

    def _lines(self) -> Iterator[Label]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    fields = json.loads(line)
                    yield Label(**{name: fields.get(name, "") for name in Label.__dataclass_fields__})
                except (PlanError, TypeError, AttributeError, RecursionError) as error:
                    raise PlanError(f"{self.path} line {number} is no label: {error}") from error
                except ValueError as error:
                    if not line.startswith(CUT[: len(line.rstrip())]):
                        raise PlanError(f"{self.path} line {number} is no label; give a file of labels") from error


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some labelled samples were right, with Wilson's interval of 95 %; null of none."""

    what: str
    right: int
    labelled: int

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.right, self.labelled) if self.labelled else None


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What labels say: of what each filter took and of what is kept, and of judges at their thresholds.

    `left_out` counts labels of samples that were not shown by chance: they say nothing about the others.
    """

    question: str
    labels: int
    left_out: int
    shares: Sequence[Share]
    judges: Mapping[str, Agreement]

    def __rich__(self) -> Group:
        table = Table("samples", "labelled", "right", "share", "95 % interval", title=f"question {self.question}")
        for share in self.shares:
            ends = share.interval
            cells = (
                ("-", "-")
                if ends is None
                else (f"{share.right / share.labelled:.3f}", f"{ends[0]:.3f} to {ends[1]:.3f}")
            )
            table.add_row(Text(printable(share.what)), f"{share.labelled:,}", f"{share.right:,}", *cells)
        lines = [Text(f"{self.labels:,} labels; {self.left_out:,} of samples not shown by chance are left out above")]
        for name, found in self.judges.items():
            kappa = "-" if found.kappa is None else f"{found.kappa:.3f}"
            lines.append(
                Text(f"{name}: agrees with {_percent(found.accuracy)} of {found.items:,} labels, kappa {kappa}")
            )
        return Group(table, *lines)


def label_report(
    store: Store, file: LabelFile, question: str, gates: Sequence[Gate] = (), run: str | None = None
) -> LabelReport:
    """Return what the labels of a question say about a run, the newest by default; see `summarise`.

    Raises PlanError without labels, or where a gate names a column that the run lacks.
    """
    labels = [label for (_, asked), label in file.read().items() if asked == question]
    if not labels:
        raise PlanError(f"{file.path} has no label of the question {question!r}; `curate view --labels` writes some")
    columns = list(dict.fromkeys(gate.column for gate in gates))
    return summarise(question, labels, _rows(store, run, labels, columns), gates)


def summarise(
    question: str, labels: Sequence[Label], rows: Mapping[str, Mapping[str, Any]], gates: Sequence[Gate] = ()
) -> LabelReport:
    """Return what labels say of filters and of judges; `rows` has dropped_by, error and the gates' columns by uid.

    Right is a sample that a filter took and a person would not keep, or that is kept and a person would too.
    """
    found = [(label, rows[label.uid]) for label in labels if label.uid in rows]
    drawn = [(label.label, row) for label, row in found if label.order == BY_CHANCE]
    known = [5.0 if label.label else 1.0 for label, _ in found]
    judges = {
        f"{gate.column} >= {gate.minimum:g}": agreement(
            gate.column, gate.minimum, known, [row[gate.column] for _, row in found]
        )
        for gate in gates
    }
    shares = _shares(drawn) if question == KEEP else ()
    return LabelReport(question, len(found), len(found) - len(drawn), shares, judges)


def wilson(right: int, total: int, z: float = Z) -> tuple[float, float]:
    """Return the interval of Wilson (1927) of a share.

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    share, spread = right / total, z * z / total
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _rows(store: Store, run: str | None, labels: Sequence[Label], columns: Sequence[str]) -> dict[str, dict[str, Any]]:
    with open_view(store, run) as connection:
        there = connection.sql("SELECT * FROM samples LIMIT 0").columns
        if missing := [name for name in columns if name not in there]:
            raise PlanError(f"the run has no column {', '.join(missing)}; --gate is {KEEP}:column:minimum")
        named = ", ".join(f'"{name}"' for name in ("uid", "dropped_by", "error", *columns))
        uids = pa.table({"uid": pa.array([label.uid for label in labels], pa.string())})
        connection.register("labelled", uids)
        sql = f"SELECT {named} FROM samples WHERE uid IN (SELECT uid FROM labelled)"
        return {row["uid"]: row for row in connection.sql(sql).to_arrow_table().to_pylist()}


def _shares(drawn: Sequence[tuple[int | None, Mapping[str, Any]]]) -> list[Share]:
    answers: dict[str, list[bool]] = {}
    for label, row in drawn:
        fate = "failed" if row["error"] else f"taken by {row['dropped_by']}" if row["dropped_by"] else "kept"
        answers.setdefault(fate, []).append((label == 1) == (fate == "kept"))
    return [Share(fate, sum(right), len(right)) for fate, right in sorted(answers.items())]


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
