"""The caption after one try to mend it."""

import pyarrow as pa

from schemas.caption_guards import GUARD_MARKS
from schemas.fields import column

__all__ = ["REPAIR_CAPTION", "REPAIR_OUTCOMES", "REPAIR_REASONS"]

REPAIR_OUTCOMES = ("not_needed", "repaired", "kept")
"""`kept`: asked again, and the first caption was no worse."""

REPAIR_REASONS = tuple(
    sorted(
        (
            *GUARD_MARKS,
            "denied_object",
            "missed_object",
            "missed_text",
            "unsupported_object",
            "unsupported_text",
            "wrong_count",
            "wrong_place",
        )
    )
)
"""Every name that `repair_reasons` may hold, sorted."""


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = "no caption") -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="repair_caption", doc=doc)


ASKED = "no caption, or not asked again"

REPAIR_CAPTION = pa.schema(
    [
        _column("final_caption", pa.string(), "text", "The better of the two captions. Synthetic text."),
        _column("final_caption_words", pa.int32(), "count", "Its words, counted as `text_words`."),
        _column(
            "final_caption_marks",
            pa.list_(pa.string()),
            "names",
            "What the guards find wrong with it, sorted, the language included: the marks of `caption_guards`.",
        ),
        _column(
            "repair_outcome",
            pa.string(),
            "name",
            "`not_needed`, `repaired` (the second caption is the better one), or `kept` (it is not).",
        ),
        _column(
            "repair_reasons",
            pa.list_(pa.string()),
            "names",
            "Why it was asked again, sorted; empty: it was not. Marks, and "
            + ", ".join(name for name in REPAIR_REASONS if name not in GUARD_MARKS)
            + ".",
        ),
        _column(
            "repair_faults_before",
            pa.int32(),
            "count",
            "Faults of the first caption: marks, wrong claims, what it misses.",
        ),
        _column("repair_faults_after", pa.int32(), "count", "The same of the final caption."),
        _column("repair_caption", pa.string(), "text", "What came back, chosen or not. Synthetic text.", ASKED),
        _column("repair_prompt_id", pa.string(), "id", "Id of the prompt of the second try.", ASKED),
        _column("repair_model", pa.string(), "name", "Name of the model that was asked again.", ASKED),
        _column("repair_prompt_tokens", pa.int32(), "count", "Tokens of the second prompt, image included.", ASKED),
        _column("repair_completion_tokens", pa.int32(), "count", "Tokens of the second answer.", ASKED),
    ]
)
