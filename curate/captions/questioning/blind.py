"""Does a question need its image? Hits of models that answer blind, and what they say of a whole pool.

Source: MMStar (Chen et al. 2024, arXiv 2403.20330): eight text-only models, keep what at most two of them solve;
multi-modal gain and leakage.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any, Final

from curate.captions.questioning.answers import read_yes_no
from curate.captions.questioning.verifiers import Verifier, holds

__all__ = [
    "BLIND_V1",
    "BlindPrompt",
    "BlindRate",
    "allowed_hits",
    "blind_rates",
    "blind_result",
    "gain",
    "guessers",
    "leakage",
    "model_names",
    "scores",
]


@dataclass(frozen=True, slots=True)
class BlindPrompt:
    """What a model without the image is told: solved examples keep it from refusing; `id` stands for the wording.

    Source: MMStar shows two examples to cut refusals. The wording and the examples are ours.
    """

    id: str = "blind-v1"
    text: str = (
        "Answer the question as well as you can. You cannot see the picture that it is about: use what you know and "
        "give the most likely answer. Never refuse, never explain."
    )
    examples: tuple[tuple[str, str], ...] = (
        ("What colour is a ripe banana in the picture?", "yellow"),
        ("How many wheels does the bicycle have?", "2"),
    )

    def fill(self, question: str) -> str:
        r"""Return the whole user text.

        >>> BlindPrompt(text="Guess.", examples=(("1 + 1?", "2"),)).fill("2 + 2?")
        'Guess.\n\nQuestion: 1 + 1?\nAnswer: 2\n\nQuestion: 2 + 2?\nAnswer:'
        """
        if not self.text and not self.examples:
            return question
        shots = [f"Question: {ask}\nAnswer: {answer}" for ask, answer in self.examples]
        return "\n\n".join([*([self.text] if self.text else []), *shots, f"Question: {question}\nAnswer:"])


BLIND_V1: Final = BlindPrompt()


def blind_result(verifier: Verifier, expected: str, texts: Sequence[str]) -> dict[str, Any]:
    """Return an entry of `qa_blind`: what each model answered, whether it is right, and how many are.

    No texts: the question was not asked, and all three are null.
    """
    if not texts:
        return {"answers": None, "right": None, "hits": None}
    right = [bool(holds(verifier, text, expected)) for text in texts]
    return {"answers": list(texts), "right": right, "hits": sum(right)}


def model_names(names: Sequence[str], grey: Collection[str]) -> list[str]:
    """Return the names of blind models, all different: those that see a grey image say so, repeats are numbered.

    >>> model_names(["a", "b", "a"], ["b"])
    ['a', 'b (grey)', 'a#2']
    """
    named: list[str] = []
    for name in (f"{name} (grey)" if name in grey else name for name in names):
        same = sum(other.partition("#")[0] == name for other in named)
        named.append(f"{name}#{same + 1}" if same else name)
    return named


def allowed_hits(models: int, share: float) -> int:
    """Return how many blind models may answer a question that is kept.

    >>> allowed_hits(8, 0.25), allowed_hits(1, 0.25), allowed_hits(8, 0.5)
    (2, 0, 4)
    """
    return floor(models * share + 1e-9)


def guessers(asked: Sequence[Mapping[str, Any]], blind: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """Return the blind models that gave one word to all yes/no questions of an image, when some are "yes", some "no".

    What such a one gets right says nothing about a question. Rows are those of `qa` and `qa_blind` of one sample.

    >>> asked = [{"kind": "yes_no", "expected": answer} for answer in ("yes", "no")]
    >>> guessers(asked, [{"answers": ["No.", "yes"]}, {"answers": ["no", "no"]}])
    frozenset({0})
    """
    pairs = [
        (row["expected"], one["answers"]) for row, one in zip(asked, blind, strict=True) if row["kind"] == "yes_no"
    ]
    answered = [(expected, answers) for expected, answers in pairs if answers is not None]
    if len({expected for expected, _ in answered}) < 2:
        return frozenset()
    words = zip(*([read_yes_no(answer) for answer in answers] for _, answers in answered), strict=True)
    return frozenset(i for i, answers in enumerate(words) if len(set(answers)) == 1)


def gain(seen: float, blind: float) -> float:
    """Return the multi-modal gain MG = S_v - S_wv: what a model's score owes to the image.

    >>> round(gain(0.9, 0.4), 6)
    0.5
    """
    return seen - blind


def leakage(blind: float, base: float) -> float:
    """Return the multi-modal leakage ML = max(0, S_wv - S_t): what it answers blind and its language model could not.

    >>> round(leakage(0.4, 0.25), 6), leakage(0.2, 0.25)
    (0.15, 0.0)
    """
    return max(0.0, blind - base)


def scores(rows: Iterable[Mapping[str, Any]], models: Sequence[str]) -> dict[str, float | None]:
    """Return the share of right answers with the image ("seen") and of each blind model, over the same questions.

    `rows` have the columns `qa` and `qa_blind`; a question counts where what is expected can be read and the blind
    answers are there. Two models of one name are told apart by "#2", as `model_names` does.
    """
    total = right = 0
    hits = dict.fromkeys(models, 0)
    for question, blind in _pairs(rows):
        total += 1
        right += bool(question["verified"])
        for name, hit in zip(models, blind["right"], strict=True):
            hits[name] += bool(hit)
    counts = {"seen": right} | hits
    return {name: count / total if total else None for name, count in counts.items()}


@dataclass(frozen=True, slots=True)
class BlindRate:
    """Of the questions of one kind: how many, the share right with the image, blind, and over the limit."""

    kind: str
    questions: int
    seen: float
    blind: float  # mean over blind models
    over: float  # answered blind by more blind models than allowed


def blind_rates(rows: Iterable[Mapping[str, Any]], share: float = 0.25, share_yes_no: float = 0.5) -> list[BlindRate]:
    """Return the rates of a pool by kind, then over all kinds; empty if nothing was asked blind.

    The shares are those of SelectQuestions; guessers count here.
    """
    sums: dict[str, list[float]] = {}
    for question, blind in _pairs(rows):
        number = len(blind["right"])
        over = blind["hits"] > allowed_hits(number, share_yes_no if question["kind"] == "yes_no" else share)
        for kind in (question["kind"], "all"):
            old = sums.setdefault(kind, [0.0] * 4)
            new = (1, bool(question["verified"]), blind["hits"] / number, over)
            sums[kind] = [a + b for a, b in zip(old, new, strict=True)]
    ordered = sorted(sums, key=lambda kind: (kind == "all", kind))
    return [BlindRate(kind, int(sums[kind][0]), *(part / sums[kind][0] for part in sums[kind][1:])) for kind in ordered]


def _pairs(rows: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for row in rows:
        if row["qa"] is not None and row["qa_blind"] is not None:
            for question, blind in zip(row["qa"], row["qa_blind"], strict=True):
                if question["verified"] is not None and blind["hits"] is not None:
                    yield question, blind
