r"""Train the nano VLM (Qwen2.5-VL architecture, from scratch) on emojiworld chat tasks.

Worker processes render images, draw several chat tasks per image and tokenise them. The trainer runs the Hugging
Face modules through a small batched forward pass (every image of a batch has the same grid, so no ragged attention
is needed). An auxiliary head on the image tokens (which class, which sign word is in this cell) makes the vision
tower learn much faster; it is dropped from the checkpoint.

    python -m nano.train.vlm --out out/phase1 --steps 5400 --compile
    python -m nano.train.vlm --init out/phase1 --out nano/vlm --phase 2 --aux 0 --lr 8e-4 --seed 2 --texts 5 \
        --steps 4000 --compile
"""

import argparse
import math
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from nano.train.packing import Batch, Tokens, pack
from nano.train.vlm_model import CELL, answer_loss, encode_images, load_model, new_model, save_model
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.tasks import chat_pieces, draw_tasks, make_turn
from nano.world.vocabulary import NAMES, SIGN_WORDS

# rows, columns in 28 px cells; the order is part of the seed's meaning
GRIDS = [(4, 4), (5, 5), (6, 6), (7, 7), (8, 8), (8, 8), (9, 9), (10, 10), (12, 12)]
GRIDS += [(5, 7), (7, 5), (6, 8), (8, 6), (7, 10), (10, 7), (9, 11), (11, 9), (8, 12), (12, 8), (10, 12), (12, 10)]
WORD_ID = {word: i for i, word in enumerate(SIGN_WORDS)}
AUX = len(NAMES) + 1 + len(SIGN_WORDS)


