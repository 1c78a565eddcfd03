"""Kinds of text about one image: what is asked for, how it is read, and how one of them is drawn."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from curate.captions.checking.guards import Guards
from curate.captions.choices import Choices
from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import BUNDLED, Prompt
from curate.captions.prompting.untrusted import neutral
from curate.errors import PlanError

__all__ = ["ALT", "ALT_TEXT", "DENSE", "KINDS", "SHORT", "TAGS", "Kind", "draw", "parse_tags"]

ALT: Final = "{alt}"
"""Where a prompt's text wants the alt text of the sample."""

NOTHING: Final = Hints(blocks=())
FENCE: Final = re.compile(r"^\s*```\w*\s*|\s*```\s*$")
LEAD: Final = re.compile(r"^\W*(?:here are|the )?\s*(?:\w+ ){0,3}tags?[^:\n]{0,30}:", re.IGNORECASE)
BULLET: Final = re.compile(r"^\s*(?:[-*\u2022]|\(?\d{1,2}[.)])\s*")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of text: what is asked, how long it may be, and how often it is drawn beside the others.

    A prompt whose text holds `{alt}` rewrites the alt text, and is not asked without one, nor where the alt text talks
    to the model (`Hints.commands`). `max_tokens` bounds the answer, `guards` mark it.
    """

    name: str
    prompt: Prompt
    hints: Hints = NOTHING
    guards: Guards = field(default_factory=Guards)
    max_tokens: int = 256
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", self.name):
            raise PlanError(f"Kind: name is {self.name!r}; give lower-case letters, digits and _, at most 32")
        if self.max_tokens < 1 or not 0 <= self.weight < math.inf:
            raise PlanError(f"Kind {self.name}: max_tokens={self.max_tokens} and weight={self.weight}; give >= 1, >= 0")

    @property
    def rewrites(self) -> bool:
        """Whether it rewrites the alt text."""
        return ALT in self.prompt.text

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the columns that its hints and its prompt read."""
        return tuple(dict.fromkeys((*self.hints.needs, *(["alt_text"] if self.rewrites else []))))

    def ask(self, row: Mapping[str, Any], width_px: int, height_px: int) -> str:
        """Return the user text for one sample, constant words first; the size is what the model sees."""
        text = self.prompt.fill(self.hints.render(row, width_px, height_px))
        if not self.rewrites:
            return text
        return text.replace(ALT, neutral(row["alt_text"], self.hints.max_alt_text_characters))


DENSE: Final = Kind("dense", BUNDLED["kind-dense-v1"], Hints(), Guards(20, 320), 400, 0.4)
SHORT: Final = Kind("short", BUNDLED["kind-short-v1"], NOTHING, Guards(3, 40), 80, 0.3)
ALT_TEXT: Final = Kind("alt_text", BUNDLED["kind-alt-text-v1"], NOTHING, Guards(3, 90), 160, 0.2)
TAGS: Final = Kind("tags", BUNDLED["kind-tags-v1"], NOTHING, Guards(1, 80), 160, 0.1)
KINDS: Final = (DENSE, SHORT, ALT_TEXT, TAGS)
"""The default kinds. The weights are ours: VeCLIP and others mix texts evenly, long ones teach a caption model more."""


def parse_tags(text: str, most: int = 20, most_words: int = 4) -> list[str]:
    r"""Return the tags of a model's list: each once whatever its case, in its order, at most `most`.

    Reads commas, semicolons, bars, lines, bullets, numbers, hash signs and JSON lists. What has more than `most_words`
    words or 40 characters, or no letter or digit, is no tag: a model that writes prose gives an empty list.

    >>> parse_tags("Tags: Dog, red ball; dog | #beach.")
    ['Dog', 'red ball', 'beach']
    >>> parse_tags("1. sea\n2. sand\n3. A dog that runs along the water's edge")
    ['sea', 'sand']
    """
    tags: dict[str, str] = {}
    for piece in _pieces(FENCE.sub("", text)):
        tag = neutral(BULLET.sub("", piece), 200).strip(" .,;:'*#()-\u2013\u00a6\u2022")
        if any(c.isalnum() for c in tag) and len(tag) <= 40 and len(tag.split()) <= most_words:
            tags.setdefault(tag.casefold(), tag)
    return list(tags.values())[:most]


def _pieces(text: str) -> Iterable[str]:
    if text.lstrip().startswith(("[", "{")):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            value = next((entry for entry in value.values() if isinstance(entry, list)), None)
        if isinstance(value, list):
            return [piece for piece in value if isinstance(piece, str)]
    return re.split(r"[,;|\n\u3001\uff0c\uff1b]|\s(?=#\w)", LEAD.sub("", text.strip(), count=1))


def draw(
    captions: Sequence[Mapping[str, Any] | None] | None,
    seed: int,
    uid: str,
    weights: Mapping[str, float] | None = None,
    allow: Sequence[str] = (),
) -> Mapping[str, Any] | None:
    """Return one of a sample's texts, each kind as often as its weight says: a hash of (seed, uid) decides.

    Texts that are null, empty, of weight 0 or marked (but for marks in `allow`) are no candidates; None: there is no
    candidate. `weights` replaces the stored ones, a kind that it does not name gets 0. Every kind has its own number
    per sample, so a kind that is added or lost moves only the samples that draw it.

    >>> texts = [{"kind": "dense", "text": "A dog.", "weight": 1.0, "marks": []}]
    >>> draw(texts, 0, "u1")["kind"], draw(None, 0, "u1")
    ('dense', None)
    """
    choices = Choices(seed, "draw", uid)
    best: tuple[float, Mapping[str, Any]] | None = None
    for each in captions or ():
        if each is None or not each["text"] or set(each["marks"] or ()) - set(allow):
            continue
        weight = (each["weight"] or 0.0) if weights is None else weights.get(each["kind"], 0.0)
        if weight <= 0:
            continue
        waits = -math.log(1 - choices.fraction(each["kind"])) / weight  # the shortest of exponential waits wins
        if best is None or waits < best[0]:
            best = waits, each
    return best and best[1]
