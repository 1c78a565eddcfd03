"""Train the nano open-set detector, an OWLv2 of transformers, on emojiworld, from the nano CLIP.

As OWL-ViT does it (Minderer et al. 2022, arXiv 2205.06230): the towers are those of a CLIP, heads for classes and boxes
are added, and what is trained is told names as texts. Ten of the 48 names are held out: no scene of the training shows
them and no query names them, so what the detector knows of them it knows from the CLIP, which has read them in
captions. The text tower and the lower layers of the image tower stay as they are, so what those layers say of each
scene is worked out once.

    python -m nano.train.open_detector --steps 2000
    python -m nano.train.open_detector --steps 3000

A run goes on at the last checkpoint in its folder; the learning rate is that of the step among all steps.
"""

import argparse
import math
import multiprocessing as mp
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from nano.train.open_detector_start import CONTEXT, image_processor, start
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.texts import article
from nano.world.vocabulary import NAMES

HELD_OUT: Final = ("cow", "butterfly", "truck", "boat", "mushroom", "carrot", "cup", "guitar", "star", "laptop")
LABELS: Final = (*(name for name in NAMES if name not in HELD_OUT), "sign")
SEED: Final = 14_000_000_000
MOST: Final = 6  # objects of a scene: five things and a sign
FROZEN: Final = 5  # layers of the image tower that stay as the CLIP has them


@dataclass(frozen=True, slots=True)
class Scenes:
    """What the lower layers say of images, and their boxes as middle and size in fractions of the padded square."""

    features: npt.NDArray[np.float16]  # [n, 1 + places, width]
    boxes: npt.NDArray[np.float32]  # [n, MOST, 4]
    labels: npt.NDArray[np.int64]  # [n, MOST], -1 for none


