"""Measure what evidence finds in dense captions of photographs, documents and art, and how much it can judge.

    python -m benchmarks.evidence [--tuning]

120 captions by hand (benchmarks/captions_truth.py says how), with things, numbers and texts planted that are not there;
60 of them, held out of tuning, unless --tuning is given. Detectors, tags and OCR are simulated from the truth,
perfectly and with faults; the rate of misses that came out is printed. "Unlabelled" are contradicted nouns that the
truth says nothing of, which precision leaves out. Prints Markdown.
"""

import argparse
import importlib.util
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from benchmarks.captions_truth import Claim, Sample, Sight, read_captions
from curate.captions.checking.evidence import Claims, Evidence
from curate.captions.checking.lexicon import Mention, read_lexicon
from curate.captions.checking.witnesses import Asked, Columns, OpenSet, label_of_name

Row: TypeAlias = dict[str, Any]

COCO, LVIS = read_lexicon("coco80"), read_lexicon("lvis")
OPEN = Columns(("open_objects", "caption_objects"), "tags")
PERFECT, FAULTY = Sight(), Sight(missed=0.2, doubtful=0.15, invented=0.3, tagged=0.6)
FROM_ALT_TEXT = 0.3  # of the things that are there, named by the alt text, simulated
# What COCO's annotators would call things of other names, where they would label them at all.
CALLED = {
    "chair": "armchair, stool, foldable chair, office chair",
    "tv": "television, monitor",
    "dining table": "desk, table, coffee table",
    "cup": "mug",
    "cat": "kitten",
    "couch": "sofa",
    "car": "taxi, van, jeep",
    "truck": "pickup truck, fire engine",
    "boat": "sailboat, canoe",
    "cell phone": "phone, telephone",
    "sports ball": "ball, soccer ball, basketball, golf ball",
    "tie": "necktie, bow tie",
    "bird": "duck, swan, rooster, hen, penguin, crow, dove, heron, parrot, turkey, crane bird",
    "wine glass": "goblet",
    "oven": "stove",
    "spoon": "wooden spoon",
    "sandwich": "hamburger",
    "potted plant": "flowerpot",
    "train": "tram",
    "horse": "foal",
    "clock": "watch",
    "sheep": "lamb",
    "donut": "doughnut",
}
AS_COCO = {name: label for label, names in CALLED.items() for name in names.split(", ")}


@dataclass(frozen=True)
class Setting:
    """One row of the table: a lexicon, what the closed detector knows, and what the open-set detector is asked for.

    "tags": the tags, and what the alt text names. "caption": then also the caption's nouns of which the others, or all
    that could judge them ("unjudged"), saw nothing.
    """

    name: str
    evidence: Evidence
    knows: frozenset[str]
    asks: str = ""

    @property
    def is_coco(self) -> bool:
        return len(self.knows) == len(COCO.names)


def settings() -> list[Setting]:
    """Return the rows; a closed detector of LVIS knows the categories of ultralytics' lvis.yaml."""
    coco = frozenset(COCO.names)
    labels = {label for name in lvis_names() if (label := LVIS.label_of(name))}
    wide = Evidence(LVIS, COCO.names, columns=OPEN)
    return [
        Setting("coco80, COCO detector", Evidence(COCO), coco),
        Setting("lvis, COCO detector", Evidence(LVIS, COCO.names), coco),
        Setting("lvis, LVIS detector", Evidence(LVIS, tuple(sorted(labels))), frozenset(labels)),
        Setting("lvis, COCO detector, tags, open set asked for tags and alt text", wide, coco, "tags"),
        Setting("the same, then asked for the caption's nouns that nobody could judge", wide, coco, "unjudged"),
        Setting("the same, then asked for the caption's nouns that nobody saw", wide, coco, "caption"),
    ]


