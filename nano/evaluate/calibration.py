r"""Write a labelled set of captions of the emojiworld, with exact labels, to calibrate judges on.

    python -m nano.evaluate.calibration out/calibration
    curate calibrate sail_caption out/calibration/set.jsonl --out out/calibration/judge.json \
        -p engine.model=nano/vlm -p engine.gpus=0 -p engine.max_model_len=2048 -p longest_side_px=336

Per scene: its true dense caption, the same with one to three invented objects, with one thing wrong, another scene's,
a true short one and the first sentences of the dense one. The labels follow from how each was made:

- `vir` (richness) is 1 + 4 * share, rounded down, of the facts of the image that are told: its classes, where each
  object is, the text of its sign and the colours of its background. All of them are 5, less than half is at most 2.
- `ita` (alignment) is 5 for what says nothing wrong, 2 for one wrong thing, 1 for more or for another scene.
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

from nano.evaluate.models import HELD_OUT
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, hallucinated, hard_negative, mentioned, short_caption

SEED = HELD_OUT["vlm"] + 500_000  # scenes that no other figure is measured on


def captions(scene: Scene, other: Scene, rng: random.Random) -> Iterator[tuple[str, str, int]]:
    """Yield the kind, the text and its alignment."""
    true = dense_caption(scene, rng)
    yield "true", true, 5
    yield "short", short_caption(scene, rng), 5
    yield "beginning", true[: true.index(". ") + 1], 5
    invented = hallucinated(scene, rng)
    yield "invented", dense_caption(invented, rng), 2 if len(invented.objects) - len(scene.objects) == 1 else 1
    wrong = hard_negative(scene, rng)
    yield "one thing wrong", dense_caption(wrong, rng), 2
    yield "another scene", dense_caption(other, rng), 1


def richness(text: str, scene: Scene) -> int:
    """Return how much of the scene a text tells, 1 to 5."""
    named = mentioned(text)
    facts = [name in named for name in scene.counts()]
    facts += [thing.name in named and f"in the {thing.position}" in text for thing in scene.objects]
    facts += [scene.sign.text in text] if scene.sign else []
    shown = scene.colours[: 1 if scene.background in ("plain", "grainy") else 2]
    facts.append(all(colour in text for colour in shown))
    return 1 + int(4 * sum(facts) / len(facts))


def write(folder: Path, scenes: int) -> int:
    """Write images and `set.jsonl`; return the number of captions."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for i in range(scenes):
        image, scene = make_scene(SEED + i)
        name = f"images/{i:05d}.png"
        image.save(folder / name)
        other = make_scene(SEED + scenes + i)[1]
        for kind, text, ita in captions(scene, other, random.Random(SEED + i)):
            row = {"image": name, "caption": text, "kind": kind, "vir": richness(text, scene), "ita": ita}
            lines.append(json.dumps(row, ensure_ascii=False))
    (folder / "set.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


def main() -> None:
    """Write the set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--scenes", type=int, default=40)
    args = parser.parse_args()
    print(f"{write(args.folder, args.scenes)} captions of {args.scenes} scenes in {args.folder}")


if __name__ == "__main__":
    main()
