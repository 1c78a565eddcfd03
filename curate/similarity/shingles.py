"""Cut texts into character n-grams, as sorted sets of hashes."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from curate.similarity.mixing import mixed
from curate.similarity.pieces import Pieces

__all__ = ["Shingles", "cut_shingles", "normal_text"]

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]

LENGTH: Final = 5
DENSE_LENGTH: Final = 2
DENSE: Final = (
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Han, kana and Hangul syllables: a character of theirs says about as much as two or three letters."""

BETWEEN: Final = re.compile(r"[\s!-/:-@\[-`{-~\u00a1-\u00bf\u2000-\u206f\u3000-\u3004\u3008-\u3020\u3030]+")
MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
HASH_BITS: Final = 48
BLOCK_ROWS: Final = 1 << 15  # the row stands in the 16 bits above the hash
BLOCK_CHARACTERS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Shingles:
    """The n-grams of n texts: those of text i are `values[offsets[i]:offsets[i + 1]]`, sorted, each once.

    `values` are hashes of 48 bits, uint64[m]; `offsets` int64[n + 1]. Two n-grams have one hash by chance in 1 of
    2.8e14 pairs.
    """

    values: U64 | Pieces
    offsets: I64

    @property
    def counts(self) -> I64:
        """Distinct n-grams of each text, int64[n]; 0: the text has no letter, digit or symbol."""
        return np.diff(self.offsets)


def normal_text(text: str) -> str:
    """Return a text as it is compared: NFKC, case folded, white space and punctuation as single blanks.

    >>> normal_text("  The Red   Barn!! (photo)")
    'the red barn photo'
    """
    return BETWEEN.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def cut_shingles(texts: Sequence[str | None]) -> Shingles:
    """Return the character n-grams of each text, over word boundaries, a blank before and after the text.

    N-grams have 5 characters, and 2 where they begin with a Han, kana or Hangul character. Alt texts have about ten
    words: one changed word leaves most 5-grams of characters as they were, but hardly one of 5 words, and characters
    need no segmentation. A text shorter than that is one n-gram. Null and texts without a letter, digit or symbol have
    none. Memory is that of the result and about 100 MB.
    Source: mOSCAR (Futeral et al. 2024, arXiv 2406.08707) cuts its texts into 4- and 5-grams of characters.

    >>> cut_shingles(["a red barn", "A red barn.", "赤い納屋", "?", None]).counts.tolist()
    [8, 8, 5, 0, 0]
    """
    blocks, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    first = characters = 0
    for row, text in enumerate(texts):
        characters += len(text or "")
        if characters >= BLOCK_CHARACTERS or row + 1 - first == BLOCK_ROWS or row + 1 == len(texts):
            values, count = _cut_block([each or "" for each in texts[first : row + 1]])
            blocks.append(values)
            counts.append(count)
            first, characters = row + 1, 0
    return Shingles(np.concatenate(blocks), np.concatenate([[0], np.cumsum(np.concatenate(counts))]))


def _cut_block(texts: list[str]) -> tuple[U64, I64]:
    """Return the sorted distinct hashes of at most 65,536 texts, one text after another, and how many each has."""
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        joined = "\0".join(text.replace("\0", " ") for text in texts)
    normal = [text.strip() for text in BETWEEN.sub(" ", unicodedata.normalize("NFKC", joined).casefold()).split("\0")]
    padded = "".join(f" {text} " if text else "" for text in normal)
    codes = np.frombuffer(padded.encode("utf-32-le", "surrogatepass"), "<u4")
    lengths = np.array([len(text) + 2 if text else 0 for text in normal], np.int64)
    ends = np.cumsum(lengths)
    rows = np.repeat(np.arange(len(texts)), lengths)
    hashes, whole = _hash_windows(codes, (ends[rows] - np.arange(len(codes))))
    whole[(ends - lengths)[lengths > 0]] = True
    keyed = (rows[whole].astype(np.uint64) << np.uint64(HASH_BITS)) | (hashes[whole] >> np.uint64(64 - HASH_BITS))
    keyed.sort()
    keyed = keyed[np.concatenate([[True], keyed[1:] != keyed[:-1]])] if len(keyed) else keyed
    counts = np.bincount((keyed >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(texts))
    return keyed & np.uint64((1 << HASH_BITS) - 1), counts


def _hash_windows(codes: npt.NDArray[np.uint32], left: I64) -> tuple[U64, npt.NDArray[np.bool_]]:
    """Return the hash of the n-gram at each position, cut at the end of its text, and whether it was not cut.

    `left` are the characters from the position to the end of its text.
    """
    dense = np.zeros(len(codes), np.bool_)
    for low, high in DENSE:
        dense |= (codes >= low) & (codes <= high)
    dense[:-1] |= (codes[:-1] == ord(" ")) & dense[1:]
    length = np.where(dense, DENSE_LENGTH, LENGTH)
    taken = np.minimum(length, left)
    hashes, power = np.zeros(len(codes), np.uint64), MULTIPLIER
    for k in range(min(LENGTH, len(codes))):
        within = codes[k:].astype(np.uint64) * (taken[: len(codes) - k] > k)
        hashes[: len(codes) - k] += within * power
        power = np.uint64((int(power) * int(MULTIPLIER)) & 0xFFFFFFFFFFFFFFFF)
    return mixed(hashes), left >= length
