"""Measure semantic and text deduplication on planted near-duplicates of the emojiworld.

    python -m nano.evaluate.semantic [--count 200] [--clusterings 2]

Each kind of change is measured by itself: a pool of scenes and one changed copy of each. Found are copies (or their
originals) that are dropped because of each other; false are those dropped because of another scene. A pair that two
clusters share is not compared; with more clusterings it has to be split by each of them to be missed. Tables are
printed as Markdown; --json FILE keeps the numbers.
"""

import argparse
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageEnhance, ImageOps

from curate.corpus.clusters import Clusters
from curate.corpus.semantic_duplicates import SemanticDuplicates
from curate.corpus.tables import measure_tables
from curate.corpus.text_duplicates import TextDuplicates
from nano.evaluate.clip_scorer import ClipScorer
from nano.shards.make import scene_seed
from nano.shards.planting import write_over
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, short_caption

__all__ = ["IMAGE_CHANGES", "TEXT_CHANGES", "evaluate_images", "evaluate_texts", "main"]

EPSILONS: Final = (0.02, 0.05, 0.1, 0.2, 0.4)
SIMILARITIES: Final = (0.9, 0.8, 0.7, 0.5)
SEED: Final = 4711
CLUSTERS: Final = 8
NONE_EARLIER: Final = -1.0

Change = Callable[[Image.Image, random.Random], Image.Image]


