"""Measure what evidence is worth: wrong claims planted into true captions, and how many of them are found.

    python -m nano.evaluate.evidence [out/quickstart]

Captions are written from scenes with one thing changed: an object added, swapped, left out, counted wrongly or moved,
the sign's text changed, dropped or invented. They are judged by the exact truth of held-out scenes and, with a
finished dataset of the quickstart, by the boxes and lines that its own experts saw in the sample shards. Counted are
single claims: precision is the share of the marked ones that were planted, recall the share of the planted ones that
were marked. Prints Markdown.
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from curate.captions.checking.evidence import Claims, Evidence
from curate.captions.checking.lexicon import read_lexicon
from curate.errors import CurateError
from curate.inspect.query import query
from curate.storage.store import Store
from nano.evaluate.defects import tar_name
from nano.evaluate.models import HELD_OUT
from nano.evaluate.run import SHARDS, markdown, read_truth, scenes
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, fake_object, hallucinated
from nano.world.vocabulary import NAMES, SIGN_WORDS

LEXICON = Path(__file__).resolve().parents[1] / "lexicon.toml"
PLACES = [f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right")]

Row: TypeAlias = tuple[Scene, Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""A scene, its objects and its text lines, by truth or by experts."""


def swapped(scene: Scene, rng: random.Random) -> Scene:
    """Call every object of one class by the name of a class that the scene lacks."""
    old, new = rng.choice(list(scene.counts())), fake_object(scene, rng).name
    return replace(scene, objects=tuple(replace(t, name=new) if t.name == old else t for t in scene.objects))


def left_out(scene: Scene, rng: random.Random) -> Scene:
    """Leave one class out, unless it is the only one."""
    if len(scene.counts()) == 1:
        return scene
    name = rng.choice(list(scene.counts()))
    return replace(scene, objects=tuple(thing for thing in scene.objects if thing.name != name))


def miscounted(scene: Scene, rng: random.Random) -> Scene:
    """Add an object to a class that is there, or take one from a class of several."""
    name = rng.choice(list(scene.counts()))
    own = [thing for thing in scene.objects if thing.name == name]
    if len(own) > 1 and rng.random() < 0.5:
        return replace(scene, objects=tuple(thing for thing in scene.objects if thing is not own[-1]))
    return replace(scene, objects=(*scene.objects, replace(fake_object(scene, rng), name=name)))


def moved(scene: Scene, rng: random.Random) -> Scene:
    """Say of an object that is alone in its class that it is elsewhere."""
    single = [i for i, thing in enumerate(scene.objects) if scene.counts()[thing.name] == 1]
    if not single:
        return scene
    things, i = list(scene.objects), rng.choice(single)
    spot = rng.choice([place for place in PLACES if place not in (things[i].position, "middle centre")])
    things[i] = replace(things[i], position=spot)
    return replace(scene, objects=tuple(things))


def misread(scene: Scene, rng: random.Random) -> Scene:
    """Read other words on the sign."""
    if scene.sign is None:
        return scene
    words = rng.sample([word for word in SIGN_WORDS if word not in scene.sign.text.casefold()], 2)
    return replace(scene, sign=replace(scene.sign, text=" ".join(words)))


def unread(scene: Scene, _: random.Random) -> Scene:
    """Pass over the sign."""
    return replace(scene, sign=None)


def true(scene: Scene, _: random.Random) -> Scene:
    """Change nothing."""
    return scene


PLANTS: list[Callable[[Scene, random.Random], Scene]] = [
    true,
    hallucinated,
    swapped,
    left_out,
    miscounted,
    moved,
    misread,
    unread,
]
KINDS = ("object not there", "object missed", "count", "place", "text not there", "text missed")


def planted(claimed: Scene, scene: Scene) -> set[tuple[str, str]]:
    """Return the wrong claims of a caption written from `claimed`, as (kind, what)."""
    claims, truth = claimed.counts(), scene.counts()
    there = {(thing.name, thing.position) for thing in scene.objects}
    wrong = {("object not there", name) for name in claims.keys() - truth.keys()}
    wrong |= {("object missed", name) for name in truth.keys() - claims.keys()}
    wrong |= {("count", name) for name in claims.keys() & truth.keys() if claims[name] != truth[name]}
    wrong |= {("place", t.name) for t in claimed.objects if t.name in truth and (t.name, t.position) not in there}
    texts = [scene.sign.text if scene.sign else None, claimed.sign.text if claimed.sign else None]
    if texts[0] != texts[1]:
        wrong |= {("text missed", "sign")} if scene.sign else set()
        wrong |= {("text not there", "sign")} if claimed.sign else set()
    return wrong


