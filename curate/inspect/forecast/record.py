"""What was foreseen for a run, and what it took."""

from curate.dataset.manifest import Manifest, load, run_ids, save
from curate.storage.store import Store

__all__ = ["foreseen", "note_forecast"]


def note_forecast(store: Store, manifest: Manifest, verdict: str, told: dict[str, float]) -> None:
    """Record in a pilot's manifest what was foreseen for the run with this verdict, to be compared afterwards."""
    manifest.counts["forecast"] = {"verdict": verdict, **{name: round(value, 1) for name, value in told.items()}}
    save(store, manifest)


def foreseen(store: Store, manifest: Manifest) -> str:
    """Return a line about what the newest pilot foresaw for a run; empty if there is none, or nothing was measured."""
    actual = ((manifest.counts or {}).get("costs") or {}).get("seconds")
    for run in reversed(run_ids(store) if actual else ()):
        told = (load(store, run).counts or {}).get("forecast") or {"verdict": None}
        if told["verdict"] == manifest.verdict:
            return (
                f"foreseen by the pilot {run}: {told['seconds']:,.0f} s ({told['low']:,.0f} to {told['high']:,.0f}); "
                f"it took {actual:,.0f} s ({actual / told['seconds'] - 1:+.0%})"
            )
    return ""
