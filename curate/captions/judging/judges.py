"""What judges are asked, and how their answers are read: an answer that cannot be read is no verdict at all."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from curate.captions.prompting.untrusted import neutral

__all__ = [
    "AXES",
    "PAIR_SCHEMA",
    "SCORE_SCHEMA",
    "UNPARSED",
    "PositionBias",
    "Verdict",
    "judge_prompt",
    "position_bias",
    "preferred",
    "read_scores",
    "read_verdict",
    "score_prompt",
]

UNPARSED: Final = "unparsed"
AXES: Final = ("vir", "ita")
REASON_CHARACTERS: Final = 400  # so that guided decoding ends before max_tokens cuts it

PAIR_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {
            "verdict": {"type": "string", "enum": ["1", "2", "Tie"]},
            "reason": {"type": "string", "maxLength": REASON_CHARACTERS},
        },
        "required": ["verdict", "reason"],
        "additionalProperties": False,
    }
)
SCORE_SCHEMA: Final = json.dumps(
    {
        "type": "object",
        "properties": {
            **{axis: {"type": "integer", "enum": [1, 2, 3, 4, 5]} for axis in AXES},
            "reason": {"type": "string", "maxLength": REASON_CHARACTERS},
        },
        "required": [*AXES, "reason"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`answer` is "1", "2", "tie" or "unparsed"; the reason is the judge's, "" without one."""

    answer: str
    reason: str = ""


def judge_prompt(text: str, task: str, first: str, second: str, characters: int) -> str:
    """Return the user text of a pairwise judgement, in the sections of PandaLM; quotes untrusted texts.

    >>> print(judge_prompt("Which is better?", "Describe.", "A dog.", "A cat.", 99))
    Which is better?
    <BLANKLINE>
    ### Instruction:
    Describe.
    <BLANKLINE>
    ### Response 1:
    "A dog."
    <BLANKLINE>
    ### Response 2:
    "A cat."
    <BLANKLINE>
    ### Evaluation:
    """
    parts = {
        "Instruction": neutral(task, characters),
        "Response 1": f'"{neutral(first, characters)}"',
        "Response 2": f'"{neutral(second, characters)}"',
    }
    sections = [f"### {name}:\n{part}" for name, part in parts.items()]
    return "\n\n".join([text, *sections, "### Evaluation:"])


def score_prompt(text: str, caption: str, characters: int) -> str:
    """Return the user text of a judgement of one caption; quotes untrusted text."""
    return f'{text}\n\nDescription: "{neutral(caption, characters)}"'


# What may stand around the verdict on its line: Markdown, "Response 1", "Verdict: Tie.".
_VERDICT: Final = re.compile(
    r"[\s#*\"'`(\[]{0,8}(?:(?:verdict|result|answer|evaluation|winner)\s{0,2}[:=]\s{0,2})?[*\"']{0,3}(?:response\s{0,2})?"
    r"(1|2|tie)[*\"'`)\].,;:!\s]{0,8}",
    re.IGNORECASE,
)
_CUT: Final = re.compile(r'\s*\{\s*"verdict"\s*:\s*"(1|2|Tie)"\s*,\s*"reason"\s*:\s*"(.*)', re.DOTALL)
_SCORES_CUT: Final = re.compile(
    r'\s*\{\s*"vir"\s*:\s*([1-5])\s*,\s*"ita"\s*:\s*([1-5])\s*,\s*"reason"\s*:\s*"(.*)', re.DOTALL
)
_REASON: Final = re.compile(r"#{0,4}\s{0,3}\**reason\**\s{0,3}:\**", re.IGNORECASE)
_END: Final = re.compile(r"#{1,4}\s{0,3}\**reference", re.IGNORECASE)


def read_verdict(text: str) -> Verdict:
    r"""Return the verdict of a pairwise judge: JSON of `PAIR_SCHEMA`, or PandaLM's lines.

    The first line that is not empty must be the verdict and nothing else; what follows is the reason, up to the
    reference. Anything else is unparsed: neither a tie nor the first digit that occurs in it.

    >>> read_verdict("2\n\n### Reason: It names the dog.\n\n### Reference: A dog.")
    Verdict(answer='2', reason='It names the dog.')
    >>> read_verdict('{"verdict": "Tie", "reason": "The same."}')
    Verdict(answer='tie', reason='The same.')
    >>> read_verdict("1 and 2 are both good.").answer, read_verdict("").answer, read_verdict("3").answer
    ('unparsed', 'unparsed', 'unparsed')
    """
    parsed = _json_object(text)
    if parsed is not None:
        answer = str(parsed.get("verdict", "")).strip().lower()
        return Verdict(answer if answer in ("1", "2", "tie") else UNPARSED, str(parsed.get("reason") or "").strip())
    if cut := _CUT.match(text):
        return Verdict(cut.group(1).lower(), cut.group(2).strip())
    first, _, rest = text.strip().partition("\n")
    verdict = _VERDICT.fullmatch(first)
    if verdict is None:
        return Verdict(UNPARSED, text.strip())
    after = _REASON.split(rest, maxsplit=1)[-1]
    return Verdict(verdict.group(1).lower(), _END.split(after, maxsplit=1)[0].strip())


