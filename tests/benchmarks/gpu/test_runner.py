"""What the GPU benchmark does with steps that fail, hang or are done, and with the page that shows its figures."""

import json
import subprocess
from pathlib import Path

import psutil
import pytest

from benchmarks.gpu.__main__ import main, run, wait
from benchmarks.gpu.plan import STEPS
from benchmarks.gpu.report import BEGIN, END, publish, ratios, table
from benchmarks.gpu.step import Step

ROOT = Path(__file__).parents[3]
MODULE = """
def works(setting):
    yield {"scale": setting.scale.name, "images/s": 2.5}
    yield {"scale": setting.scale.name, "images/s": None}

def fails(setting):
    yield {"images/s": 1.0}
    raise RuntimeError("no such kernel")
"""


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Give a folder for JSON, and steps to the processes that run them."""
    (tmp_path / "steps.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT}")
    monkeypatch.chdir(ROOT)
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def step(name, seconds=150):
    return Step(name, f"It {name}", f"steps:{name}", seconds)


def record_of(out, name):
    return json.loads((out / f"{name}.json").read_text())


@pytest.mark.timeout(180)
def test_a_step_writes_its_figures_and_where_they_are_from(out):
    record = run(step("works"), out, "nano", out)

    assert record == record_of(out, "works")
    assert record["status"] == "done"
    assert record["figures"] == [{"scale": "nano", "images/s": 2.5}, {"scale": "nano", "images/s": None}]
    assert {"device", "commit", "python", "versions", "load", "seconds"} <= set(record)


@pytest.mark.timeout(180)
def test_a_step_that_fails_says_why_and_keeps_what_it_measured(out):
    record = run(step("fails"), out, "nano", out)

    assert record == record_of(out, "fails")
    assert record["status"] == "failed: exit code 1"
    assert record["error"].endswith("RuntimeError: no such kernel")
    assert record["figures"] == [{"images/s": 1.0}]


def test_a_process_out_of_time_is_ended_with_all_that_it_started():
    parent = psutil.Popen(["sh", "-c", "setsid sleep 600 & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    with parent.stdout as printed:
        child = psutil.Process(int(printed.readline()))

    assert wait(parent, 3) == "out of time: 3 s"
    assert not parent.is_running()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


@pytest.mark.timeout(180)
def test_a_step_that_is_done_is_not_run_again_but_one_that_failed_is(out):
    done = run(step("works"), out, "nano", out)
    failed = run(step("fails"), out, "nano", out)
    (out.parent / "steps.py").write_text(MODULE.replace('raise RuntimeError("no such kernel")', "return"))

    assert run(step("works"), out, "nano", out) == done
    assert failed["status"] != "done"
    assert run(step("fails"), out, "nano", out)["status"] == "done"


@pytest.mark.timeout(180)
def test_figures_of_another_scale_do_not_count_as_done(out):
    path = out / "works.json"
    path.write_text(json.dumps({"status": "done", "scale": "7b", "seconds": 1.0}))

    assert run(step("works"), out, "nano", out)["scale"] == "nano"


def record(name, side_px, speed, device="a GPU"):
    row = {"side px": side_px, "images/s": speed}
    return {
        "step": name,
        "about": f"About {name}",
        "status": "done",
        "scale": "7b",
        "device": device,
        "commit": "abc",
        "python": "3.12.3",
        "versions": {"torch": "2.11.0"},
        "load": 0.1,
        "seconds": 12.0,
        "figures": [row],
    }


def test_ratios_compare_equal_sides_on_one_machine_only():
    ours = record("captions", 448, 30.0)

    assert [row["ratio"] for row in ratios([ours, record("captions_vllm", 448, 40.0)])] == [0.75]
    assert ratios([ours, record("captions_vllm", 896, 40.0)]) == []
    assert ratios([ours, record("captions_vllm", 448, 40.0, device="no GPU")]) == []
    assert ratios([ours]) == []


def test_the_table_is_published_between_its_markers_and_again(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{BEGIN}\nold\n{END}\n\n# After\n")

    publish(page, table([record("captions", 448, 30.0)]))
    once = page.read_text()
    publish(page, table([record("captions", 448, 30.0)]))

    assert page.read_text() == once
    assert once.startswith(f"# Before\n\n{BEGIN}\n")
    assert once.endswith(f"{END}\n\n# After\n")
    assert "| 448 | 30.0 |" in once
    assert "old" not in once


@pytest.mark.parametrize("text", ["", f"{BEGIN}", f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN} {END}"])
def test_a_page_without_the_markers_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)

    with pytest.raises(ValueError, match="once each"):
        publish(page, "figures")
    assert page.read_text() == text


def test_the_page_of_the_project_has_the_markers():
    text = (ROOT / "docs" / "benchmarks.md").read_text()

    assert text.count(BEGIN) == text.count(END) == 1


def test_a_dry_run_is_never_published(tmp_path, capsys):
    assert main(["--out", str(tmp_path), "--scale", "nano", "--publish"]) == 2
    assert "a dry run has none" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_every_step_exists_and_has_less_than_ten_minutes():
    import importlib

    for each in STEPS:
        module, _, function = each.measure.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
        assert each.seconds < 600
    assert len({each.name for each in STEPS}) == len(STEPS)


def test_the_wheels_are_pinned_and_none_is_named_twice():
    lines = [line for line in (ROOT / "benchmarks" / "gpu" / "wheels.txt").read_text().splitlines() if line]
    names = [line.partition("==")[0].lower().replace("_", "-") for line in lines if not line.startswith("#")]

    assert all("==" in line for line in lines if not line.startswith("#"))
    assert len(set(names)) == len(names)
