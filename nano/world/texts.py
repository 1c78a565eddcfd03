"""Write about scenes: captions, hard negatives, web alt texts, expert hints; and find what a caption claims."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal, TypeAlias

from nano.world.annotation import Scene, Sign, Thing, area, position_words, size_word
from nano.world.vocabulary import COLOURS, NAMES, PLURALS

__all__ = [
    "NUMBERS",
    "AltTextKind",
    "article",
    "background_phrase",
    "counted",
    "dense_caption",
    "fake_object",
    "hallucinated",
    "hard_negative",
    "listing",
    "mentioned",
    "short_caption",
    "sign_found",
    "spam_alt_text",
    "web_alt_text",
]

AltTextKind: TypeAlias = Literal["good", "dense", "partial", "spam", "file", "wrong"]

NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
LOOK = {
    "plain": ("a plain {a} background", "The background is one flat {a} colour without any texture."),
    "gradient": ("a {a} and {b} gradient", "The background is a smooth gradient between {a} and {b}."),
    "grainy": ("a grainy {a} background", "The background is {a} and covered with fine, grainy noise."),
    "striped": ("a striped {a} and {b} background", "The background has regular stripes in {a} and {b}."),
    "checkered": (
        "a checkered {a} and {b} background",
        "The background is a checkered pattern of {a} and {b} squares.",
    ),
    "blurred": (
        "a blurred {a} and {b} backdrop",
        "The background is soft and blurred, with patches of {a} and {b}.",
    ),
}
SHORT = [
    "{t}",
    "{t} on {b}",
    "a photo of {t}",
    "a picture of {t} on {b}",
    "{t} in front of {b}",
    "an image showing {t}",
    "{n}",
    "scene with {t}",
    "{t} ({n})",
]
SIGN_TAILS = [' and a sign that says "{}"', ' with a sign reading "{}"', ', sign: "{}"']
PARTIAL = ["{}", "nice {}", "my {} pic", "{} !!", "best {} ever"]
SPAM = [
    "buy {0} online cheap free shipping {0} {0}",
    "{0} wallpaper hd download free",
    "click here for {0} deals -50%",
    "{0} | shop | home | cart",
]
FILE_NAMES = ["IMG_{:04d}.jpg", "DSC{:05d}", "image {}", "untitled-{}", "photo_{}.png"]

_FORMS = {n: n for n in NAMES} | {p: n for n, p in PLURALS.items()}
_PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, _FORMS), key=len, reverse=True)) + r")\b")


def article(phrase: str) -> str:
    """Return 'a dog', 'an apple', 'a pair of scissors'."""
    if phrase.rsplit(maxsplit=1)[-1] == "scissors":
        return f"a {phrase.replace('scissors', 'pair of scissors')}"
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def counted(name: str, n: int) -> str:
    """Return 'a dog' or 'two dogs'."""
    if n == 1:
        return article(name)
    return f"{NUMBERS[n]} {'pairs of ' if name == 'scissors' else ''}{PLURALS[name]}"


def listing(items: Sequence[str]) -> str:
    """Return 'a', 'a and b', or 'a, b and c'."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def background_phrase(scene: Scene, long: bool = False) -> str:
    """Return the background in words, as a noun phrase or as a sentence."""
    return LOOK[scene.background][int(long)].format(a=scene.colours[0], b=scene.colours[1])


def short_caption(scene: Scene, rng: random.Random) -> str:
    """Write a correct short alt text in one of several templates."""
    counts = scene.counts()
    things = listing([counted(n, c) for n, c in counts.items()])
    text = rng.choice(SHORT).format(t=things, b=background_phrase(scene), n=listing(list(counts)))
    if scene.sign and rng.random() < 0.55:
        text += rng.choice(SIGN_TAILS).format(scene.sign.text)
    return text


def dense_caption(scene: Scene, rng: random.Random) -> str:
    """Write a paragraph of about 60 to 120 words: every object, the sign's text and the background."""
    counts, total = scene.counts(), len(scene.objects)
    head = rng.choice(["The image shows", "The picture shows", "This scene contains", "In this image there are"])
    many = f"{NUMBERS[total]} objects" if total > 1 else "one object"
    if head.startswith("In") and total == 1:
        head = "In this image there is"
    things = listing([counted(n, c) for n, c in counts.items()])
    lines = [f"{head} {many}: {things}, on {background_phrase(scene)}."]
    lines += [_sentence(scene, name, rng) for name in counts]
    lines += [_sign_sentence(scene.sign), background_phrase(scene, long=True)]
    tail = [
        f"Overall, the composition is simple, with {many} in total and {'one sign' if scene.sign else 'no sign'}.",
        "The objects are drawn in a clean, flat and colourful style with clear outlines.",
        "The lighting is even, there are no shadows, and nothing else can be seen in the frame.",
    ]
    for line in _relations(scene)[:2] + tail:
        if sum(len(line.split()) for line in lines) < (75 if line in tail else 90):
            lines.append(line)
    return " ".join(lines)


