"""The rows of `--to swift`, read by ms-swift's own loader and encoded by its template of Qwen2.5-VL."""

import os
import re
import subprocess

import pytest
from swift.dataset import load_dataset
from swift.model import get_processor
from swift.template import get_template
from torch.utils.data import DataLoader

from tests.consumers.conftest import ROOT

MODES = {"sft": "train", "pretrain": "train", "dpo": "rlhf", "kto": "kto", "grounding": "train"}
DESCRIBED = """
import sys
from pathlib import Path
from curate.captions.prompting.hints import Hints
from curate.engines.fake import FakeEngine
from curate.experts.dense_caption import DenseCaption
from curate.experts.grounded_caption import GroundedCaption
from curate.exports.export import export
from curate.exports.formats.swift import Swift
from curate.pipeline import Pipeline
from curate.storage.store import Store
from tests.support.dataset_folder import FakeDetector, run, write_source
root = Path(sys.argv[1])
write_source(root / "source" / "00000.tar", 0, 8)
caption = DenseCaption(FakeEngine(lambda request: "A cat near two cats."), hints=Hints(blocks=()))
run(Pipeline([FakeDetector(), caption, GroundedCaption()]), root / "source", str(root / "dataset"))
export(Store(str(root / "dataset")), Swift(task="grounding"), str(root / "out"))
"""
"""A run whose captions have boxes: the one that all consumers share has none."""


@pytest.fixture(scope="module")
def template():
    processor = get_processor(str(ROOT / "nano" / "vlm"), model_type="qwen2_5_vl")
    return get_template(processor, template_type="qwen2_5_vl")


def load(folder, monkeypatch):
    monkeypatch.setenv("ROOT_IMAGE_DIR", str(folder))
    data, _ = load_dataset([str(folder / "samples.jsonl")], num_proc=1, load_from_cache_file=False, strict=True)
    return data


def decoded(template, ids):
    text = template.tokenizer.decode(ids)
    return re.sub(r"(?:<\|image_pad\|>)+", "<image>", text)


@pytest.mark.parametrize("task", ["sft", "pretrain", "dpo", "kto"])
def test_every_image_and_text_is_ours(export, samples, template, monkeypatch, task):
    folder = export("--to", "swift", "-p", f"task={task}")
    data = load(folder, monkeypatch)
    template.set_mode(MODES[task])
    said = []
    for row in data:
        (image,) = row["images"]
        ours = samples[image["path"].partition(".")[0]]
        assert (folder / image["path"]).read_bytes() == ours.image
        text = row["messages"][-1]["content"].removeprefix("<image>")
        said += [text, *([row["rejected_response"]] if task == "dpo" else [])]
    pairs = [one for one in samples.values() if one.row["pair_chosen"] != one.row["pair_rejected"]]
    wanted = list(samples.values()) if task in ("sft", "pretrain") else pairs
    names = ["pair_chosen", "pair_rejected"] if task in ("dpo", "kto") else ["caption"]
    assert sorted(said) == sorted(one.row[name].strip() for one in wanted for name in names)
    encoded = template.encode(data[0])
    texts = [decoded(template, encoded[name]) for name in encoded if name.endswith("input_ids") and encoded[name]]
    assert all(text.count("<image>") == 1 for text in texts)
    assert said[0] in texts[0]


def test_a_shuffled_loader_with_two_workers_gives_every_row_once(export, monkeypatch):
    data = load(export("--to", "swift", "-p", "task=sft"), monkeypatch)
    loader = DataLoader(data.shuffle(seed=1), batch_size=4, num_workers=2, collate_fn=list)
    read = [row["images"][0]["path"] for batch in loader for row in batch]
    assert sorted(read) == sorted(row["images"][0]["path"] for row in data)
    assert read != [row["images"][0]["path"] for row in data]


def test_boxes_of_grounded_captions_are_scaled_to_the_model(template, monkeypatch, tmp_path):
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(ROOT / ".venv" / "bin" / "python"), "-c", DESCRIBED, str(tmp_path)]
    subprocess.run(command, cwd=ROOT, env=alone, check=True, capture_output=True)
    data = load(tmp_path / "out", monkeypatch)
    template.set_mode("train")
    with_two = next(row for row in data if len(row["objects"]["bbox"]) > 1)
    text = decoded(template, template.encode(with_two)["input_ids"])
    assert text.count("<|box_start|>") == len(with_two["objects"]["bbox"])
    assert text.count("<|object_ref_start|>") == len(with_two["objects"]["ref"])
    numbers = [int(one) for one in re.findall(r"\d+", "".join(re.findall(r"<\|box_start\|>(.*?)<\|box_end\|>", text)))]
    assert len(numbers) == 4 * len(with_two["objects"]["bbox"])
    assert max(numbers) > 1  # pixels of what the model sees, no longer fractions
