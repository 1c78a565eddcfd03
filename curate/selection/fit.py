"""Fit utility and half-life of each bucket to the errors of small training runs.

Source: Goyal et al. 2024 (arXiv 2404.07177) fit by random points of a grid, as they found optimisers unstable, with one
scale for all buckets and an irreducible error of 0.1. Here a grid is searched in whole; from its best points damped
Gauss-Newton steps go on as long as they help, and the best end counts. Equal runs give equal buckets.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from curate.errors import PlanError
from curate.selection.utility import Bucket, Law

__all__ = ["HALF_LIVES", "Fit", "Measured", "Run", "fit_buckets"]

Floats = npt.NDArray[np.float64]

UTILITIES: Final = (-2.0, -0.001)
HALF_LIVES: Final = (0.05, 1_000.0)
FIRST_ERRORS: Final = (0.05, 1e9)  # scale * n / normaliser of the smallest run, at most and at least
POINTS: Final = 17  # of a grid along each axis
STARTS: Final = 8  # points of the grid over scale and irreducible error that the last search begins at
ROUNDS: Final = 5
SHRINK: Final = 0.55  # of a grid's width from round to round: neighbours of the best point stay inside
STEPS: Final = 500  # of the last search, at most


@dataclass(frozen=True, slots=True)
class Run:
    """The error of a model, 0 to 1 or any loss above 0, after `samples_seen` samples of one bucket."""

    samples_seen: int
    error: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A bucket of `samples` different samples that models were trained on, one run or several checkpoints of one.

    `half_life` is given where it is known; null: it is fitted, which takes a run that sees the bucket more than once.
    """

    name: str
    samples: int
    runs: tuple[Run, ...]
    half_life: float | None = None


@dataclass(frozen=True, slots=True)
class Fit:
    """Buckets with their fitted utilities and half-lives, the law they share, and how far it is from the runs.

    `rms_errors` is the root mean square of predicted less measured error, bucket by bucket.
    """

    buckets: tuple[Bucket, ...]
    law: Law
    rms_errors: tuple[float, ...]


def fit_buckets(measured: Sequence[Measured], law: Law, scale: bool = True, irreducible: bool = False) -> Fit:
    """Return the buckets that explain the runs best, in squared error.

    `law` gives what is not fitted: `scale` says whether its scale is, one for all buckets, `irreducible` whether its
    irreducible error is, between 0 and the lowest error of a run. Raises PlanError if the runs cannot tell.

    >>> from curate.selection.utility import pool_error
    >>> truth = Bucket("top 10 %", 1_000, -0.3, 2.0)
    >>> seen = [500, 1_000, 2_000, 4_000, 8_000]
    >>> runs = tuple(Run(n, pool_error([truth], Law(0.5, 0.1, 10.0), n)) for n in seen)
    >>> found = fit_buckets([Measured("top 10 %", 1_000, runs)], Law(0.5, 0.1, 10.0), scale=False).buckets[0]
    >>> round(found.utility, 3), round(found.half_life, 2)
    (-0.3, 2.0)
    """
    _check(measured, law, irreducible)
    tables = [_Table.of(each) for each in measured]
    smallest, lowest = min(t.first.min() for t in tables), min(float(t.errors.min()) for t in tables)
    scales = [math.log(bound / smallest * law.normaliser) for bound in FIRST_ERRORS]
    axes = [scales if scale else [math.log(law.scale)] * 2]
    axes += [[0.0, lowest * 0.999] if irreducible else [law.irreducible_error] * 2]

    low, high = _bounds(tables, axes)
    starts = _starts(tables, law, axes)
    ends = [_polish(lambda point: _residuals(tables, law, point), start, low, high) for start in starts]
    return _as_fit(measured, tables, law, min(ends, key=lambda point: _loss(tables, law, point)))


