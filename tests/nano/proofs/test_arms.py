"""Each arm is trained with each seed once, on one budget, and the table tells mean, spread and paired differences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from curate.errors import PlanError
from nano.proofs.arms import Options, Proof, call, read_results, report, train_arms

PROOF = Proof("toy", ("raw", "ours"), ("recall",), {"samples_seen": 64})


@pytest.fixture
def chosen(tmp_path):
    return Options(tmp_path, seeds=2, scale="dry", device="cpu", python=Path("python"))


def result(arm, seed, recall):
    return (arm, seed), {"arm": arm, "seed": seed, "budget": {}, "metrics": {"recall": recall}}


def test_what_is_done_is_not_trained_again(chosen, capsys):
    trained = []

    def train(arm, seed, folder):
        assert not list(folder.iterdir())
        (folder / "left over").touch()
        if (arm, seed) == ("ours", 1) and len(trained) < 4:
            trained.append("killed")
            raise KeyboardInterrupt
        trained.append((arm, seed))
        return {"recall": 0.5}

    with pytest.raises(KeyboardInterrupt):
        train_arms(PROOF, chosen, train)
    train_arms(PROOF, chosen, train)
    train_arms(PROOF, chosen, train)
    assert trained == [("raw", 0), ("ours", 0), ("raw", 1), "killed", ("ours", 1)]
    assert "| ours | 2 | 0.500 ± 0.000 |" in capsys.readouterr().out


def test_more_seeds_go_on_where_fewer_stopped(chosen):
    trained = []

    def train(arm, seed, folder):
        trained.append((arm, seed))
        return {"recall": float(seed)}

    train_arms(PROOF, chosen, train)
    train_arms(PROOF, replace(chosen, seeds=3), train)
    assert trained[4:] == [("raw", 2), ("ours", 2)]
    assert len(read_results(PROOF, chosen)) == 4


def test_results_of_another_budget_are_not_mixed_in(chosen):
    train_arms(PROOF, chosen, lambda arm, seed, folder: {"recall": 0.5})
    with pytest.raises(PlanError, match="another budget"):
        read_results(replace(PROOF, budget={"samples_seen": 128}), chosen)


def test_the_table_tells_spread_and_differences_seed_by_seed():
    found = dict([result("raw", 0, 0.1), result("raw", 1, 0.3), result("ours", 0, 0.2), result("ours", 1, 0.2)])
    lines = report(PROOF, found).splitlines()
    assert "| raw | 2 | 0.200 ± 0.141 |" in lines
    assert "| ours | 2 | 0.200 ± 0.000 |" in lines
    assert "| ours - raw | 2 | 0.000 ± 0.141 (1 of 2) |" in lines


def test_a_metric_that_was_not_measured_is_a_dash_and_one_seed_has_no_spread():
    lines = report(PROOF, dict([result("raw", 0, None), result("ours", 0, 0.25)])).splitlines()
    assert "| raw | 1 | - |" in lines
    assert "| ours | 1 | 0.250 |" in lines
    assert "| ours - raw | 1 | - |" in lines


def test_a_command_that_fails_is_named_with_its_log(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(PlanError, match=r"`python3 -c .* ended with 3; see .*log"):
        call("python3", "-c", "print('why'); raise SystemExit(3)", log=log)
    assert log.read_text() == "why\n"


def test_results_are_json_with_their_budget_and_metrics(chosen):
    train_arms(PROOF, replace(chosen, seeds=1), lambda arm, seed, folder: {"recall": 0.5})
    saved = json.loads((chosen.out / "toy" / "ours-0.json").read_text())
    assert saved["budget"] == {"samples_seen": 64}
    assert saved["metrics"] == {"recall": 0.5}