def draw(seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Draw one scene of held-in names as the product's own image processor shows it to the model."""
    torch.set_num_threads(1)
    image, scene = make_scene(seed, names=LABELS[:-1])
    pixels = image_processor()(images=image, do_normalize=False, return_tensors="np")["pixel_values"][0]
    boxes, labels = targets(scene)
    return (pixels * 255).round().clip(0, 255).astype(np.uint8), boxes, labels


def targets(scene: Scene) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return boxes float32[MOST, 4] and labels int64[MOST] of a scene."""
    boxes, labels = np.zeros((MOST, 4), np.float32), np.full(MOST, -1)
    found = [(thing.name, thing.box) for thing in scene.objects] + ([("sign", scene.sign.box)] if scene.sign else [])
    for i, (name, (x0, y0, x1, y1)) in enumerate(found):
        box = np.array([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0])
        boxes[i], labels[i] = box / max(scene.width, scene.height), LABELS.index(name)
    return boxes, labels


def scenes(work: Path, count: int, workers: int, model: Any) -> Scenes:
    """Draw the scenes of the training and show them to the lower layers, once."""
    file, features = work / f"scenes-{count}.npz", work / f"features-{count}-{FROZEN}.npy"
    if not file.exists():
        work.mkdir(parents=True, exist_ok=True)
        with mp.get_context("spawn").Pool(workers) as pool:
            drawn = pool.map(draw, range(SEED, SEED + count), chunksize=64)
        images, boxes, labels = (np.stack(part) for part in zip(*drawn, strict=True))
        np.savez(file, images=images, boxes=boxes, labels=labels)
    with np.load(file) as stored:
        if not features.exists():
            parts = np.array_split(stored["images"], max(1, count // 64))
            np.save(features, np.concatenate([lower(model, part) for part in parts]))
        return Scenes(np.load(features, mmap_mode="r"), stored["boxes"], stored["labels"])


@torch.no_grad()
def lower(model: Any, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
    """Return what the frozen layers make of images."""
    processor, vision = image_processor(), model.owlv2.vision_model
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (processor.image_mean, processor.image_std))
    hidden = vision.pre_layernorm(vision.embeddings((torch.from_numpy(images).float() / 255 - mean) / std))
    for layer in vision.encoder.layers[:FROZEN]:
        hidden = layer(hidden, None)
    return hidden.half().numpy()


def upper(model: Any, hidden: torch.Tensor) -> torch.Tensor:
    """Return what `image_embedder` does, float32[b, places, width], from what the frozen layers said."""
    vision = model.owlv2.vision_model
    for layer in vision.encoder.layers[FROZEN:]:
        hidden = layer(hidden, None)
    hidden = vision.post_layernorm(hidden)
    return model.layer_norm(hidden[:, 1:] * hidden[:, :1])


@dataclass(frozen=True, slots=True)
class Batch:
    """What the frozen layers say of scenes, float32[b, 1 + places, width], and what they show."""

    hidden: torch.Tensor
    boxes: torch.Tensor  # [b, MOST, 4]
    labels: torch.Tensor  # [b, MOST]


def take(data: Scenes, rows: npt.NDArray[np.int64]) -> Batch:
    """Return some scenes."""
    features, boxes, labels = (torch.from_numpy(part[rows]) for part in (data.features, data.boxes, data.labels))
    return Batch(features.float(), boxes, labels)


def assign(batch: Batch, middles: torch.Tensor, is_dense: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return which places shall name, bool[b, places, MOST], which need not, and which shall give the box of an object.

    The middle half of its box gives its box, at least the place nearest to its middle. Where `is_dense`, as long as
    little is known, these name the object too, and the rest of the box is neither right nor wrong; else the nearest
    place alone, and those beside it are neither, so that an object is found once.
    """
    away = (middles[None, :, None] - batch.boxes[:, None, :, :2]).abs()  # [b, places, MOST, 2]
    there = (batch.labels >= 0)[:, None]
    nearest = F.one_hot(away.sum(-1).argmin(1), len(middles)).transpose(1, 2).bool() & there
    beside = (away < 1.5 * middles[0, 0] * 2).all(-1) & there
    boxed = ((away < batch.boxes[:, None, :, 2:] / 4).all(-1) & there) | nearest
    inside = (away < batch.boxes[:, None, :, 2:] / 2).all(-1) & there
    return (boxed, inside, boxed) if is_dense else (nearest, beside, boxed)


def losses(model: Any, queries: torch.Tensor, batch: Batch, is_dense: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the focal loss of names per object, and the loss of boxes (L1 and generalised IoU) per box."""
    features, grid = upper(model, batch.hidden), model.num_patches_width
    logits = model.class_predictor(features, queries.expand(len(features), -1, -1))[0]
    boxes = model.box_predictor(features, features)
    steps = (torch.arange(grid) + 0.5) / grid
    middles = torch.cartesian_prod(steps, steps).flip(1)  # x, y; rows first
    naming, beside, boxed = assign(batch, middles, is_dense)
    names = batch.labels.clamp(min=0).unsqueeze(1).expand(-1, len(middles), -1)
    wanted, spared = (
        torch.zeros_like(logits).scatter_add_(2, names, part.float()).clamp(max=1) for part in (naming, beside)
    )
    weight = torch.maximum(1 - spared, wanted)
    named = (sigmoid_focal_loss(logits, wanted, alpha=0.5) * weight).sum() / naming.sum()
    rows, at, which = boxed.nonzero(as_tuple=True)
    found, true = boxes[rows, at], batch.boxes[rows, which]
    placed = 20 * F.l1_loss(found, true) + 2 * generalized_box_iou_loss(_corners(found), _corners(true), "mean")
    return named, placed


def _corners(boxes: torch.Tensor) -> torch.Tensor:
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return torch.cat([middle - half, middle + half], 1)


def text_vectors(model: Any, tokenizer: Any) -> torch.Tensor:
    """Return the vectors of `LABELS` as the product asks for them, float32[labels, d]."""
    texts = [f"a photo of {article(name)}" for name in LABELS]
    tokens = tokenizer(texts, padding="max_length", max_length=CONTEXT, return_tensors="pt")
    with torch.no_grad():
        return model.owlv2.get_text_features(**tokens).pooler_output


def groups(model: Any, rate: float) -> list[dict[str, Any]]:
    """Freeze the text tower and the lower layers, in place; return the rest with its learning rates."""
    model.requires_grad_(False)
    vision = model.owlv2.vision_model
    tower = [vision.encoder.layers[FROZEN:], vision.post_layernorm]
    heads = [model.class_head, model.box_head, model.layer_norm]
    parts = []
    for modules, share in ((tower, 0.2), (heads, 1.0)):
        parameters = [p for module in modules for p in module.parameters()]
        for parameter in parameters:
            parameter.requires_grad_(True)
        parts.append({"params": parameters, "share": share, "lr": rate * share})
    return parts


def train(args: argparse.Namespace) -> None:
    """Train from the CLIP, or from the last checkpoint: 100 steps of warm-up, then a cosine over all steps."""
    model, tokenizer = start()
    data = scenes(args.work, args.scenes, args.workers, model)
    queries = text_vectors(model, tokenizer).unsqueeze(0)
    optimizer = torch.optim.AdamW(groups(model, args.rate), weight_decay=0.02)
    file, first = args.work / "checkpoint.pt", 0
    if file.exists():
        state = torch.load(file)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    begin, shown = time.time(), []
    for step in range(first, args.steps):
        rng = np.random.default_rng((args.seed, step))
        for group in optimizer.param_groups:
            cosine = 0.51 + 0.49 * math.cos(math.pi * step / args.steps)
            group["lr"] = args.rate * group["share"] * min(1, (step + 1) / 100) * cosine
        batch = take(data, rng.integers(len(data.labels), size=args.batch))
        named, placed = losses(model, queries, batch, is_dense=step < args.dense)
        optimizer.zero_grad(set_to_none=True)
        (named + placed).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        shown.append((named.item(), placed.item()))
        if (step + 1) % args.every == 0 or step + 1 == args.steps:
            means = " ".join(f"{mean:.3f}" for mean in np.mean(shown, 0))
            print(f"step {step + 1} loss of names and boxes {means} {time.time() - begin:.0f}s", flush=True)
            shown = []
            part = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(part, file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)
    save(model, tokenizer, args.out)


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """Write the folder that transformers loads, in fp16 safetensors."""
    model.half().save_pretrained(out)
    image_processor().save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("out/nano-open"))
    parser.add_argument("--out", type=Path, default=Path("nano/open_detector"))
    parser.add_argument("--scenes", type=int, default=8_000)
    parser.add_argument("--steps", type=int, default=3_000)
    parser.add_argument("--dense", type=int, default=2_000, help="first steps, in which several places name an object")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=2)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
