"""The rows of `--to llamafactory`, read by its own loader, aligner and template of Qwen2-VL, with the nano VLM."""

from pathlib import Path

import pytest
from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.data.loader import _get_merged_dataset
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer
from torch.utils.data import DataLoader

from tests.consumers.conftest import ROOT

STAGES = {"sft": "sft", "dpo": "rm", "kto": "kto"}
"""What LLaMA-Factory calls the data of a task."""


@pytest.fixture(scope="module")
def read(export, tmp_path_factory):
    """Return a function that gives the aligned rows of a task, its encoded rows and the tokenizer."""

    def load(task):
        folder = export("--to", "llamafactory", "-p", f"task={task}")
        options = {
            "stage": task, "do_train": True, "model_name_or_path": str(ROOT / "nano" / "vlm"), "dataset": "samples",
            "dataset_dir": str(folder), "template": "qwen2_vl", "finetuning_type": "full", "use_cpu": True,
            "output_dir": str(tmp_path_factory.mktemp("out")), "overwrite_cache": True, "cutoff_len": 1024,
            "report_to": "none",
        }  # fmt: skip
        model, data, training, _, _ = get_train_args(options)
        tokens = load_tokenizer(model)
        aligned = _get_merged_dataset(data.dataset, model, data, training, STAGES[task])
        template = get_template_and_fix_tokenizer(tokens["tokenizer"], data)
        module = get_dataset(template, model, data, training, stage=STAGES[task], **tokens)
        return aligned, module["train_dataset"], tokens["tokenizer"]

    return load


@pytest.mark.parametrize("task", ["sft", "dpo", "kto"])
def test_every_image_and_text_is_ours(read, samples, task):
    aligned, encoded, tokenizer = read(task)
    assert len(aligned) == len(encoded)
    wanted = [one for one in samples.values() if task == "sft" or one.row["pair_chosen"]]
    texts = []
    for row in aligned:
        (path,) = row["_images"]
        ours = samples[Path(path).stem]
        assert Path(path).read_bytes() == ours.image
        assert row["_prompt"][0]["content"].startswith("<image>\n")
        texts += [turn["content"] for turn in row["_response"] if turn["content"]]
    names = {"sft": ["caption"]}.get(task, ["pair_chosen", "pair_rejected"])
    assert sorted(texts) == sorted(one.row[name].strip() for one in wanted for name in names)
    key = "chosen_labels" if task == "dpo" else "labels"
    labels = [token for token in encoded[0][key] if token >= 0]
    assert tokenizer.decode(labels, skip_special_tokens=True).strip() in texts


def test_a_shuffled_loader_with_two_workers_gives_every_row_once(read):
    _, encoded, _ = read("sft")
    loader = DataLoader(encoded.shuffle(seed=1), batch_size=4, num_workers=2, collate_fn=list)
    images = [row["images"][0] for batch in loader for row in batch]
    assert sorted(images) == sorted(row["images"][0] for row in encoded)
    assert images != [row["images"][0] for row in encoded]