def marked(claims: Claims) -> set[tuple[str, str]]:
    """Return what the evidence holds against a caption, in the same form."""
    found = {("object not there", label) for label in claims.unsupported}
    found |= {("object missed", label) for label in claims.missed}
    found |= {("count", claim.label) for claim in claims.wrong_counts}
    found |= {("place", claim.label) for claim in claims.wrong_places}
    found |= {("text missed", "sign")} if claims.missed_texts else set()
    return found | ({("text not there", "sign")} if claims.unsupported_texts else set())


def measure(rows: Iterable[Row], evidence: Evidence) -> list[dict[str, Any]]:
    """Return precision and recall of each kind of wrong claim, pooled over all captions."""
    hits: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    false: Counter[str] = Counter()
    for scene, objects, lines in rows:
        for number, plant in enumerate(PLANTS):
            rng = random.Random(scene.seed * 16 + number)
            claimed = plant(scene, rng)
            claims = evidence.measure(dense_caption(claimed, rng), objects, lines)
            gold, found = planted(claimed, scene), marked(claims)
            hits.update(kind for kind, _ in gold & found)
            misses.update(kind for kind, _ in gold - found)
            false.update(kind for kind, _ in found - gold)
            if plant is true:
                hits["true captions"] += not found
                misses["true captions"] += bool(found)
    return [
        {
            "wrong claim": kind,
            "planted": hits[kind] + misses[kind],
            "precision": _share(hits[kind], hits[kind] + false[kind]),
            "recall": _share(hits[kind], hits[kind] + misses[kind]),
        }
        for kind in KINDS
    ] + [
        {
            "wrong claim": "(true captions without any mark)",
            "planted": hits["true captions"] + misses["true captions"],
            "precision": None,
            "recall": _share(hits["true captions"], hits["true captions"] + misses["true captions"]),
        }
    ]


def boxes(scene: Scene) -> list[dict[str, Any]]:
    """Return the objects of a scene as a perfect detector would."""
    size = (scene.width, scene.height) * 2
    return [
        {"label": t.name, "box": [v / side for v, side in zip(t.box, size, strict=True)], "score": 1.0}
        for t in scene.objects
    ]


def lines(scene: Scene) -> list[dict[str, Any]]:
    """Return the sign of a scene as perfect OCR would."""
    return [{"text": scene.sign.text, "box": [0.0, 0.0, 1.0, 1.0], "score": 1.0}] if scene.sign else []


def by_truth(count: int) -> Iterable[Row]:
    """Return held-out scenes with boxes and lines as drawn."""
    for i in range(count):
        scene = make_scene(HELD_OUT["vlm"] + i)[1]
        yield scene, boxes(scene), lines(scene)


def by_experts(dataset: str) -> Iterable[Row]:
    """Return the scenes of the sample shards with what the experts of a finished run saw in them."""
    known = scenes(read_truth(SHARDS / "truth.jsonl"))
    columns = query(
        Store(dataset), 'SELECT shard, "row", objects, ocr_lines FROM samples WHERE objects IS NOT NULL'
    ).to_pylist()
    for row in columns:
        scene = known.get((tar_name(row["shard"]), row["row"]))
        if scene is not None:
            yield scene, row["objects"], row["ocr_lines"]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def main() -> None:
    """Print the tables; exits with code 2 and one sentence if the dataset cannot be read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("dataset", nargs="?", help="folder of a finished quickstart run")
    parser.add_argument("--count", type=int, default=500, help="number of held-out scenes")
    args = parser.parse_args()
    evidence = Evidence(read_lexicon(str(LEXICON)), detector_labels=tuple(NAMES))
    tables = {f"Exact truth, {args.count} scenes": measure(by_truth(args.count), evidence)}
    try:
        if args.dataset:
            rows = list(by_experts(args.dataset))
            tables[f"Detector and OCR, {len(rows)} sample images"] = measure(rows, evidence)
    except (CurateError, FileNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        raise SystemExit(2) from None
    for title, lines in tables.items():
        print(f"\n### {title}\n\n{markdown(lines)}")


if __name__ == "__main__":
    main()