def lvis_names() -> list[str]:
    """Return the 1,203 names of LVIS as ultralytics spells them; its code is not imported."""
    spec = importlib.util.find_spec("ultralytics")
    if spec is None or spec.origin is None:
        raise SystemExit("ultralytics is not installed: pip install curate[detect]")
    path = Path(spec.origin).parent / "cfg" / "datasets" / "lvis.yaml"
    return list(yaml.safe_load(path.read_text(encoding="utf-8"))["names"].values())


def look(setting: Setting, sample: Sample, sight: Sight, seen: Counter[str]) -> Claims:
    """Return the evidence of a caption by simulated experts."""

    def closed(label: str) -> list[str]:
        known = LVIS.label_of(label) if setting.evidence.lexicon is LVIS and not setting.is_coco else None
        name = known or AS_COCO.get(label, label)
        return [name] if name in setting.knows else []

    objects, there, missed = sight.boxes(sample, "closed", closed, setting.knows)
    seen.update(there=there, missed=missed, boxes=len(objects), images=1)
    lines = [{"text": text, "box": [0.4, 0.4, 0.6, 0.6], "score": 0.9} for text in sample.texts]
    open_set = _open_set(setting, sample, sight, objects) if setting.asks else None
    return setting.evidence.measure(sample.caption, objects, lines, open_set)


def _open_set(setting: Setting, sample: Sample, sight: Sight, closed: Sequence[Row]) -> OpenSet:
    """Return what the open-set detector says before the captioner and, if it is asked again, after it."""
    evidence, tags = setting.evidence, sight.some(sample, "tags", sight.tagged)
    first = _asked(setting, sample, sight, [*tags, *sight.some(sample, "alt", FROM_ALT_TEXT)])
    before = OpenSet((first,), [{"label": tag, "score": 0.9} for tag in tags])
    if setting.asks == "tags":
        return before
    witnesses, passed = evidence.witnesses(closed, before), {"supported"}
    if setting.asks == "unjudged":
        passed.add("contradicted")
    names = [name for name in evidence.named(sample.caption) if witnesses.verdict(name) not in passed]
    return replace(before, asked=(first, _asked(setting, sample, sight, names)))


def _asked(setting: Setting, sample: Sample, sight: Sight, asked: Iterable[str]) -> Asked:
    """Return what the open-set detector finds of some names; one model, so it misses the same things each time."""
    lexicon = setting.evidence.lexicon
    names = {label_of_name(name, lexicon) for name in asked}
    called: dict[str, set[str]] = {}
    for claim in sample.claims:
        if claim.flag != "!":
            called.setdefault(claim.label, set()).add(label_of_name(claim.surface, lexicon))

    def open_names(label: str) -> list[str]:
        return sorted(({label_of_name(label, lexicon)} | called.get(label, set())) & names)

    objects, _, _ = sight.boxes(sample, "open", open_names, names)
    return Asked(objects, sorted(names))


def matched(mentions: Sequence[Mention], claims: Sequence[Claim]) -> list[Claim | None]:
    """Return the marked noun that each mention is, by where it ends; null: it is no noun for a thing."""
    by_end = {claim.end: claim for claim in claims}
    return [by_end.get(mention.end) or _within(mention, claims) for mention in mentions]


def _within(mention: Mention, claims: Sequence[Claim]) -> Claim | None:
    return next((claim for claim in claims if claim.start < mention.end and mention.start < claim.end), None)


