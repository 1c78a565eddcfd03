"""Measure the bare nano models on held-out scenes, on the CPU, through their real engines.

    python -m nano.evaluate.models clip                                      # open_clip
    python -m nano.evaluate.models detector --work out/nano-eval             # ultralytics
    VLLM_CPU_KVCACHE_SPACE=2 python -m nano.evaluate.models vlm --count 64   # vLLM

Each command prints one JSON object, and writes it with --json FILE. What the whole pipeline makes of the models is
measured by `python -m nano.evaluate.run`.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter

from nano.evaluate.caption_metrics import caption_metrics
from nano.evaluate.clip_scorer import ClipScorer
from nano.world.annotation import Scene
from nano.world.scenes import make_scene
from nano.world.tasks import MISLEAD, NO_SIGN, add_hints
from nano.world.texts import article, dense_caption, hard_negative, mentioned, short_caption, web_alt_text
from nano.world.vocabulary import NAMES

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = {"clip": 3_000_000_000_000, "vlm": 4_000_000_000_000}  # seeds that no training script uses
PLAIN = "Describe the image in detail."
Scores = npt.NDArray[np.float32]


def corrupt(image: Image.Image, rng: random.Random) -> Image.Image:
    """Lower the resolution and jitter the colours strongly, the usual recipe for dis-preferred captions."""
    small = image.resize((max(8, image.width // 7), max(8, image.height // 7)), Image.Resampling.BILINEAR)
    image = small.resize(image.size, Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(1.5))
    for kind, low, high in (
        (ImageEnhance.Color, 0.0, 3.0),
        (ImageEnhance.Brightness, 0.4, 1.7),
        (ImageEnhance.Contrast, 0.4, 2.0),
    ):
        image = kind(image).enhance(rng.uniform(low, high))
    hsv = np.asarray(image.convert("HSV")).copy()
    hsv[..., 0] += np.uint8(rng.randint(40, 215))
    return Image.fromarray(hsv, "HSV").convert("RGB")


def auc(good: Scores, bad: Scores) -> float:
    """Return the chance that a random good score beats a random bad one."""
    ranks = np.concatenate([good, bad]).argsort().argsort() + 1
    n, m = len(good), len(bad)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def spread(scores: Scores) -> dict[str, float]:
    """Return mean, standard deviation, percentiles and count."""
    out = {"mean": scores.mean(), "std": scores.std()}
    out |= {f"p{p}": np.percentile(scores, p) for p in (1, 5, 25, 50, 75, 95, 99)}
    return {name: round(float(value), 3) for name, value in out.items()} | {"n": len(scores)}


def evaluate_clip(count: int) -> dict[str, Any]:
    """Return AUC, recall@1 of 100, and score distributions by caption kind."""
    rng, scorer = random.Random(5), ClipScorer.load()
    images, scenes = zip(*(make_scene(HELD_OUT["clip"] + i) for i in range(count)), strict=True)
    begin = time.time()
    vectors = scorer.images(images)
    out: dict[str, Any] = {"scenes": count, "images_per_s_cpu": round(count / (time.time() - begin), 1)}
    for kind, make in (("short", short_caption), ("dense", dense_caption)):
        texts = [make(scene, rng) for scene in scenes]
        wrong = [make(hard_negative(scene, rng), rng) for scene in scenes]
        far = [i for i in range(count) if not mentioned(texts[i]) <= set(scenes[i - 1].counts())]
        out[kind] = compare(vectors, scorer.texts(texts), scorer.texts(wrong), np.array(far))
    alts = [web_alt_text(scene, rng) for scene in scenes]
    scores = (vectors * scorer.texts([alt for alt, _ in alts])).sum(1)
    kinds = np.array([kind for _, kind in alts])
    out["web_alt_text"] = {kind: spread(scores[kinds == kind]) for kind in sorted(set(kinds))}
    return out


def compare(images: Scores, texts: Scores, wrong: Scores, far: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Compare unit vectors [n, d] of images, their captions and hard negatives.

    `far` are the captions that are not by chance true of the image before; only they count as shuffled.
    """
    matched, hard = (images * texts).sum(1), (images * wrong).sum(1)
    shuffled = (images[far - 1] * texts[far]).sum(1)
    groups = [slice(k, k + 100) for k in range(0, len(images) - 99, 100)]
    diagonal = np.arange(100)
    to_text = [(images[g] @ texts[g].T).argmax(1) == diagonal for g in groups]
    to_image = [(texts[g] @ images[g].T).argmax(1) == diagonal for g in groups]
    cuts = np.linspace(-0.2, 1, 601)
    gain = [(matched > cut).mean() - (shuffled > cut).mean() for cut in cuts]
    return {
        "auc_matched_vs_shuffled": round(auc(matched, shuffled), 4),
        "auc_matched_vs_hard_negative": round(auc(matched, hard), 4),
        "pairwise_beats_own_hard_negative": round(float((matched > hard).mean()), 4),
        "recall_at_1_of_100_image_to_text": round(float(np.mean(to_text)), 4) if groups else None,
        "recall_at_1_of_100_text_to_image": round(float(np.mean(to_image)), 4) if groups else None,
        "best_threshold": round(float(cuts[int(np.argmax(gain))]), 3),
        "matched": spread(matched),
        "shuffled": spread(shuffled),
        "hard_negative": spread(hard),
    }