def _starts(tables: Sequence["_Table"], law: Law, axes: Sequence[Sequence[float]]) -> list[Floats]:
    """Return the best points of a grid over what is shared, each with the best utilities and half-lives beside it."""
    grid = [np.unique(np.linspace(low, high, POINTS)) for low, high in axes]
    found = []
    for point in itertools.product(*(axis.tolist() for axis in grid)):
        fits = [_fit_one(table, _law(law, point)) for table in tables]
        start = [*point, *(math.log(-fit[1]) for fit in fits), *(math.log(fit[2]) for fit in fits)]
        found.append((sum(fit[0] for fit in fits), start))
    return [np.array(start) for _, start in sorted(found)[:STARTS]]


def _loss(tables: Sequence["_Table"], law: Law, point: Floats) -> float:
    return float(np.square(_residuals(tables, law, point)).sum())


def _as_fit(measured: Sequence[Measured], tables: Sequence["_Table"], law: Law, found: Floats) -> Fit:
    many, best = len(tables), _law(law, found)
    utilities, half_lives = -np.exp(found[2 : 2 + many]), np.exp(found[2 + many :])
    pairs = zip(measured, utilities.tolist(), half_lives.tolist(), strict=True)
    buckets = tuple(Bucket(each.name, each.samples, b, tau) for each, b, tau in pairs)
    ends = np.cumsum([len(table.errors) for table in tables])[:-1]
    parts = np.split(_residuals(tables, law, found), ends)
    return Fit(buckets, best, tuple(math.sqrt(float(np.square(part).mean())) for part in parts))


