"""The plots of a report, as SVG files; equal numbers give equal bytes."""

import io
import itertools
from collections.abc import Sequence
from typing import Any, Final

from curate.inspect.report.thresholds import Threshold

__all__ = ["bars_svg", "funnel_svg", "histogram_svg"]

SETTINGS: Final[Any] = {"svg.hashsalt": "curate", "svg.fonttype": "path", "font.size": 9, "text.parse_math": False}
PASSED, TAKEN, BOUND = "#2a7f9e", "#c8553d", "#222222"
LONGEST: Final = 60  # characters of a label


def funnel_svg(steps: Sequence[tuple[str, int]]) -> bytes:
    """Draw the funnel: one bar a line, as wide as its samples."""
    figure, axes = _figure(8, 0.6 + 0.28 * len(steps))
    names = [_short(name) for name, _ in steps]
    axes.barh(range(len(steps)), [n for _, n in steps], color=[_colour(name) for name, _ in steps])
    axes.set_yticks(range(len(steps)), names)
    axes.invert_yaxis()
    for i, (_, n) in enumerate(steps):
        axes.text(n, i, f" {n:,}", va="center")
    axes.set_xlabel("samples")
    axes.margins(x=0.12)
    return _svg(figure)


def histogram_svg(threshold: Threshold) -> bytes:
    """Draw the histogram of a column: what a filter let pass and what it took, and its bound."""
    figure, axes = _figure(7, 2.6)
    edges = threshold.edges
    widths = [right - left for left, right in itertools.pairwise(edges)]
    axes.bar(edges[:-1], threshold.passed, widths, align="edge", color=PASSED, label="let pass, or taken before")
    axes.bar(edges[:-1], threshold.taken, widths, threshold.passed, align="edge", color=TAKEN, label="taken by it")
    if threshold.bound is not None:
        axes.axvline(threshold.bound, color=BOUND, linestyle="--", label=f"bound {threshold.bound:g}")
    axes.set_xlabel(_short(threshold.column))
    axes.set_ylabel("samples")
    axes.legend()
    return _svg(figure)


def bars_svg(title: str, names: Sequence[str], counts: Sequence[int]) -> bytes:
    """Draw counts of some values, such as words of captions in classes."""
    figure, axes = _figure(7, 2.4)
    axes.bar(range(len(names)), counts, color=PASSED)
    axes.set_xticks(range(len(names)), [_short(name) for name in names], rotation=40 if len(names) > 8 else 0)
    axes.set_title(_short(title), loc="left")
    axes.set_ylabel("samples")
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _svg(figure: Any) -> bytes:
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context(SETTINGS):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()


def _colour(name: str) -> str:
    return PASSED if name in ("samples in", "kept") else TAKEN if "dropped by" in name else "#8a8a8a"


def _short(text: str) -> str:
    """Return a label that fits, without control characters."""
    plain = "".join(c if c.isprintable() else "\ufffd" for c in text)
    return plain if len(plain) <= LONGEST else f"{plain[: LONGEST - 1]}\u2026"
