"""Make the rows that the VLM's proofs train on, by the recipes and exports as a user types them.

The writer is the nano VLM. For captions it looks at images of 84 px, so that, alone, it misses and invents things as
large models do on the web; its experts look at the whole image.
"""

from pathlib import Path
from typing import Final

from nano.proofs.arms import CURATE, Options, call

__all__ = ["CAPTIONED", "caption_rows", "pair_rows"]

WRITER: Final = ("engine.gpus=0", "engine.dtype=bfloat16", "engine.max_model_len=2048", "engine.max_num_seqs=64")
HINTS: Final = (
    "hints.place=words",
    "hints.objects.heading=Objects: ",
    "hints.objects.item={text} in the {place}",
    "hints.objects.separator=; ",
    "hints.ocr.heading=OCR: ",
    'hints.ocr.item="{text}"',
    "hints.ocr.separator= ",
    "hints.max_line_words=3",
    "hints.marking=none",
)
DENSEFUSION: Final = (
    "engine.model=nano/vlm",
    *WRITER,
    *HINTS,
    "prompt=nano/prompts/describe.toml",
    "longest_side_px=84",
    "dense_caption.budget=none",
    "selection=none",
    "perception.tagger=none",
    "perception.open_detector=none",
    "perception.detector.weights=nano/detector/nano-yolo.pt",
    "perception.detector.image_size_px=320",
    "evidence.lexicon=nano/lexicon.toml",
    "evidence.detector_labels=[]",
    "clip.model=nano/clip/nano-clip.json",
    "clip.weights=nano/clip/nano-clip.safetensors",
    "clip.resize=squash",
    "min_clip_score.minimum=-1",
    "min_side.minimum_px=200",
    "checks.allow_marks=stock_opener",
)
ALONE: Final = ("hints.blocks=[]", "checks.repair=false")
FUSED: Final = (
    "hints.blocks=objects,ocr",
    "checks.min_text_recall=0.5",
    "repair_caption.prompt=nano/prompts/repair.toml",
    "min_object_precision.minimum=1.0",
)
CAPTIONED: Final = {"alt_text": (ALONE, "alt_text"), "dense": (ALONE, "caption"), "fused": (FUSED, "final_caption")}
ROWS: Final = ("task=sft", "instructions=nano/prompts/describe.toml")
STIC: Final = (
    *WRITER,
    "longest_side_px=224",
    "min_side.minimum_px=200",
    "detector.weights=nano/detector/nano-yolo.pt",
    "detector.image_size_px=320",
    "evidence.lexicon=nano/lexicon.toml",
    "neutral=nano/prompts/stic-neutral.toml",
    "preference_pair.misleading=nano/prompts/stic-misleading.toml",
    "preference_pair.chosen=nano/prompts/stic-steps.toml",
    "preference_pair.max_tokens=220",
)
EDITED: Final = (
    'kinds={"edits": 1}',
    "dense_caption.prompt=nano/prompts/describe.toml",
    "dense_caption.max_tokens=220",
    *(f"dense_caption.{assignment}" for assignment in HINTS),
)


def caption_rows(chosen: Options, tars: str) -> dict[str, Path]:
    """Caption the pool's images twice and export rows for SFT; returns the folders of TRL's Parquet files by name.

    `alt_text`: the texts of the pool; `dense`: what the writer says alone; `fused`: with hints from experts, verified,
    asked for again where wrong, and dropped where that did not help. All are asked for in the same words.
    """
    return {
        name: _export(chosen, ("densefusion", *DENSEFUSION, *more), tars, name, (*ROWS, f"text={text}"))
        for name, (more, text) in CAPTIONED.items()
    }


def pair_rows(chosen: Options, tars: str, writer: Path) -> dict[str, Path]:
    """Let a model write preference pairs for its own training; returns the folders of TRL's Parquet files by name.

    `stic`: the paper's two kinds, a misleading prompt or a corrupted image; `edits`: its caption with hints, and the
    same with one thing wrong of a known type.
    """
    arms: dict[str, tuple[str, ...]] = {"stic": (), "edits": EDITED}
    model = f"engine.model={writer}"
    return {name: _export(chosen, ("stic", model, *STIC, *more), tars, name, ()) for name, more in arms.items()}


def _export(chosen: Options, recipe: tuple[str, ...], tars: str, name: str, rows: tuple[str, ...]) -> Path:
    """Run a recipe and export what it kept for TRL, unless that is there; returns the folder."""
    folder, dataset = chosen.out / "rows" / name, chosen.out / recipe[0]
    if not any(folder.rglob("export.json")):
        parts = chosen.out / "pool" / tars
        call(CURATE, "run", recipe[0], "--input", parts, "--dataset", dataset, *_parameters(recipe[1:]))
        call(CURATE, "export", dataset, folder, "--to", "trl", *_parameters(rows))
    return folder


def _parameters(assignments: tuple[str, ...]) -> list[str]:
    return [word for assignment in assignments for word in ("-p", assignment)]
