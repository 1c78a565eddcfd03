"""Train the nano detector, an ultralytics YOLO11n from scratch, on emojiworld.

The classes are the 48 emoji names and, as the last one, `sign`. Needs no network: ultralytics' downloads (fonts, AMP
check weights) are switched off.

    python -m nano.train.detector --work out/nano-det --out nano/detector/nano-yolo.pt
"""

import argparse
import multiprocessing as mp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nano.world.annotation import Scene
from nano.world.scenes import font_path, make_scene
from nano.world.vocabulary import NAMES

CLASSES = [*NAMES, "sign"]
SPLIT_SEED = {"train": 2_000_000_000, "val": 2_900_000_000}
RECIPE = {
    "pretrained": False,
    "optimizer": "AdamW",
    "lr0": 0.002,
    "lrf": 0.02,
    "cos_lr": True,
    "warmup_epochs": 0.5,
    "close_mosaic": 2,
    "mixup": 0.0,
    "erasing": 0.0,
    "degrees": 8.0,
    "scale": 0.4,
    "hsv_h": 0.01,
    "hsv_s": 0.4,
    "cache": "ram",
    "val": False,
    "plots": False,
}


def label_lines(scene: Scene) -> str:
    """Return the boxes in YOLO's text form: class, centre x, centre y, width, height, all 0-1."""
    boxes = [(CLASSES.index(thing.name), thing.box) for thing in scene.objects]
    if scene.sign:
        boxes.append((CLASSES.index("sign"), scene.sign.box))
    w, h = scene.width, scene.height
    rows = [
        f"{label} {(x0 + x1) / 2 / w:.5f} {(y0 + y1) / 2 / h:.5f} {(x1 - x0) / w:.5f} {(y1 - y0) / h:.5f}"
        for label, (x0, y0, x1, y1) in boxes
    ]
    return "\n".join(rows) + "\n"


def write_one(job: tuple[Path, str, int]) -> None:
    """Render one scene into the dataset folder."""
    root, split, i = job
    image, scene = make_scene(SPLIT_SEED[split] + i)
    image.save(root / "images" / split / f"{i:06d}.jpg", quality=88)
    (root / "labels" / split / f"{i:06d}.txt").write_text(label_lines(scene))


def write_dataset(root: Path, sizes: Mapping[str, int], workers: int) -> Path:
    """Render the splits; returns the data YAML."""
    jobs = []
    for split, n in sizes.items():
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        jobs += [(root, split, i) for i in range(n)]
    with mp.get_context("spawn").Pool(max(1, workers)) as pool:
        pool.map(write_one, jobs, chunksize=64)
    names = "\n".join(f"  {i}: {name}" for i, name in enumerate(CLASSES))
    data = root / "emojiworld.yaml"
    data.write_text(f"path: {root.resolve()}\ntrain: images/train\nval: images/val\nnames:\n{names}\n")
    return data


def go_offline(work: Path) -> None:
    """Keep ultralytics away from the network, the home folder and optional packages."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    config = work / "ultralytics"
    (config / "Ultralytics").mkdir(parents=True, exist_ok=True)
    os.environ["YOLO_CONFIG_DIR"] = str(config)  # before the import, which reads it
    from ultralytics.engine import trainer
    from ultralytics.utils import USER_CONFIG_DIR

    trainer.check_amp = lambda model: True  # it would fetch yolo11n.pt
    trainer.BaseTrainer.read_results_csv = lambda self: {}  # it would want polars
    Path(USER_CONFIG_DIR).mkdir(parents=True, exist_ok=True)
    shutil.copy(font_path("DejaVuSans.ttf"), Path(USER_CONFIG_DIR) / "Arial.ttf")


def validate(weights: Path, data: Path, **options: Any) -> Any:
    """Return ultralytics' own metrics of a checkpoint."""
    from ultralytics import YOLO

    return YOLO(str(weights)).val(data=str(data), plots=False, verbose=False, **options)


def train(args: argparse.Namespace, data: Path) -> Path:
    """Train and return the stripped checkpoint of the last epoch."""
    import torch
    from ultralytics import YOLO

    limit = {"time": args.max_seconds / 3600} if args.max_seconds else {}
    YOLO(args.model).train(
        data=str(data),
        epochs=args.epochs,
        imgsz=args.imgsz,
        batch=args.batch,
        seed=args.seed,
        workers=args.workers,
        device=0 if torch.cuda.is_available() else "cpu",
        project=str(args.work),
        name="run",
        exist_ok=True,
        **RECIPE,
        **limit,
    )
    return args.work / "run" / "weights" / "last.pt"


def main() -> None:
    """Render, train, and copy the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/nano-det"))
    parser.add_argument("--out", type=Path, default=Path("nano/detector/nano-yolo.pt"))
    parser.add_argument("--model", default="yolo11n.yaml")
    parser.add_argument("--train-scenes", type=int, default=24_000)
    parser.add_argument("--val-scenes", type=int, default=1_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--imgsz", type=int, default=320)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-seconds", type=float, default=0, help="stop after about this time (0: no limit)")
    parser.add_argument("--render-only", action="store_true")
    args = parser.parse_args()
    data = args.work / "data" / "emojiworld.yaml"
    if not data.exists():
        data = write_dataset(args.work / "data", {"train": args.train_scenes, "val": args.val_scenes}, args.workers)
    if args.render_only:
        return
    go_offline(args.work)
    checkpoint = train(args, data)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(checkpoint, args.out)
    box = validate(args.out, data, imgsz=args.imgsz).box
    print(f"detector mAP50 {box.map50:.4f} mAP50-95 {box.map:.4f} size {args.out.stat().st_size}")


if __name__ == "__main__":
    main()