def evaluate_detector(count: int, work: Path) -> dict[str, Any]:
    """Return mAP from ultralytics' own validator."""
    from nano.train.detector import go_offline, validate, write_dataset

    data = write_dataset(work / "data", {"train": 1, "val": count}, 2)
    go_offline(work)
    weights = ROOT / "detector" / "nano-yolo.pt"
    metrics = validate(weights, data, imgsz=320, device="cpu", project=str(work), name="val", exist_ok=True)
    return {
        "scenes": count,
        "mAP50": round(float(metrics.box.map50), 4),
        "mAP50_95": round(float(metrics.box.map), 4),
        "precision": round(float(metrics.box.mp), 4),
        "recall": round(float(metrics.box.mr), 4),
        "ms_per_image_cpu": round(float(metrics.speed["inference"]), 1),
    }


@dataclass(frozen=True, slots=True)
class Answers:
    """Greedy answers, with what they cost."""

    texts: list[str]
    images_per_s: float
    tokens: float  # mean per answer


Ask = Callable[[Sequence[Image.Image], Sequence[str], int], Answers]


def load_vlm(model: Path) -> Ask:
    """Return a function that asks vLLM one question per image."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    from vllm import LLM, SamplingParams

    llm = LLM(
        str(model),
        max_model_len=2048,
        dtype="bfloat16",
        enforce_eager=True,
        max_num_seqs=32,
        limit_mm_per_prompt={"image": 1},
    )

    def ask(images: Sequence[Image.Image], prompts: Sequence[str], tokens: int) -> Answers:
        contents = [
            [{"type": "image_pil", "image_pil": image}, {"type": "text", "text": prompt}]
            for image, prompt in zip(images, prompts, strict=True)
        ]
        chats = [[{"role": "user", "content": content}] for content in contents]
        begin = time.time()
        outs = llm.chat(chats, SamplingParams(temperature=0, max_tokens=tokens), use_tqdm=False)
        speed = len(images) / (time.time() - begin)
        length = float(np.mean([len(out.outputs[0].token_ids) for out in outs]))
        return Answers([out.outputs[0].text.strip() for out in outs], speed, length)

    return ask


def evaluate_vlm(count: int, model: Path) -> dict[str, Any]:
    """Return what greedy answers are worth at every step of a caption engine."""
    rng = random.Random(9)
    drawn = [make_scene(HELD_OUT["vlm"] + i) for i in range(count)]
    images, scenes = [image for image, _ in drawn], [scene for _, scene in drawn]
    runs = caption_runs(images, scenes, rng)
    ask = load_vlm(model)
    ask(images[:4], [PLAIN] * 4, 8)  # warm-up
    out: dict[str, Any] = {"scenes": count}
    captions: dict[str, list[str]] = {}
    for name, (shown, prompts) in runs.items():
        answers = ask(shown, prompts, 220)
        captions[name] = answers.texts
        cost = {"tokens_per_caption": round(answers.tokens, 1), "images_per_s": round(answers.images_per_s, 2)}
        out[name] = measured(answers.texts, scenes) | cost
    out |= question_accuracy(ask, images, scenes, rng)
    alts = [web_alt_text(scene, rng)[0] for scene in scenes]
    short = ask(images, [f"Rewrite this alt-text so that it describes the image: {alt}" for alt in alts], 80)
    out["short_caption_rewrite"] = measured(short.texts, scenes)
    out |= judge(images, captions)
    out["examples"] = [
        {name: texts[i] for name, texts in captions.items()} | {"truth": dense_caption(scenes[i], rng)}
        for i in range(2)
    ]
    return out


def measured(texts: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Any]:
    """Return the caption metrics of texts in the order of the scenes."""
    captions = {str(i): text for i, text in enumerate(texts)}
    return asdict(caption_metrics(captions, {str(i): scene for i, scene in enumerate(scenes)}))


def caption_runs(
    images: Sequence[Image.Image], scenes: Sequence[Scene], rng: random.Random
) -> dict[str, tuple[Sequence[Image.Image], Sequence[str]]]:
    """Return images and prompts by condition."""
    plain = [PLAIN] * len(scenes)
    bad = [corrupt(image, rng) for image in images]
    tiny = [image.resize((112, 112 * image.height // image.width), Image.Resampling.BICUBIC) for image in images]
    hinted = [add_hints(PLAIN, scene, rng, clean=True) for scene in scenes]
    noisy = [add_hints(PLAIN, scene, rng) for scene in scenes]
    return {
        "no_hints": (images, plain),
        "true_hints": (images, hinted),
        "noisy_hints": (images, noisy),
        "corrupted": (bad, plain),
        "corrupted_true_hints": (bad, hinted),
        "tiny_112px": (tiny, plain),
        "tiny_112px_true_hints": (tiny, hinted),
        "misleading": (images, [rng.choice(MISLEAD) for _ in scenes]),
    }


def question_accuracy(
    ask: Ask, images: Sequence[Image.Image], scenes: Sequence[Scene], rng: random.Random
) -> dict[str, float]:
    """Ask for an object that is there, for one that is not, and for the sign's text."""
    questions, truth, who = [], [], []
    for image, scene in zip(images, scenes, strict=True):
        for there in (True, False):
            pool = [name for name in NAMES if (name in scene.counts()) == there]
            questions.append(f"Is there {article(rng.choice(pool))} in the image? Answer yes or no.")
            truth.append("yes" if there else "no")
            who.append(image)
    answers = [text.lower().strip(". ") for text in ask(who, questions, 8).texts]
    read = ask(images, ["What does the sign say?"] * len(scenes), 24).texts
    signs = [text.lower() == scene.sign.text.lower() for text, scene in zip(read, scenes, strict=True) if scene.sign]
    blank = [text == NO_SIGN for text, scene in zip(read, scenes, strict=True) if not scene.sign]
    right = [a == b for a, b in zip(answers, truth, strict=True)]
    return {
        "yes_no_accuracy": round(float(np.mean(right)), 3),
        "sign_question_accuracy": round(float(np.mean(signs)), 3),
        "no_sign_accuracy": round(float(np.mean(blank)), 3),
    }


def judge(images: Sequence[Image.Image], captions: dict[str, list[str]]) -> dict[str, Any]:
    """Score every condition's captions with the nano CLIP on the clean images."""
    scorer = ClipScorer.load()
    vectors = scorer.images(images)
    score = {name: (vectors * scorer.texts(texts)).sum(1) for name, texts in captions.items()}
    beaten = {name: round(float((score["no_hints"] > score[name]).mean()), 3) for name in ("misleading", "corrupted")}
    mean = {name: round(float(value.mean()), 3) for name, value in score.items()}
    return {"clip_score_mean": mean, "clip_prefers_plain_over": beaten}


def main() -> None:
    """Run one evaluation from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["clip", "detector", "vlm"])
    parser.add_argument("--count", type=int, help="held-out scenes (1000 for clip, 500 for detector, 64 for vlm)")
    parser.add_argument("--work", type=Path, default=Path("out/nano-eval"))
    parser.add_argument("--model", type=Path, default=ROOT / "vlm")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.what == "clip":
        result = evaluate_clip(args.count or 1000)
    elif args.what == "detector":
        result = evaluate_detector(args.count or 500, args.work)
    else:
        result = evaluate_vlm(args.count or 64, args.model)
    text = json.dumps(result, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
