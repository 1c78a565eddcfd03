"""Train the nano VLM by TRL's own trainers on exported rows, let it caption held-out scenes, and measure that.

    build/consumers/trl/bin/python -m nano.proofs.trl_trainer job.json

The file holds a `Job`; `metrics.json` beside it gets what the captions are worth (`nano.evaluate.caption_metrics`).
Runs in the trainer's own environment.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import torch
from datasets import Dataset, load_dataset
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from nano.evaluate.models import PLAIN, measured
from nano.proofs.pool import held_out

__all__ = ["Job"]

ANSWER_TOKENS: Final = 150
CAPTIONED_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Job:
    """A training on a folder of exported Parquet files; `task` none trains nothing."""

    task: Literal["none", "sft", "dpo"]
    model: str
    rows: str
    steps: int
    batch: int
    learning_rate: float
    seed: int
    device: str
    held_out: int


def main() -> None:
    """Do the job that a file describes."""
    path = Path(sys.argv[1])
    job = Job(**json.loads(path.read_text()))
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(job.model, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(job.model)
    model.model.visual.requires_grad_(False)
    if job.task != "none":
        rows = load_dataset("parquet", data_files=f"{job.rows}/*-*.parquet", split="train").remove_columns("uid")
        trainer = sft_trainer if job.task == "sft" else dpo_trainer
        trainer(job, model, processor, rows, path.parent).train()
    captions = caption(job, model.to(torch.bfloat16), processor)
    (path.parent / "captions.json").write_text(json.dumps(captions, indent=1) + "\n")
    found = measured(captions, [scene for _, scene in held_out(range(job.held_out))])
    (path.parent / "metrics.json").write_text(json.dumps(found, indent=1) + "\n")


def sft_trainer(job: Job, model: Any, processor: Any, rows: Dataset, out: Path) -> Any:
    """Return TRL's trainer of answers, over rows as `curate export --to trl -p task=sft` wrote them."""
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(max_length=None, **shared(job, out))
    return SFTTrainer(model=model, args=config, train_dataset=rows, processing_class=processor)


def dpo_trainer(job: Job, model: Any, processor: Any, rows: Dataset, out: Path) -> Any:
    """Return TRL's trainer of preferences, over pairs as `curate export --to trl` wrote them."""
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(max_length=None, beta=0.1, **shared(job, out))
    return DPOTrainer(model=model, args=config, train_dataset=rows, processing_class=processor)


def shared(job: Job, out: Path) -> dict[str, Any]:
    """Return what both configurations say."""
    return {
        "output_dir": str(out / "trainer"),
        "max_steps": job.steps,
        "per_device_train_batch_size": job.batch,
        "learning_rate": job.learning_rate,
        "warmup_steps": max(1, job.steps // 10),
        "lr_scheduler_type": "cosine",
        "seed": job.seed,
        "use_cpu": job.device == "cpu",
        "bf16": True,
        "gradient_checkpointing": False,
        "logging_steps": max(1, job.steps // 6),
        "save_strategy": "no",
        "report_to": "none",
    }


def caption(job: Job, model: Any, processor: Any) -> list[str]:
    """Return greedy captions of the held-out scenes, in their order."""
    processor.tokenizer.padding_side = "left"
    model = model.to(job.device).eval()
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": PLAIN}]}]
    prompt = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
    texts: list[str] = []
    for first in range(0, job.held_out, CAPTIONED_AT_ONCE):
        numbers = range(first, min(job.held_out, first + CAPTIONED_AT_ONCE))
        images = [image for image, _ in held_out(numbers)]
        asked = processor(text=[prompt] * len(images), images=images, return_tensors="pt", padding=True).to(job.device)
        with torch.inference_mode():
            answers = model.generate(**asked, max_new_tokens=ANSWER_TOKENS, do_sample=False)
        texts += processor.batch_decode(answers[:, asked["input_ids"].shape[1] :], skip_special_tokens=True)
    return texts


if __name__ == "__main__":
    main()
