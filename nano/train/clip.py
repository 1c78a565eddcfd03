"""Train the nano CLIP, an ordinary open_clip model, on emojiworld from scratch.

Scenes are rendered by worker processes into a growing pool. The loss is the usual contrastive one with two additions:
every caption brings a hard negative (one object, the sign or the background swapped), and pairs that are true by
accident (all objects named by a caption are in the other image too) are masked out.

    python -m nano.train.clip --out nano/clip/nano-clip.safetensors
"""

import argparse
import functools
import json
import math
import multiprocessing as mp
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from nano.world.scenes import make_scene
from nano.world.texts import dense_caption, hard_negative, mentioned, short_caption
from nano.world.vocabulary import NAMES

CHUNK = 256
TEXTS = 3  # two short captions and one dense one per scene


def register(config: Path) -> str:
    """Make open_clip know the nano config; returns the model's name."""
    open_clip.add_model_config(config)
    return config.stem


@functools.cache
def worker_tokenizer(config: Path) -> Any:
    """Return the tokenizer of a worker process, which also keeps to one thread."""
    torch.set_num_threads(1)
    return open_clip.get_tokenizer(register(config))


def image_array(image: Image.Image, side: int, crop: bool) -> npt.NDArray[np.uint8]:
    """Return uint8[side, side, 3] as open_clip's own transform sees it: bicubic, squashed or cropped to a square."""
    if crop:
        edge = min(image.size)
        x, y = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.crop((x, y, x + edge, y + edge))
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def multi_hot(names: set[str]) -> npt.NDArray[np.bool_]:
    """Return one flag per class."""
    return np.array([n in names for n in NAMES], dtype=np.bool_)


def render_chunk(job: tuple[int, int, Path]) -> tuple[npt.NDArray[Any], ...]:
    """Render CHUNK scenes: images [n, H, W, 3], tokens [n, TEXTS, 2, ctx], caption flags and scene flags."""
    start, side, config = job
    tokenizer = worker_tokenizer(config)
    rng = random.Random(start)
    images, texts, flags, truth = [], [], [], []
    for i in range(CHUNK):
        image, scene = make_scene(start + i)
        images.append(image_array(image, side, rng.random() < 0.2))
        truth.append(multi_hot(set(scene.counts())))
        for make in (short_caption, short_caption, dense_caption):
            pair = [make(scene, rng), make(hard_negative(scene, rng), rng)]
            texts += pair
            flags += [multi_hot(mentioned(text)) for text in pair]
    tokens = tokenizer(texts).numpy().astype(np.uint16).reshape(CHUNK, TEXTS, 2, -1)
    return np.stack(images), tokens, np.array(flags).reshape(CHUNK, TEXTS, 2, -1), np.array(truth)


class Pool:
    """Scenes on the device, filled by worker processes while training runs."""

    def __init__(self, args: argparse.Namespace, side: int, context: int, device: str) -> None:
        n = args.scenes // CHUNK * CHUNK
        self.images = torch.empty(n, 3, side, side, dtype=torch.uint8, device=device)
        self.tokens = torch.empty(n, TEXTS, 2, context, dtype=torch.int32, device=device)
        self.flags = torch.empty(n, TEXTS, 2, len(NAMES), dtype=torch.bool, device=device)
        self.truth = torch.empty(n, len(NAMES), dtype=torch.bool, device=device)
        self.filled = 0
        jobs = [(args.seed * 100_000_000 + i, side, args.config) for i in range(0, n, CHUNK)]
        self.workers = mp.get_context("spawn").Pool(args.workers)
        self.thread = threading.Thread(target=self._fill, args=(jobs,), daemon=True)
        self.thread.start()

    def _fill(self, jobs: Sequence[tuple[int, int, Path]]) -> None:
        device = self.images.device
        for images, tokens, flags, truth in self.workers.imap(render_chunk, jobs):
            at = slice(self.filled, self.filled + CHUNK)
            self.images[at] = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)
            self.tokens[at] = torch.from_numpy(tokens.astype(np.int32)).to(device)
            self.flags[at] = torch.from_numpy(flags).to(device)
            self.truth[at] = torch.from_numpy(truth).to(device)
            self.filled += CHUNK

    def wait(self, scenes: int) -> None:
        """Return when this many scenes, but at most all, have been rendered."""
        while self.filled < min(len(self.images), max(CHUNK, scenes)):
            time.sleep(0.2)


