"""Measure the nano open-set detector on held-out scenes, by the expert that a pipeline runs.

    python -m nano.evaluate.open_detector --json nano/metrics/open_detector.json

Each scene is asked for all 48 names and `sign`. Names that the training held out are counted for themselves.
"""

import argparse
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from curate.captions.boxes import overlap
from curate.experts.open_objects import OpenObjects
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run.local import measure
from nano.train.open_detector import HELD_OUT, LABELS
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.vocabulary import NAMES

SEED: Final = 6_000_000_000_000  # no training script uses it
FOLDER: Final = Path(__file__).resolve().parents[1] / "open_detector"
ASKED: Final = (*NAMES, "sign")
SAME_BOX: Final = 0.5  # IoU of a box and the truth, PASCAL VOC's
WORLD_OVERLAP: Final = 0.2  # IoU: things of this world hardly overlap, so boxes that do are of one
SCORES: Final = (0.1, 0.2, 0.25, 0.3, 0.4, 0.5)
Row = Mapping[str, Any]


def detector(folder: Path, min_score: float) -> OpenObjects:
    """Return the expert, which asks every image for the same names."""
    return OpenObjects(
        Weights(str(folder)),
        text_encoder=None,
        sources=(),
        names=ASKED,
        max_names=len(ASKED),
        image_size_px=416,
        min_score=min_score,
        max_overlap=WORLD_OVERLAP,
    )


def truth_of(scene: Scene) -> list[tuple[str, list[float]]]:
    """Return the names and boxes of a scene, in fractions of the image."""
    found = [(thing.name, thing.box) for thing in scene.objects] + ([("sign", scene.sign.box)] if scene.sign else [])
    size = (scene.width, scene.height) * 2
    return [(name, [edge / side for edge, side in zip(box, size, strict=True)]) for name, box in found]


def count(found: Sequence[Row], scene: Scene, labels: frozenset[str]) -> Counter[str]:
    """Count boxes and names of some labels: found rightly, found wrongly, not found."""
    truth = [one for one in truth_of(scene) if one[0] in labels]
    rows = [row for row in found if row["label"] in labels]
    free = list(truth)
    for row in rows:  # the highest score first
        best = max(free, key=lambda one: (one[0] == row["label"], overlap(one[1], row["box"])), default=None)
        if best and best[0] == row["label"] and overlap(best[1], row["box"]) >= SAME_BOX:
            free.remove(best)
    named, there = {row["label"] for row in rows}, {name for name, _ in truth}
    hits = len(truth) - len(free)
    return Counter(
        {"boxes": len(truth), "found": len(rows), "right": hits, "names": len(there)}
        | {"names_found": len(named), "names_right": len(named & there)}
    )


def shares(counts: Counter[str]) -> dict[str, float]:
    """Return recall and precision of boxes and of names."""
    pairs = {
        "box_recall": ("right", "boxes"),
        "box_precision": ("right", "found"),
        "name_recall": ("names_right", "names"),
        "name_precision": ("names_right", "names_found"),
    }
    return {name: round(counts[part] / max(1, counts[whole]), 4) for name, (part, whole) in pairs.items()}


def evaluate(folder: Path, scenes: int) -> dict[str, Any]:
    """Return recall and precision at several thresholds, of names that the training knew and of those held out."""
    drawn = [make_scene(SEED + i) for i in range(scenes)]
    rows = measure(Pipeline([detector(folder, min(SCORES))]), [(_encoded(image), "") for image, _ in drawn])
    found = rows["open_objects"].to_pylist()
    out: dict[str, Any] = {"scenes": scenes}
    for least in SCORES:
        groups = {"held_in": frozenset(LABELS), "held_out": frozenset(HELD_OUT)}
        for name, labels in groups.items():
            total = Counter[str]()
            for each, (_, scene) in zip(found, drawn, strict=True):
                total += count([row for row in each if row["score"] >= least], scene, labels)
            out[f"{name} at {least}"] = shares(total) | {"boxes": total["boxes"]}
    return out


def _encoded(image: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    text = json.dumps(evaluate(args.folder, args.count), indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
