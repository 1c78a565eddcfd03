"""The proofs' process of TRL trains on our exports, and measures what its model says afterwards."""

import sys
from pathlib import Path

import pytest

from nano.proofs.arms import Options
from nano.proofs.vlm import METRICS, Budget, Rows, train_vlm
from nano.proofs.worn import NANO_VLM, Wear

ROOT = Path(__file__).parents[3]
BUDGET = Budget("", Wear(), steps=2, batch=2, learning_rate=1e-2, held_out=2)


@pytest.fixture
def train(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    chosen = Options(tmp_path, seeds=1, scale="dry", device="cpu", python=Path(sys.executable))

    def run(rows):
        folder = tmp_path / f"{rows.task}-0"
        folder.mkdir()
        return train_vlm(NANO_VLM, rows, BUDGET, chosen, folder)

    return run


@pytest.mark.timeout(900)
def test_the_start_says_what_there_is(train):
    found = train(Rows("none"))
    assert tuple(found) == METRICS
    assert found["object_recall"] > 0.9


@pytest.mark.timeout(900)
@pytest.mark.parametrize("task", ["sft", "dpo"])
def test_a_training_on_an_export_changes_what_the_model_says(train, export, task):
    before, after = train(Rows("none")), train(Rows(task, export("--to", "trl", "-p", f"task={task}")))
    assert tuple(after) == METRICS
    assert after != before