def measure(setting: Setting, samples: Iterable[Sample], sight: Sight) -> dict[str, Any]:
    """Return one row of the table."""
    tally: Counter[str] = Counter()
    covered, of_objects = [], []
    for sample in samples:
        claims = look(setting, sample, sight, tally)
        mentions = [one for one in setting.evidence.mentions(sample.caption) if one.count != 0]
        found = matched(mentions, sample.claims)
        right = {m.label for m, claim in zip(mentions, found, strict=True) if claim and claim.flag != "!"}
        wrong = {m.label for m, claim in zip(mentions, found, strict=True) if claim and claim.flag == "!"} - right
        tally["planted"] += sum(claim.flag == "!" for claim in sample.claims)
        tally["found"] += len(wrong & set(claims.unsupported))
        tally["marked"] += len((wrong | right) & set(claims.unsupported))
        tally["unlabelled"] += len(set(claims.unsupported) - wrong - right)
        miscounted = {label for claim in sample.claims if claim.flag == "#" for label in _labels(claim, setting)}
        tally["numbers"] += sum(claim.flag == "#" for claim in sample.claims)
        tally["wrong_numbers"] += len(claims.wrong_counts)
        tally["numbers_found"] += sum(claim.label in miscounted for claim in claims.wrong_counts)
        covered.append(claims.coverage or 0.0)
        named = len(claims.named)
        of_objects.append((named - len(claims.unjudged)) / named if named else 0.0)
    return {
        "lexicon and witnesses": setting.name,
        "coverage": _mean(covered),
        "of objects": _mean(of_objects),
        "planted": tally["planted"],
        "precision": _share(tally["found"], tally["marked"]),
        "recall": _share(tally["found"], tally["planted"]),
        "unlabelled": tally["unlabelled"],
        "wrong numbers": tally["numbers"],
        "precision ": _share(tally["numbers_found"], tally["wrong_numbers"]),
        "recall ": _share(tally["numbers_found"], tally["numbers"]),
        "things missed": _share(tally["missed"], tally["there"]),
    }


def _labels(claim: Claim, setting: Setting) -> set[str]:
    """Return the classes under which a number of a noun can be compared."""
    lexicon = setting.evidence.lexicon
    own = {lexicon.label_of(name) for name in (claim.surface, claim.label)} - {None}
    return {up for label in own if label for up in (label, *lexicon.above(label))} | {claim.label}


def nouns(samples: Sequence[Sample], evidence: Evidence) -> dict[str, Any]:
    """Return how many of the marked nouns are found, and how many of those found are marked."""
    hits = claimed = marked = 0
    for sample in samples:
        mentions = evidence.mentions(sample.caption)
        found = matched(mentions, sample.claims)
        hits += len({claim.start for claim in found if claim})
        claimed, marked = claimed + len(mentions), marked + len(sample.claims)
    right = sum(
        claim is not None for sample in samples for claim in matched(evidence.mentions(sample.caption), sample.claims)
    )
    return {"nouns": marked, "found": _share(hits, marked), "found that are nouns for things": _share(right, claimed)}


def texts(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return how quotations fare; OCR is perfect."""
    tally: Counter[str] = Counter()
    for sample in samples:
        lines = [{"text": text, "box": [0.0, 0.0, 1.0, 1.0], "score": 0.9} for text in sample.texts]
        claims = Evidence(COCO).measure(sample.caption, [], lines)
        tally["planted"] += len(sample.false_texts)
        tally["true"] += len(sample.texts)
        tally["found"] += sum(text.strip() in sample.false_texts for text in claims.unsupported_texts)
        tally["marked"] += len(claims.unsupported_texts)
    return dict(tally)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _mean(values: list[float]) -> float:
    return round(sum(values) / len(values), 3)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as Markdown."""
    head = list(rows[0])
    lines = [
        head,
        ["---"] * len(head),
        *[[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows],
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tuning", action="store_true", help="the half that was looked at while tuning")
    args = parser.parse_args()
    samples = read_captions(held_out=not args.tuning)
    words = sum(len(sample.caption.split()) for sample in samples) / len(samples)
    print(f"{len(samples)} captions, {words:.0f} words on average; texts: {texts(samples)}")
    print(f"nouns: {nouns(samples, Evidence(LVIS))}")
    for title, sight in (("Perfect experts", PERFECT), (f"Faulty experts: {FAULTY}", FAULTY)):
        print(f"\n### {title}\n\n{table([measure(setting, samples, sight) for setting in settings()])}")


if __name__ == "__main__":
    main()