def encode_again(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image as a JPEG of lower quality gives it back."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=rng.randint(30, 80))
    return Image.open(data).convert("RGB")


def resize(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image at 40 to 80 % of its size."""
    return ImageOps.scale(image, rng.uniform(0.4, 0.8))


def crop(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image less 5 to 15 % of each side, somewhere."""
    width, height = image.size
    lost = rng.uniform(0.05, 0.15)
    left, top = (rng.randint(0, int(side * lost)) for side in image.size)
    return image.crop((left, top, left + int(width * (1 - lost)), top + int(height * (1 - lost))))


def border(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image with a border of one colour."""
    return ImageOps.expand(image, round(min(image.size) * rng.uniform(0.03, 0.08)), rng.choice(("white", "black")))


def colour(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image brighter or darker, paler or more colourful."""
    return ImageEnhance.Color(ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))).enhance(
        rng.uniform(0.6, 1.4)
    )


def flip(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image from left to right."""
    return ImageOps.mirror(image)


def turn(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image turned by 3 degrees, the corners grey."""
    return image.rotate(rng.choice((-3, 3)), Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def overlay(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the image with a text over it."""
    copy = image.copy()
    write_over(copy, rng)
    return copy


IMAGE_CHANGES: Final[dict[str, Change]] = {
    "re-encode": encode_again,
    "resize": resize,
    "crop 5-15 %": crop,
    "border": border,
    "colour": colour,
    "flip": flip,
    "3 degrees": turn,
    "overlay": overlay,
}


def other_case(text: str, rng: random.Random) -> str:
    """Return the text in capitals, without its commas."""
    return text.upper().replace(",", "")


def longer(text: str, rng: random.Random) -> str:
    """Return the text with a note behind it."""
    return f"{text} {rng.choice(('(stock photo)', '| my shop', '- 2024', 'hd'))}"


def misspelt(text: str, rng: random.Random) -> str:
    """Return the text with two neighbouring letters exchanged."""
    at = rng.randrange(len(text) - 1)
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def another_word(text: str, rng: random.Random) -> str:
    """Return the text with one word replaced."""
    words = text.split()
    words[rng.randrange(len(words))] = rng.choice(("purple", "lantern", "beside", "seven"))
    return " ".join(words)


TEXT_CHANGES: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "case and punctuation": other_case,
    "words appended": longer,
    "two letters exchanged": misspelt,
    "a word replaced": another_word,
}


def evaluate_images(
    count: int, changes: Sequence[str] = tuple(IMAGE_CHANGES), clusterings: int = 1
) -> list[dict[str, Any]]:
    """Return found and false shares by change and epsilon, for so many scenes, and the share of pairs not compared."""
    scorer = ClipScorer.load()
    originals = [make_scene(scene_seed(SEED, number))[0].convert("RGB") for number in range(count)]
    vectors = scorer.images(originals)
    rows = []
    for name in changes:
        rng = random.Random(f"{name}/{SEED}")
        copies = scorer.images([IMAGE_CHANGES[name](image, rng) for image in originals])
        rows += _semantic_rows(name, np.concatenate([vectors, copies]).astype(np.float16), clusterings)
    return rows


def _semantic_rows(name: str, vectors: npt.NDArray[np.float16], clusterings: int) -> list[dict[str, Any]]:
    half = len(vectors) // 2
    family = {f"{i:032x}": i % half for i in range(len(vectors))}
    table = pa.table({"uid": list(family), "clip_embedding": pa.array(list(vectors), pa.list_(pa.float16()))})
    split = np.ones(half, np.bool_)
    for number in range(clusterings):
        table, cluster = _with_cosines(table, f"c{number}_", number)
        split &= cluster[:half] != cluster[half:]
    found = table.to_pylist()
    rows = []
    for epsilon in EPSILONS:
        dropped, mated = 0, set[int]()
        for row in found:
            over = [n for n in range(clusterings) if row[f"c{n}_semantic_cosine"] > 1 - epsilon]
            mates = {family[row[f"c{n}_semantic_duplicate_of"]] for n in over}
            dropped += bool(over)
            mated |= {family[row["uid"]]} & mates
        shares = _shares(name, "epsilon", epsilon, (len(mated), dropped, half))
        rows.append({**shares, "split": float(split.mean())})
    return rows


def _with_cosines(table: pa.Table, prefix: str, seed: int) -> tuple[pa.Table, npt.NDArray[np.int64]]:
    """Return the table with the cosines inside the clusters of a seed, and the clusters; the first gives the order."""
    clusters = Clusters(clusters=CLUSTERS, seed=seed, prefix=prefix)
    stage = SemanticDuplicates(cluster=f"{prefix}cluster", key="c0_cluster_cosine", prefix=prefix)
    for each in (clusters, stage):
        measured = measure_tables(each, {"0": table})["0"]
        for column in each.adds.names:
            table = table.append_column(column, measured[column])
    return table, np.asarray(table[f"{prefix}cluster"], np.int64)


def evaluate_texts(count: int, changes: Sequence[str] = tuple(TEXT_CHANGES)) -> list[dict[str, Any]]:
    """Return found and false shares by change and Jaccard index, for short and dense captions of so many scenes."""
    rng = random.Random(SEED)
    scenes = [make_scene(scene_seed(SEED, number))[1] for number in range(count)]
    rows = []
    for length, write in (("short", short_caption), ("dense", dense_caption)):
        texts = sorted({write(scene, rng) for scene in scenes})
        for name in changes:
            copies = [TEXT_CHANGES[name](text, random.Random(f"{name}/{text}")) for text in texts]
            rows += _text_rows(f"{length}: {name}", [*texts, *copies])
    return rows


def _text_rows(name: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    family = {f"{i:032x}": i % (len(texts) // 2) for i in range(len(texts))}
    table = pa.table({"uid": list(family), "alt_text": texts})
    rows = []
    for similarity in SIMILARITIES:
        stage = TextDuplicates(language=None, similarity=similarity)
        found = measure_tables(stage, {"0": table})["0"].to_pylist()
        group = {row["uid"]: row["text_duplicate_group"] for row in found}
        half = list(group)[: len(group) // 2]
        mates = sum(group[uid] == group[f"{int(uid, 16) + len(half):032x}"] for uid in half)
        dropped = sum(row["text_duplicate_of"] is not None for row in found)
        rows.append(_shares(name, "Jaccard", similarity, (mates, dropped, len(half))))
    return rows


def _shares(name: str, by: str, value: float, counts: tuple[int, int, int]) -> dict[str, Any]:
    mates, dropped, pairs = counts
    return {"change": name, by: value, "recall": mates / pairs, "precision": mates / dropped if dropped else None}


def print_table(rows: Sequence[dict[str, Any]], by: str) -> None:
    """Print recall / precision as Markdown: a row for each change, a column for each value of `by`."""
    values = list(dict.fromkeys(row[by] for row in rows))
    print(f"\n| recall / precision | {' | '.join(f'{by} {value:g}' for value in values)} |")
    print("|---" * (len(values) + 1) + "|")
    for name in dict.fromkeys(row["change"] for row in rows):
        cells = [row for row in rows if row["change"] == name]
        texts = [
            f"{row['recall']:.2f} / " + ("-" if row["precision"] is None else f"{row['precision']:.2f}")
            for row in cells
        ]
        print(f"| {name} | {' | '.join(texts)} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="scenes of each pool")
    parser.add_argument("--json", type=Path, help="where the numbers are kept")
    parser.add_argument("--clusterings", type=int, default=1, help="in how many clusterings pairs are compared")
    given = parser.parse_args(arguments)
    images, texts = evaluate_images(given.count, clusterings=given.clusterings), evaluate_texts(given.count)
    print_table(images, "epsilon")
    print_table(texts, "Jaccard")
    if given.json:
        given.json.write_text(json.dumps({"images": images, "texts": texts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