@dataclass(frozen=True, slots=True)
class _Table:
    """The runs of a bucket as arrays: float64[m] samples of the first pass and errors, and the passes after it.

    `log_ratios` is float64[m, k]: log(n_k / n_(k-1)) of pass k from 1 on, 0 where the run was over.
    """

    first: Floats
    errors: Floats
    log_ratios: Floats
    half_life: float | None

    @staticmethod
    def of(bucket: Measured) -> "_Table":
        seen = np.array([run.samples_seen for run in bucket.runs], np.float64)
        passes = np.arange(1, int(seen.max() // bucket.samples) + 1, dtype=np.float64)
        before = bucket.samples * passes
        after = np.clip(seen[:, None], before, before + bucket.samples)
        errors = np.array([run.error for run in bucket.runs], np.float64)
        return _Table(np.minimum(seen, bucket.samples), errors, np.log(after / before), bucket.half_life)


def _law(law: Law, point: Sequence[float] | Floats) -> Law:
    return replace(law, scale=math.exp(point[0]), irreducible_error=float(point[1]))


def _fit_one(table: _Table, law: Law) -> tuple[float, float, float]:
    """Return the sum of squared errors, utility and half-life that fit one bucket best under a law."""
    log_first = np.log(law.scale * table.first / law.normaliser)
    passes = np.arange(1, table.log_ratios.shape[1] + 1, dtype=np.float64)
    utilities, half_lives = UTILITIES, HALF_LIVES if table.half_life is None else (table.half_life,) * 2
    bounds = [[math.log(-bound) for bound in utilities], [math.log(bound) for bound in half_lives]]
    low, high = np.min(bounds, axis=1), np.max(bounds, axis=1)
    centre, width = (low + high) / 2, high - low
    best = (math.inf, 0.0, 0.0)
    for _ in range(ROUNDS):
        b, tau = (_axis(centre[i], width[i], low[i], high[i]) for i in (0, 1))
        repeats = 0.5 ** (passes / np.exp(tau)[:, None]) @ table.log_ratios.T
        predicted = _predict(-np.exp(b)[:, None, None], log_first, repeats, law)
        losses = np.square(predicted - table.errors).sum(axis=-1)
        i, j = np.unravel_index(int(np.argmin(losses)), losses.shape)
        best = min(best, (float(losses[i, j]), -math.exp(b[i]), math.exp(tau[j])))
        centre, width = np.array([b[i], tau[j]]), width * SHRINK
    return best


def _predict(b: Floats, log_first: Floats, repeats: Floats, law: Law) -> Floats:
    """Return float64[utilities, half-lives, runs]: the errors of a bucket by itself, as `pool_error` gives them."""
    with np.errstate(over="ignore"):
        if law.form == "repository":
            predicted: Floats = (np.exp(b * log_first) + law.irreducible_error) * np.exp(b * repeats)
        else:
            predicted = np.exp(b * (log_first + repeats)) + law.irreducible_error
    return predicted


def _bounds(tables: Sequence[_Table], axes: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Return the bounds of all parameters: the shared ones, then utilities and half-lives as logarithms."""
    low, high = sorted(math.log(-bound) for bound in UTILITIES)
    each = [(low, high)] * len(tables)
    for table in tables:
        lives = HALF_LIVES if table.half_life is None else (table.half_life,) * 2
        each.append((math.log(lives[0]), math.log(lives[1])))
    bounds = np.array([*((axis[0], axis[1]) for axis in axes), *each])
    return bounds[:, 0], bounds[:, 1]


def _residuals(tables: Sequence[_Table], law: Law, point: Floats) -> Floats:
    """Return float64[m], predicted less measured error of all runs, at a point of all parameters."""
    shared, many, parts = _law(law, point), len(tables), []
    for i, table in enumerate(tables):
        passes = np.arange(1, table.log_ratios.shape[1] + 1, dtype=np.float64)
        repeats = table.log_ratios @ 0.5 ** (passes / math.exp(point[2 + many + i]))
        log_first = np.log(shared.scale * table.first / law.normaliser)
        parts.append(_predict(np.array(-math.exp(point[2 + i])), log_first, repeats, shared) - table.errors)
    return np.concatenate(parts)


def _polish(residuals: Callable[[Floats], Floats], point: Floats, low: Floats, high: Floats) -> Floats:
    """Return the point that damped Gauss-Newton steps (Levenberg-Marquardt) inside the bounds lead to."""
    free, damping = np.flatnonzero(high > low), 1e-3
    error = residuals(point)
    for _ in range(STEPS):
        slopes = np.empty((len(error), len(free)))
        for column, i in enumerate(free):
            step = np.zeros_like(point)
            step[i] = 1e-6
            above, below = np.minimum(point + step, high), np.maximum(point - step, low)
            slopes[:, column] = (residuals(above) - residuals(below)) / (above[i] - below[i])
        normal, gradient = slopes.T @ slopes, slopes.T @ error
        diagonal = damping * (np.diag(normal) + 1e-12)
        moved = point.copy()
        moved[free] -= np.linalg.solve(normal + np.diag(diagonal), gradient)
        moved = np.clip(moved, low, high)
        new = residuals(moved)
        if new @ new < error @ error:
            done = error @ error - new @ new <= 1e-15 * (error @ error)
            point, error, damping = moved, new, damping / 3
            if done:
                break
        else:
            damping *= 4
            if damping > 1e12:
                break
    return point


def _axis(centre: float, width: float, low: float, high: float, points: int = POINTS) -> Floats:
    """Return the points of one axis of a grid, inside its bounds; one point where there is nothing to choose."""
    if low == high:
        return np.array([low])
    inside: Floats = np.unique(np.clip(np.linspace(centre - width / 2, centre + width / 2, points), low, high))
    return inside


def _check(measured: Sequence[Measured], law: Law, irreducible: bool) -> None:
    if not measured:
        raise PlanError("there is no bucket to fit")
    for bucket in measured:
        sizes = {run.samples_seen for run in bucket.runs}
        repeated = any(run.samples_seen > bucket.samples for run in bucket.runs)
        if any(run.samples_seen < 1 or not 0 < run.error < math.inf for run in bucket.runs):
            raise PlanError(f"bucket {bucket.name}: a run has samples seen below 1, or an error that is not above 0")
        if len(sizes) < 2:
            raise PlanError(f"bucket {bucket.name} has runs of {len(sizes)} lengths; its utility needs 2 at least")
        if bucket.half_life is None and (not repeated or len(sizes) < 3):
            raise PlanError(
                f"bucket {bucket.name}: a half-life needs runs of 3 lengths, one of more than its {bucket.samples:,} "
                "samples; train longer, or give half_life"
            )
        lowest = min(run.error for run in bucket.runs)
        if not irreducible and lowest <= law.irreducible_error:
            raise PlanError(
                f"bucket {bucket.name} has a run of error {lowest:g}, which is not above irreducible_error="
                f'{law.irreducible_error:g}; give a lower one, or irreducible_error = "fit"'
            )
