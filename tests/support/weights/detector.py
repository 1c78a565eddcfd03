"""An ultralytics detector: the true architecture from its own YAML, random weights, and a head that sees something."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["SEEN", "write_detector"]

SEEN: Final = (("dog", 0.9), ("person", 0.99))
SIDE_BINS: Final = 12.0  # strides from the middle to a side of a box: 384 px for stride 16, 768 px for stride 32
UNSEEN: Final = -12.0  # logit


def write_detector(path: Path, seen: Sequence[tuple[str, float]] = SEEN) -> Path:
    """Write the checkpoint of the architecture that `path` names (yolo11x.pt), of COCO's classes, and return its path.

    Random layers see nothing, so biases of the head say it: `seen` are label and score of the coarsest strides, the
    last one's last, which are found all over the image in a few large boxes.
    """
    os.environ.setdefault("YOLO_CONFIG_DIR", str(path.parent))
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import torch
    from ultralytics import YOLO
    from ultralytics.utils import ROOT, YAML

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = YOLO(f"{path.stem}.yaml", task="detect")
    model.model.names = YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"]
    numbers = {name: number for number, name in model.model.names.items()}
    _see(model.model.model[-1], [(numbers[name], score) for name, score in seen])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return path


def _see(head: Any, seen: Sequence[tuple[int, float]]) -> None:
    """Set the last layers of a Detect head, one per stride, so that each always sees the same or nothing."""
    import torch

    for boxes, classes in zip(head.cv2, head.cv3, strict=True):
        torch.nn.init.zeros_(boxes[-1].weight)
        torch.nn.init.zeros_(classes[-1].weight)
        torch.nn.init.constant_(classes[-1].bias, UNSEEN)
        boxes[-1].bias.data = torch.arange(head.reg_max).sub(SIDE_BINS).abs().mul(-20.0).repeat(4)
    for classes, (number, score) in zip(head.cv3[-len(seen) :], seen, strict=True):
        classes[-1].bias.data[number] = torch.logit(torch.tensor(score))
