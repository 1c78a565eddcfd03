"""Read the wordings of injections and the harmless texts that lie in `nano/evaluate/wordings/`."""

import codecs
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from nano.evaluate.attacks import Wording, claim, demand, disguised, encoded, homoglyphs, leet, zero_width

__all__ = ["Benign", "Half", "Worded", "read_attacks", "read_benign"]

FILES: Final = Path(__file__).parent / "wordings"
Half: TypeAlias = Literal["tuning", "kept", "short"]
DISGUISES: Final[Mapping[str, Callable[[str], str]]] = {
    "base64": encoded,
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "leet": leet,
    "homoglyphs": homoglyphs,
    "zero-width": zero_width,
    "bidi": lambda text: f"\u202e{text}\u202c",
    "upside-down": lambda text: text[::-1],
}
TEXTS: Final = ("alt_text", "ocr")
SLOTS: Final = {"short": (*TEXTS, "picture")}
OWN_SLOTS: Final = ("split", "key", "metadata", "picture")  # kinds that say where the text stands


@dataclass(frozen=True, slots=True)
class Worded:
    """One wording: its kind, its language, and the slots where it may be planted."""

    kind: str
    language: str
    slots: tuple[str, ...]
    wording: Wording


@dataclass(frozen=True, slots=True)
class Benign:
    """An ordinary text: `source` is "alt_text" or "sign", `names` are what should be left of an alt text."""

    source: str
    language: str
    text: str
    names: tuple[str, ...]


def read_attacks(half: Half) -> list[Worded]:
    """Return the wordings of a half, in the order of its file."""
    return [
        Worded(kind, language, (kind,) if kind in OWN_SLOTS else SLOTS.get(kind, TEXTS), _wording(kind, text))
        for kind, language, text in _texts(f"attacks-{half}")
    ]


def read_benign() -> list[Benign]:
    """Return the ordinary texts, in the order of their file."""
    return [
        Benign(kind, language, re.sub(r"[\[\]]", "", text), tuple(re.findall(r"\[([^\]]+)\]", text)))
        for kind, language, text in _texts("benign")
    ]


def _texts(name: str) -> Iterator[tuple[str, str, str]]:
    content = tomllib.loads((FILES / f"{name}.toml").read_text(encoding="utf-8"))
    for kind, languages in content.items():
        if kind != "source":
            yield from ((kind, language, text) for language, texts in languages.items() for text in texts)


def _wording(kind: str, text: str) -> Wording:
    if "{n}" in text or "{a}" in text:
        return claim(text)
    return disguised(text, DISGUISES[kind]) if kind in DISGUISES else demand(text)