def preferred(chosen_first: Verdict, rejected_first: Verdict) -> str:
    """Return what two verdicts in swapped orders say of the chosen text; see `schemas.pair_judge`.

    >>> preferred(Verdict("1"), Verdict("2")), preferred(Verdict("1"), Verdict("1"))
    ('chosen', 'inconsistent')
    """
    if UNPARSED in (chosen_first.answer, rejected_first.answer):
        return UNPARSED
    first = {"1": "chosen", "2": "rejected", "tie": "tie"}[chosen_first.answer]
    second = {"1": "rejected", "2": "chosen", "tie": "tie"}[rejected_first.answer]
    return first if first == second else "inconsistent"


def read_scores(text: str) -> tuple[dict[str, int], str] | None:
    """Return both scores and the reason, from JSON or from lines such as "VIR: 4"; None unless both are 1 to 5.

    >>> read_scores('{"vir": 4, "ita": 2, "reason": "No cat."}')
    ({'vir': 4, 'ita': 2}, 'No cat.')
    >>> read_scores("VIR: 4/5. ITA: 2/5. There is no cat.")
    ({'vir': 4, 'ita': 2}, 'There is no cat.')
    >>> read_scores("VIR: 4") is read_scores("VIR: 7, ITA: 3") is read_scores("4.5") is None
    True
    """
    parsed = _json_object(text)
    if parsed is not None:
        values = {axis: parsed.get(axis) for axis in AXES}
        good = all(type(value) is int and 1 <= value <= 5 for value in values.values())
        return ({axis: int(values[axis] or 0) for axis in AXES}, str(parsed.get("reason") or "")) if good else None
    if cut := _SCORES_CUT.match(text):
        return {"vir": int(cut.group(1)), "ita": int(cut.group(2))}, cut.group(3).strip()
    scores: dict[str, int] = {}
    end = 0
    for axis in AXES:
        hits = list(re.finditer(rf"\b{axis}\W{{1,4}}([1-5])(?:\s?/\s?5)?(?![\d/]|\.\d)\W{{0,3}}", text, re.IGNORECASE))
        if len({hit.group(1) for hit in hits}) != 1:
            return None
        scores[axis], end = int(hits[0].group(1)), max(end, hits[0].end())
    return scores, _REASON.sub("", text[end:], count=1).strip()


def _json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that the text is, maybe in a Markdown fence; None if it is anything else."""
    bare = text.strip()
    if bare.startswith("```"):
        bare = bare[3:].removeprefix("json").removesuffix("```")
    try:
        value = json.loads(bare)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True)
class PositionBias:
    """How much a judge's answer depends on the order: shares in [0, 1], null without a readable pair of answers.

    `inconsistent` pairs are won by the same place in both orders; `first` is the share of those that the first place
    wins (0.5: no preferred place). `unparsed` is a share of all answers, the others of pairs read in both orders.
    """

    pairs: int
    unparsed: float | None
    inconsistent: float | None
    first: float | None
    agreement: float | None


def position_bias(rows: Iterable[Mapping[str, Any]]) -> PositionBias:
    """Return the figure over rows with `pair_judge_answer` and `pair_judge_answer_swapped`; rows without are left out.

    >>> rows = [("1", "2"), ("1", "1"), ("unparsed", "tie"), (None, None)]
    >>> position_bias({"pair_judge_answer": a, "pair_judge_answer_swapped": b} for a, b in rows)
    PositionBias(pairs=3, unparsed=0.167, inconsistent=0.5, first=1.0, agreement=0.5)
    """
    pairs = [(row["pair_judge_answer"], row["pair_judge_answer_swapped"]) for row in rows]
    pairs = [pair for pair in pairs if None not in pair]
    parsed = [pair for pair in pairs if UNPARSED not in pair]
    same = [a for a, b in parsed if a == b != "tie"]
    agree = sum((a, b) in (("1", "2"), ("2", "1"), ("tie", "tie")) for a, b in parsed)
    return PositionBias(
        len(pairs),
        _share(sum(pair.count(UNPARSED) for pair in pairs), 2 * len(pairs)),
        _share(len(same), len(parsed)),
        _share(same.count("1"), len(same)),
        _share(agree, len(parsed)),
    )


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