def _sentence(scene: Scene, name: str, rng: random.Random) -> str:
    """Return where the objects of one class are."""
    group = sorted((thing for thing in scene.objects if thing.name == name), key=area, reverse=True)
    if len(group) > 1:
        parts = [f"a {thing.size} one in the {thing.position}" for thing in group]
        return f"There are {counted(name, len(group))}: {listing(parts)}."
    verb = rng.choice(["is", "can be seen", "appears", "is placed"])
    return f"{article(group[0].size + ' ' + name).capitalize()} {verb} in the {group[0].position} of the frame."


def _sign_sentence(sign: Sign | None) -> str:
    if sign is None:
        return "There is no visible text in the image."
    return f'{article(sign.colour).capitalize()} sign in the {sign.position} reads "{sign.text}".'


def _relations(scene: Scene) -> list[str]:
    """Return sentences about pairs of objects that are alone in their class, the biggest first."""
    counts = scene.counts()
    singles = sorted((thing for thing in scene.objects if counts[thing.name] == 1), key=area, reverse=True)
    relations = [_relation(p, q) for p, q in pairwise(singles)]
    if len(singles) > 1:
        relations.append(f"The {singles[0].name} is larger than the {singles[-1].name}.")
    return relations


def _relation(p: Thing, q: Thing) -> str:
    dx = (q.box[0] + q.box[2] - p.box[0] - p.box[2]) / 2
    dy = (q.box[1] + q.box[3] - p.box[1] - p.box[3]) / 2
    beside, over = "to the left of" if dx > 0 else "to the right of", "above" if dy > 0 else "below"
    return f"The {p.name} is {beside if abs(dx) > abs(dy) else over} the {q.name}."


def fake_object(scene: Scene, rng: random.Random) -> Thing:
    """Invent an object of a class that the scene lacks, anywhere in the image."""
    w, h = scene.width, scene.height
    side = int(min(w, h) * rng.uniform(0.12, 0.4))
    x, y = rng.randint(0, w - side), rng.randint(0, h - side)
    box = (x, y, x + side, y + side)
    name = rng.choice([n for n in NAMES if n not in scene.counts()])
    return Thing(name, box, position_words(box, w, h), size_word(box, w, h))


def hallucinated(scene: Scene, rng: random.Random) -> Scene:
    """Return the truth with one to three objects that are not in the image."""
    for _ in range(rng.choice([1, 2, 2, 3])):
        scene = replace(scene, objects=(*scene.objects, fake_object(scene, rng)))
    return scene


def hard_negative(scene: Scene, rng: random.Random) -> Scene:
    """Return the truth with one thing wrong: an object swapped, or the sign, or the background."""
    kind = rng.random()
    if kind < 0.12 and scene.sign:
        return replace(scene, sign=None)
    if kind < 0.22:
        background = rng.choice([b for b in LOOK if b != scene.background])
        first, second = rng.sample([c for c in COLOURS if c not in scene.colours], 2)
        return replace(scene, background=background, colours=(first, second))
    victim = rng.choice(range(len(scene.objects)))
    old, new = scene.objects[victim].name, fake_object(scene, rng).name
    things = list(scene.objects)
    for i in range(victim + 1):  # most of the earlier twins change too, later ones stay
        if i == victim or (things[i].name == old and rng.random() < 0.7):
            things[i] = replace(things[i], name=new)
    return replace(scene, objects=tuple(things))


def web_alt_text(scene: Scene, rng: random.Random) -> tuple[str, AltTextKind]:
    """Write an alt text as a crawl has it and name its kind; 'wrong' ones name other objects."""
    kinds: list[AltTextKind] = ["good", "dense", "partial", "spam", "file", "wrong"]
    kind = rng.choices(kinds, [0.45, 0.1, 0.15, 0.1, 0.1, 0.1])[0]
    names = list(scene.counts())
    if kind == "good":
        return short_caption(scene, rng), kind
    if kind == "dense":
        return dense_caption(scene, rng), kind
    if kind == "partial":
        return rng.choice(PARTIAL).format(rng.choice(names)), kind
    if kind == "spam":
        return spam_alt_text(names, rng), kind
    if kind == "file":
        return rng.choice(FILE_NAMES).format(rng.randint(1, 9999)), kind
    things = [fake_object(scene, rng) for _ in range(rng.choice([1, 2, 3]))]
    return short_caption(replace(scene, sign=None, objects=tuple(things)), rng), kind


def spam_alt_text(names: Sequence[str], rng: random.Random) -> str:
    """Write shop boilerplate around one of the names."""
    return rng.choice(SPAM).format(rng.choice(names))


def mentioned(text: str) -> set[str]:
    """Return the class names that a caption mentions, outside quoted sign text."""
    return {_FORMS[form] for form in _PATTERN.findall(re.sub(r'"[^"]*"', " ", text.lower()))}


def sign_found(text: str, scene: Scene) -> bool:
    """Tell whether the caption holds the sign's text, ignoring case; False without a sign."""
    return scene.sign is not None and scene.sign.text.lower() in text.lower()
