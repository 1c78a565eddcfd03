"""Report how many of a run's questions models answer without the image: rates by kind, gain and leakage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from curate.captions.questioning.blind import BlindRate, blind_rates, gain, leakage, scores
from curate.errors import PlanError
from curate.inspect.tables import printable
from curate.inspect.view import open_view
from curate.storage.store import Store

__all__ = ["BlindReport", "blind_report"]

ROWS = 10_000  # samples in memory at once
ASKED = "qa IS NOT NULL AND qa_blind IS NOT NULL"


@dataclass(frozen=True, slots=True)
class BlindReport:
    """Shares of right answers over the same questions: `seen` with the image, one per blind model without it.

    `gain` is MG = S_v - S_wv and `leakage` ML = max(0, S_wv - S_t) of MMStar (arXiv 2403.20330), where S_wv is the
    blind model `vlm`, the model that answered with the image, and S_t the blind model `base`, its language model; null
    where there is no such blind model.
    """

    rates: tuple[BlindRate, ...]
    seen: float | None
    blind: Mapping[str, float | None]
    vlm: str | None
    base: str | None

    @property
    def gain(self) -> float | None:
        unseen = self.blind.get(self.vlm or "")
        return None if self.seen is None or unseen is None else gain(self.seen, unseen)

    @property
    def leakage(self) -> float | None:
        unseen, base = self.blind.get(self.vlm or ""), self.blind.get(self.base or "")
        return None if unseen is None or base is None else leakage(unseen, base)

    def __rich__(self) -> Group:
        table = Table("kind", "questions", "right, seen", "right, blind", "over the limit", title="By kind")
        for rate in self.rates:
            shares = (f"{share:.3f}" for share in (rate.seen, rate.blind, rate.over))
            table.add_row(rate.kind, f"{rate.questions:,}", *shares)
        lines = [f"right with the image: {_share(self.seen)}"]
        lines += [f"right without: {_share(share)} {printable(name)}" for name, share in self.blind.items()]
        lines.append(f"multi-modal gain: {_share(self.gain)}" + (f" of {printable(self.vlm)}" if self.vlm else ""))
        lines.append(f"multi-modal leakage: {_share(self.leakage)}" + ("" if self.base else " (give --base)"))
        return Group(table, *(Text(line) for line in lines))


def blind_report(
    store: Store, run_id: str | None = None, vlm: str | None = None, base: str | None = None, share: float = 0.25
) -> BlindReport:
    """Return what the answers without the image in a run (the newest by default) tell of its questions.

    `vlm` is by default the blind model of the same name as the model that answered. Raises PlanError if nothing was
    answered blind, or if there is no such blind model.
    """
    with open_view(store, run_id) as connection:
        listed = _blind_models(connection)
        if not listed:
            raise PlanError(f"{store.root}: no question was answered blind; BlindAnswers does that (recipe caption_qa)")
        if len(listed) > 1:
            raise PlanError(f"{store.root}: its samples were answered by different blind models; ask for one run")
        names, model = listed[0]
        for name in (vlm, base):
            if name is not None and name not in names:
                raise PlanError(f"no blind model {name!r}; there are {', '.join(names)}")
        shares, rates = scores(_rows(connection), names), blind_rates(_rows(connection), share)
    sighted = next((name for name in (vlm, model, f"{model} (grey)") if name in names), None)
    return BlindReport(tuple(rates), shares["seen"], {name: shares[name] for name in names}, sighted, base)


def _blind_models(connection: Any) -> list[tuple[list[str], str]]:
    """Return the different lists of blind models of a run, each with the model that answered with the image."""
    columns: Sequence[str] = connection.sql("SELECT * FROM samples LIMIT 0").columns
    if not {"qa", "qa_blind"} <= set(columns):
        return []
    sql = f"SELECT DISTINCT qa_blind_models, qa_model FROM samples WHERE {ASKED} ORDER BY ALL"
    return [(list(names), str(model)) for names, model in connection.sql(sql).fetchall()]


def _rows(connection: Any) -> Iterator[dict[str, Any]]:
    reader = connection.sql(f"SELECT qa, qa_blind FROM samples WHERE {ASKED}").to_arrow_reader(ROWS)
    for batch in reader:
        yield from batch.to_pylist()


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
