"""Read buckets from a file, with their utilities or with the runs that these are fitted to; write fitted ones.

TOML or JSON:

    irreducible_error = 0.1            # or "fit"; 0.1 by default
    scale = 0.022                      # of given utilities; left out, or "fit": fitted to the runs
    [[bucket]]
    name = "top 10 %"
    samples = 12_800_000
    utility = -0.2                     # given ...
    half_life = 3.0
    [[bucket]]
    name = "10 to 20 %"
    samples = 12_800_000
    runs = [[12_800_000, 0.75], [51_200_000, 0.62], [128_000_000, 0.58]]    # ... or measured: samples seen, error

CSV has a line a run: `bucket,samples,samples_seen,error`.
"""

import csv
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from curate.errors import PlanError
from curate.selection.fit import Fit, Measured, Run, fit_buckets
from curate.selection.utility import Bucket, Law

__all__ = ["Plan", "plan_text", "read_plan"]

COLUMNS: Final = ("bucket", "samples", "samples_seen", "error")
FORBID: Final = {"extra": "forbid"}  # an unknown name in a file is an error
Form = Literal["paper", "repository"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Buckets and the law they share; `fit` is how they were fitted, null where they were given.

    `longest_run` is the most samples that a run of theirs saw, null where they were given.
    """

    buckets: tuple[Bucket, ...]
    law: Law
    fit: Fit | None = None
    longest_run: int | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One bucket as it stands in a file."""

    name: str
    samples: int
    utility: float | None = None
    half_life: float | None = None
    runs: tuple[tuple[int, float], ...] = ()
    __pydantic_config__: ClassVar[dict[str, str]] = FORBID


@dataclass(frozen=True, slots=True)
class _Document:
    """A file of buckets."""

    bucket: tuple[_Entry, ...] = ()
    scale: float | Literal["fit"] = "fit"
    irreducible_error: float | Literal["fit"] = 0.1
    normaliser: float = 100_000.0
    form: Form | None = None
    __pydantic_config__: ClassVar[dict[str, str]] = FORBID


def read_plan(path: Path, form: Form | None = None) -> Plan:
    """Return the buckets of a file; those with runs are fitted. `form` is taken over what the file says.

    Raises PlanError that names the file, the bucket and what is wrong.
    """
    try:
        document = _parse(path)
        law = Law(
            1.0 if document.scale == "fit" else document.scale,
            0.0 if document.irreducible_error == "fit" else document.irreducible_error,
            document.normaliser,
            form or document.form or "paper",
        )
        return _plan(document, law)
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def plan_text(plan: Plan) -> str:
    """Return a plan as JSON that `read_plan` reads, with utilities instead of runs."""
    law = plan.law
    buckets = [
        {"name": each.name, "samples": each.samples, "utility": each.utility, "half_life": each.half_life}
        for each in plan.buckets
    ]
    shared = {name: getattr(law, name) for name in ("scale", "irreducible_error", "normaliser", "form")}
    return json.dumps(shared | {"bucket": buckets}, indent=1, ensure_ascii=False) + "\n"


def _plan(document: _Document, law: Law) -> Plan:
    entries = document.bucket
    if not entries:
        raise PlanError("there is no bucket in it")
    if repeated := sorted({each.name for each in entries if [e.name for e in entries].count(each.name) > 1}):
        raise PlanError(f"two buckets are called {repeated[0]!r}")
    given = [each.utility is not None for each in entries]
    if all(given):
        return _given(entries, document, law)
    if any(given):
        raise PlanError("some buckets have a utility and some have runs; fit all to runs, or give all")
    measured = [_measured(each) for each in entries]
    fit = fit_buckets(measured, law, document.scale == "fit", document.irreducible_error == "fit")
    return Plan(fit.buckets, fit.law, fit, max(run.samples_seen for each in measured for run in each.runs))


def _given(entries: Sequence[_Entry], document: _Document, law: Law) -> Plan:
    if document.scale == "fit" or document.irreducible_error == "fit":
        raise PlanError("utilities mean nothing without scale and irreducible_error; give both as numbers")
    if both := [each.name for each in entries if each.runs]:
        raise PlanError(f"bucket {both[0]} has a utility and runs; leave one out")
    if lacking := [each.name for each in entries if each.half_life is None]:
        raise PlanError(f"bucket {lacking[0]} has a utility and no half_life; give the epochs after which it halves")
    buckets = tuple(Bucket(e.name, e.samples, e.utility or 0.0, e.half_life or 0.0) for e in entries)
    return Plan(buckets, law)


def _measured(entry: _Entry) -> Measured:
    if not entry.runs:
        raise PlanError(f"bucket {entry.name} has neither a utility nor runs; give one of both")
    if entry.samples < 1:
        raise PlanError(f"bucket {entry.name}: samples={entry.samples}: give 1 or more")
    if entry.half_life is not None and not 0 < entry.half_life < math.inf:
        raise PlanError(f"bucket {entry.name}: half_life={entry.half_life}: give a number of epochs above 0")
    return Measured(entry.name, entry.samples, tuple(Run(*run) for run in entry.runs), entry.half_life)


def _parse(path: Path) -> _Document:
    from pydantic import TypeAdapter, ValidationError

    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PlanError(f"cannot be read: {error.strerror}; give a TOML, JSON or CSV file of buckets") from error
    try:
        return TypeAdapter(_Document).validate_python(_load(path.suffix.lower(), raw))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PlanError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}; got {first['input']!r}") from error


def _load(suffix: str, raw: bytes) -> Mapping[str, Any]:
    """Return the file as the mapping that TOML is."""
    try:
        text = raw.decode()
        if suffix == ".csv":
            return _from_csv(text)
        data = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlanError(f"is not {suffix.lstrip('.').upper() or 'TOML'}: {error}") from error
    if not isinstance(data, dict):
        raise PlanError("holds no object with a list `bucket`")
    return data


def _from_csv(text: str) -> dict[str, Any]:
    rows = csv.DictReader(text.splitlines())
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise PlanError(f"has no column {missing[0]!r}; a CSV of runs has {', '.join(COLUMNS)}")
    buckets: dict[str, dict[str, Any]] = {}
    for i, row in enumerate(rows, 2):
        bucket = buckets.setdefault(row["bucket"], {"name": row["bucket"], "samples": row["samples"], "runs": []})
        if bucket["samples"] != row["samples"]:
            raise PlanError(f"line {i}: bucket {row['bucket']} has {row['samples']} samples, and another number above")
        bucket["runs"].append((row["samples_seen"], row["error"]))
    return {"bucket": list(buckets.values())}