@dataclass(frozen=True, slots=True)
class Pairs:
    """One training batch: images [n, 3, H, W], captions and hard negatives, and which classes each one names."""

    images: torch.Tensor
    tokens: torch.Tensor  # [n, 2, ctx]: caption, hard negative
    flags: torch.Tensor  # [n, 2, classes]
    truth: torch.Tensor  # [n, classes]


def draw_pairs(pool: Pool, batch: int) -> Pairs:
    """Draw images from the pool, each with one of its texts, mildly jittered."""
    device = pool.images.device
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD, device=device).view(1, 3, 1, 1)
    pick = torch.randint(pool.filled, (batch,), device=device)
    which = torch.randint(TEXTS, (batch,), device=device)
    images = augment((pool.images[pick].float() / 255 - mean) / std)
    return Pairs(images, pool.tokens[pick, which].long(), pool.flags[pick, which], pool.truth[pick])


def augment(images: torch.Tensor) -> torch.Tensor:
    """Jitter colour and brightness of normalised float images."""
    n = images.shape[0]
    gain = 1 + 0.15 * torch.randn(n, 1, 1, 1, device=images.device)
    tint = 0.10 * torch.randn(n, 3, 1, 1, device=images.device)
    return images * gain + tint + 0.05 * torch.randn_like(images)


def contrastive_loss(img: torch.Tensor, txt: torch.Tensor, scale: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """Return the loss of unit vectors [n, d] and [2 n, d] (captions, hard negatives), accidental matches masked."""
    right, wrong = txt.chunk(2)
    eye = torch.eye(len(img), dtype=torch.bool, device=img.device)
    missing = (~pairs.truth).float()
    also_right, also_wrong = ((pairs.flags[:, k].float() @ missing.T == 0).T & ~eye for k in (0, 1))
    logits = (scale * img @ right.T).float().masked_fill(also_right, -1e4)
    hard = (scale * img @ wrong.T).float().masked_fill(also_wrong, -1e4)
    target = torch.arange(len(img), device=img.device)
    return (F.cross_entropy(torch.cat([logits, hard], 1), target) + F.cross_entropy(logits.T, target)) / 2


def train_step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, pairs: Pairs) -> float:
    """Make one step and return its loss."""
    with torch.autocast(pairs.images.device.type, dtype=torch.bfloat16):
        img = model.encode_image(pairs.images, normalize=True)
        txt = model.encode_text(torch.cat([pairs.tokens[:, 0], pairs.tokens[:, 1]]), normalize=True)
    loss = contrastive_loss(img.float(), txt.float(), model.logit_scale.exp(), pairs)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.logit_scale.clamp_(0, math.log(100))
    return loss.item()


def train(args: argparse.Namespace, device: str) -> torch.nn.Module:
    """Train from scratch: 200 steps of warm-up, then a cosine over steps or seconds, whichever ends first."""
    model = open_clip.create_model(register(args.config)).to(device)
    config = json.loads(args.config.read_text())
    pool = Pool(args, config["vision_cfg"]["image_size"], config["text_cfg"]["context_length"], device)
    pool.wait(8 * args.batch)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98), eps=1e-6)
    begin = time.time()
    for step in range(args.steps):
        progress = max(step / args.steps, (time.time() - begin) / args.max_seconds)
        if progress >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 200) * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        loss = train_step(model, optimizer, draw_pairs(pool, args.batch))
        if step % 100 == 0:
            print(f"clip step {step} loss {loss:.3f} pool {pool.filled} {time.time() - begin:.0f}s", flush=True)
    pool.workers.terminate()
    return model


def main() -> None:
    """Train and save an fp16 safetensors checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("nano/clip/nano-clip.json"))
    parser.add_argument("--out", type=Path, default=Path("nano/clip/nano-clip.safetensors"))
    parser.add_argument("--scenes", type=int, default=150_000)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-seconds", type=float, default=1e9, help="shorten the schedule to this time")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    model = train(args, "cuda" if torch.cuda.is_available() else "cpu")
    state = {
        name: tensor.half().contiguous().cpu() if tensor.is_floating_point() else tensor.cpu()
        for name, tensor in model.state_dict().items()
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, str(args.out))
    print("saved", args.out, args.out.stat().st_size)


if __name__ == "__main__":
    main()