def degrade(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur one image in four mildly, lower its resolution or change its colours."""
    kind = rng.random()
    if kind < 0.08:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.6, 2.0)))
    if kind < 0.15:
        factor = rng.uniform(0.35, 0.8)
        small = image.resize((max(16, int(image.width * factor)), max(16, int(image.height * factor))))
        return small.resize(image.size, Image.Resampling.BILINEAR)
    if kind < 0.25:
        gain = np.array([rng.uniform(0.8, 1.2) for _ in range(3)]) * rng.uniform(0.8, 1.15)
        return Image.fromarray(np.clip(np.asarray(image) * gain, 0, 255).astype(np.uint8))
    return image


def wreck(image: Image.Image, rng: random.Random) -> Image.Image:
    """Make an image unreadable (very low resolution, colours off), so that only hints can help."""
    side = rng.randint(3, 14)
    image = image.resize((side, side), Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.BILINEAR)
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, rng.uniform(0, 40), (*image.size[::-1], 3))
    gain = np.array([rng.uniform(0.3, 1.5) for _ in range(3)])
    return Image.fromarray(np.clip(np.asarray(image) * gain + noise, 0, 255).astype(np.uint8))


def cell_targets(scene: Scene, rows: int, cols: int) -> npt.NDArray[np.bool_]:
    """Return bool[cells, AUX]: the classes whose box covers a cell, whether a sign does, and the sign's words."""
    out = np.zeros((rows, cols, AUX), dtype=np.bool_)
    items = [(thing.box, [NAMES.index(thing.name)]) for thing in scene.objects]
    if scene.sign:
        words = [WORD_ID[word] for word in scene.sign.text.lower().split()]
        items.append((scene.sign.box, [len(NAMES)] + [len(NAMES) + 1 + word for word in words]))
    for (x0, y0, x1, y1), labels in items:
        c0, c1 = x0 / scene.width * cols, x1 / scene.width * cols
        r0, r1 = y0 / scene.height * rows, y1 / scene.height * rows
        cover_c = np.clip(np.minimum(np.arange(cols) + 1, c1) - np.maximum(np.arange(cols), c0), 0, 1)
        cover_r = np.clip(np.minimum(np.arange(rows) + 1, r1) - np.maximum(np.arange(rows), r0), 0, 1)
        hit = np.outer(cover_r, cover_c) > 0.3
        hit[min(rows - 1, int((r0 + r1) / 2)), min(cols - 1, int((c0 + c1) / 2))] = True
        for label in labels:
            out[hit, label] = True
    return out.reshape(rows * cols, AUX)


class ChatStream(IterableDataset):
    """Endless batches: images of one grid with `--texts` chat turns each, packed into [rows, length]."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, args: argparse.Namespace) -> None:
        self.tokenizer, self.seed, self.rows, self.length = tokenizer, args.seed, args.rows, args.length
        self.texts, self.phase = args.texts, args.phase

    def __iter__(self) -> Iterator[Batch]:
        info = get_worker_info()
        torch.set_num_threads(1)
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        rng = random.Random(self.seed * 1009 + worker)
        serial = worker
        while True:
            yield self.batch(serial, rng.choice(GRIDS), rng)
            serial += workers

    def batch(self, serial: int, grid: tuple[int, int], rng: random.Random) -> Batch:
        """Render, tokenise and pack."""
        rows, cols = grid
        scale = rng.uniform(270, 340) / math.sqrt(rows * cols)
        size = (round(cols * scale), round(rows * scale))
        count = max(1, int(self.rows * self.length / (self.texts * (rows * cols + 148))))
        base = (self.seed + 11) * 1_000_000_000 + serial * 1000
        pixels, aux, pieces, owner = [], [], [], []
        for i in range(count):
            image, scene = make_scene(base + i, size)
            blind = self.phase == 2 and rng.random() < 0.25
            image = (wreck if blind else degrade)(image, rng)
            pixels.append(np.asarray(image.resize((cols * CELL, rows * CELL), Image.Resampling.BICUBIC)))
            aux.append(cell_targets(scene, rows, cols))
            for task in draw_tasks(rng, self.texts, self.phase, blind):
                pieces += chat_pieces(make_turn(scene, rng, task, blind))
                owner.append(i)
        turns = self._tokens(pieces, owner, rows * cols)
        rng.shuffle(turns)
        packed = pack(turns, self.rows, self.length, grid)
        return Batch(torch.from_numpy(np.stack(pixels)), torch.from_numpy(np.stack(aux)), packed)

    def _tokens(self, pieces: list[str], owner: list[int], cells: int) -> list[Tokens]:
        ids = self.tokenizer(pieces, add_special_tokens=False)["input_ids"]
        image = [self.tokenizer.convert_tokens_to_ids("<|image_pad|>")] * cells
        turns = []
        for j, number in enumerate(owner):
            before, after, answer = ids[3 * j : 3 * j + 3]
            asked = before + image + after
            turns.append(Tokens(asked + answer, len(before), len(asked), number))
        return turns


def train_step(
    model: Qwen2_5_VLForConditionalGeneration, head: torch.nn.Linear, batch: Batch, compiled: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the answer loss and the auxiliary cell loss of a batch on the model's device."""
    with torch.autocast(batch.pixels.device.type, dtype=torch.bfloat16):
        features = encode_images(model, batch.pixels)
        cell = F.binary_cross_entropy_with_logits(head(features).float(), batch.aux.float(), reduction="none")
        return answer_loss(model, features, batch.rows, compiled), cell.sum(-1).mean()


def train(
    args: argparse.Namespace, model: Qwen2_5_VLForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, device: str
) -> None:
    """Train in place: 150 steps of warm-up, then a cosine over steps or seconds, whichever ends first."""
    begin = time.time()
    head = torch.nn.Linear(model.config.text_config.hidden_size, AUX).to(device)
    torch.nn.init.constant_(head.bias, -5.0)
    params = [*model.parameters(), *head.parameters()]
    groups = [
        {"params": [p for p in params if p.ndim >= 2], "weight_decay": 0.05},
        {"params": [p for p in params if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=device == "cuda")
    loader = DataLoader(
        ChatStream(tokenizer, args),
        batch_size=None,
        num_workers=args.workers,
        prefetch_factor=3 if args.workers else None,
        pin_memory=device == "cuda",
    )
    for step, batch in enumerate(loader):
        progress = max(step / args.steps, (time.time() - begin) / args.max_seconds)
        if progress >= 1:
            break
        warm = min(1.0, (step + 1) / 150)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * progress)))
        loss, cell = train_step(model, head, batch.to(device), args.compile)
        optimizer.zero_grad(set_to_none=True)
        (loss + args.aux * cell).backward()
        torch.nn.utils.clip_grad_norm_(params, 1.0)
        optimizer.step()
        if step % 100 == 0:
            print(
                f"vlm step {step} loss {loss.item():.4f} cell {cell.item():.3f} {time.time() - begin:.0f}s", flush=True
            )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("nano/vlm"))
    parser.add_argument("--init", type=Path, help="go on from this folder instead of from scratch")
    parser.add_argument("--tokenizer", type=Path, help="reuse the tokenizer in this folder")
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--rows", type=int, default=112)
    parser.add_argument("--length", type=int, default=576)
    parser.add_argument("--texts", type=int, default=4)
    parser.add_argument("--phase", type=int, default=1, choices=[1, 2], help="task mixture, see draw_tasks")
    parser.add_argument("--lr", type=float, default=1.2e-3)
    parser.add_argument("--aux", type=float, default=0.25)
    parser.add_argument("--workers", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--max-seconds", type=float, default=1e9, help="shorten the schedule to this time")
    return parser.parse_args()


def main() -> None:
    """Train and save a Hugging Face folder."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # workers are forked
    args = parse()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    model, tokenizer = load_model(args.init) if args.init else new_model(args.seed, args.tokenizer)
    model = model.float().to(device).train()
    print(f"parameters {sum(p.numel() for p in model.parameters()) / 1e6:.2f} M, vocabulary {len(tokenizer)}")
    train(args, model, tokenizer, device)
    save_model(model, tokenizer, args.out)
    print("saved", args.out)


if __name__ == "__main__":
    main()
