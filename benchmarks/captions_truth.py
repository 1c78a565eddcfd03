"""Dense captions with their truth, written by hand, and detectors, taggers and OCR that are simulated from it.

A block of benchmarks/evidence_captions/*.txt is a caption and a line of what else is there.
`{surface=label*count@place}` marks a noun for a thing: its label in plain English (the surface where none is given),
how many there are (1) and where. `{!surface}` is not there, of `{#surface}` the caption says a wrong number, of
`{~surface}` a wrong place; a quotation that begins with "!" is no text of the image.
The first six blocks of a file are for tuning, the others are held out.
"""

import hashlib
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Claim", "Sample", "Sight", "read_captions"]

FOLDER = Path(__file__).parent / "evidence_captions"
MARK = re.compile(r"\{([!#~]?)([^}=*@]+)(?:=([^}*@]+))?(?:\*(\d+))?(?:@(\w+))?\}")
HELD_OUT_FROM = 6  # blocks of each file
PLACES = {"left": (0.15, 0.5), "right": (0.85, 0.5), "top": (0.5, 0.15), "bottom": (0.5, 0.85)}


@dataclass(frozen=True, slots=True)
class Claim:
    """A noun of a caption, at characters `start` to `end`, and the truth; `flag` as in the file, "" if right."""

    start: int
    end: int
    surface: str
    label: str
    count: int
    flag: str


@dataclass(frozen=True, slots=True)
class Sample:
    """A caption, its nouns, its planted wrong quotations, and what is there: (label, centre) and texts."""

    name: str
    caption: str
    claims: tuple[Claim, ...]
    false_texts: tuple[str, ...]
    things: tuple[tuple[str, tuple[float, float]], ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sight:
    """How well experts see: shares of things missed, doubtful boxes, images with a box of nothing, things tagged."""

    missed: float = 0.0
    doubtful: float = 0.0
    invented: float = 0.0
    tagged: float = 1.0

    def boxes(
        self, sample: Sample, kind: str, names_of: Callable[[str], list[str]], invent: Iterable[str]
    ) -> tuple[list[dict[str, Any]], int, int]:
        """Return boxes of the things that have names, how many such things there are, and how many are missed.

        `invent` are the names of which one that is not there may be seen.
        """
        rng = random.Random(_seed(sample.name, kind))
        rows, missed = [], 0
        named = [(names, centre) for label, centre in sample.things if (names := names_of(label))]
        for names, (x, y) in named:
            if rng.random() < self.missed:
                missed += 1
                continue
            score = 0.35 if rng.random() < self.doubtful else 0.9
            box = [x - 0.1, y - 0.1, x + 0.1, y + 0.1]
            rows += [{"label": name, "box": box, "score": score} for name in names]
        choices = sorted(set(invent).difference(*(names for names, _ in named)))
        if choices and rng.random() < self.invented:
            rows.append({"label": rng.choice(choices), "box": [0.4, 0.4, 0.6, 0.6], "score": 0.4})
        return rows, len(named), missed

    def some(self, sample: Sample, kind: str, share: float) -> list[str]:
        """Return some of the labels that are there, each once."""
        rng = random.Random(_seed(sample.name, kind))
        return [label for label in dict.fromkeys(label for label, _ in sample.things) if rng.random() < share]


def read_captions(held_out: bool) -> list[Sample]:
    """Return one half of the captions."""
    samples = []
    for path in sorted(FOLDER.glob("*.txt")):
        blocks = path.read_text(encoding="utf-8").strip().split("\n\n")
        chosen = blocks[HELD_OUT_FROM:] if held_out else blocks[:HELD_OUT_FROM]
        samples += [_sample(f"{path.stem}-{number}-{held_out}", block) for number, block in enumerate(chosen)]
    return samples


def _sample(name: str, block: str) -> Sample:
    body, _, rest = block.partition("\n+")
    claims: list[Claim] = []
    things: dict[str, tuple[int, tuple[float, float]]] = {}
    parts, at, length = [], 0, 0
    for mark in MARK.finditer(body):
        flag, surface, label, count, place = mark.groups()
        parts += [body[at : mark.start()], surface]
        length += mark.start() - at
        claim = Claim(length, length + len(surface), surface, label or surface, int(count or 1), flag)
        length, at = length + len(surface), mark.end()
        claims.append(claim)
        if flag != "!":
            known = things.get(claim.label, (0, (0.5, 0.5)))
            centre = PLACES[place] if place else known[1]
            things[claim.label] = (max(known[0], claim.count), centre)
    for extra in rest.split(","):
        label, _, count = extra.strip().partition("*")
        if label:
            known = things.get(label, (0, (0.5, 0.5)))
            things[label] = (known[0] + int(count or 1), known[1])
    caption = "".join([*parts, body[at:]])
    quoted = re.findall("\u201c([^\u201d]*)\u201d", caption)
    spread = [(label, centre) for label, (count, centre) in things.items() for _ in range(count)]
    return Sample(
        name,
        caption.replace("\u201c!", "\u201c "),  # as many characters
        tuple(claims),
        tuple(text[1:] for text in quoted if text.startswith("!")),
        tuple(spread),
        tuple(text for text in quoted if not text.startswith("!")),
    )


def _seed(*parts: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest(), "big")
