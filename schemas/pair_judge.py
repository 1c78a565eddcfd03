"""What a judge says of a preference pair, asked in both orders."""

import pyarrow as pa

from schemas.fields import column

__all__ = ["PAIR_JUDGE"]

NULL = "no pair, or not judged"


def _column(name: str, kind: pa.DataType, unit: str, doc: str, null: str = NULL) -> pa.Field:
    return column(name, kind, unit=unit, null=null, producer="pair_judge", doc=doc)


PAIR_JUDGE = pa.schema(
    [
        _column(
            "pair_judge_answer",
            pa.string(),
            "name",
            "The judge's answer with `pair_chosen` in the first place: `1`, `2`, `tie`, or `unparsed` where it could "
            "not be read.",
        ),
        _column("pair_judge_answer_swapped", pa.string(), "name", "The same with `pair_rejected` in the first place."),
        _column(
            "pair_judge_preference",
            pa.string(),
            "name",
            "What both say: `chosen`, `rejected`, `tie`, `inconsistent` (the orders disagree), `unparsed` (one of them "
            "could not be read).",
        ),
        _column(
            "pair_judge_agreement",
            pa.bool_(),
            "yes/no",
            "Whether both orders say the same.",
            f"{NULL}, or an answer could not be read",
        ),
        _column(
            "pair_judge_reasons",
            pa.list_(pa.string()),
            "texts",
            "The judge's reasons in both orders; the whole answer where it could not be read. Synthetic text.",
        ),
        _column("pair_judge_prompt_id", pa.string(), "id", "Id of the prompt."),
        _column("pair_judge_model", pa.string(), "name", "Name of the judge; its weights are in the stage id."),
        _column("pair_judge_prompt_tokens", pa.int32(), "count", "Tokens of both prompts with their images."),
        _column("pair_judge_completion_tokens", pa.int32(), "count", "Tokens of both answers."),
    ]
)
