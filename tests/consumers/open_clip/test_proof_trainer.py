"""The proofs' process of open_clip trains on our tars, phase after phase, and measures itself on held-out scenes."""

import sys
from pathlib import Path

import pytest

from nano.proofs.arms import Options
from nano.proofs.clip import METRICS, Budget, Phase, train_phases
from nano.proofs.pool import write_held_out

ROOT = Path(__file__).parents[3]
BUDGET = Budget(0, 12, "nano/proofs/proof-clip.json", 12, 4, 1e-3, 1, "const")


@pytest.mark.timeout(900)
def test_two_phases_are_one_training_of_all_their_samples(export, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    write_held_out(tmp_path / "held-out", BUDGET.held_out)
    shards, folder = export("--to", "webdataset", "-p", "samples_per_shard=50"), tmp_path / "rising-0"
    folder.mkdir()
    chosen = Options(tmp_path, seeds=1, scale="dry", device="cpu", python=Path(sys.executable))
    found = train_phases((Phase(shards, 8), Phase(shards, 4)), BUDGET, chosen, 0, folder)
    log = (folder / "trainer.log").read_text()
    assert tuple(found) == METRICS
    assert all(0 <= recall <= 1 for recall in found.values())
    assert "Start epoch 0" in log
    assert "resuming checkpoint" in log
    assert "Start epoch 1" in log
    assert not list(folder.rglob("*.pt"))
