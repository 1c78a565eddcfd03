"""The rows of `--to trl`, read by `datasets` and trained on by TRL's own trainers, the nano VLM, a step each."""

import pytest
from datasets import Image, load_dataset
from torch.utils.data import DataLoader
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from tests.consumers.conftest import ROOT

VLM = str(ROOT / "nano" / "vlm")
TRAINERS = {"sft": (SFTTrainer, SFTConfig), "dpo": (DPOTrainer, DPOConfig)}


def load(folder):
    files = sorted(str(path) for path in folder.glob("*.parquet"))
    return load_dataset("parquet", data_files=files, split="train", cache_dir=str(folder.parent / "cache"))


def rows_of(export, task):
    return export("--to", "trl", "-p", f"task={task}", "-p", "samples_per_shard=8")


@pytest.mark.parametrize("task", ["sft", "dpo", "kto"])
def test_every_image_and_text_is_ours(export, samples, task):
    data = load(rows_of(export, task))
    raw = data.cast_column("images", [Image(decode=False)])
    assert set(data["uid"]) == {uid for uid, one in samples.items() if task == "sft" or one.row["pair_chosen"]}
    for row in raw:
        ours = samples[row["uid"]]
        assert [image["bytes"] for image in row["images"]] == [ours.image]
        answers = [row[name][0]["content"][0]["text"] for name in ("completion", "chosen", "rejected") if name in row]
        names = {"sft": ["caption"], "dpo": ["pair_chosen", "pair_rejected"]}.get(task)
        names = names or ["pair_chosen" if row["label"] else "pair_rejected"]
        assert answers == [ours.row[name].strip() for name in names]
    assert data[0]["images"][0].size == (samples[data[0]["uid"]].row["image_width_px"],
                                         samples[data[0]["uid"]].row["image_height_px"])  # fmt: skip


def test_shuffled_by_a_seed_and_read_by_two_workers_no_row_is_lost_or_twice(export):
    data = load(rows_of(export, "sft"))
    shuffled = data.shuffle(seed=3).select_columns(["uid"])
    loader = DataLoader(shuffled, batch_size=4, num_workers=2, collate_fn=lambda rows: [row["uid"] for row in rows])
    read = [uid for batch in loader for uid in batch]
    assert read == shuffled["uid"][:]
    assert sorted(read) == sorted(data["uid"])
    assert read != data["uid"][:]


@pytest.mark.parametrize("task", ["sft", "dpo"])
def test_its_trainer_takes_a_step(export, tmp_path, task):
    trainer_class, config = TRAINERS[task]
    options = {"max_length": None, "max_steps": 1, "per_device_train_batch_size": 2, "learning_rate": 1e-4}
    data = load(rows_of(export, task)).select(range(2))
    more = {} if task == "sft" else {"ref_model": AutoModelForImageTextToText.from_pretrained(VLM)}
    trainer = trainer_class(
        model=AutoModelForImageTextToText.from_pretrained(VLM),
        args=config(str(tmp_path), use_cpu=True, report_to="none", save_strategy="no", logging_steps=1, **options),
        train_dataset=data,
        processing_class=AutoProcessor.from_pretrained(VLM),
        **more,
    )
    before = {name: value.clone() for name, value in trainer.model.named_parameters()}
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(losses) == 1
    assert all(0 < loss < 100 for loss in losses)
    assert any(not value.equal(before[name]) for name, value in trainer.model.named_parameters())
