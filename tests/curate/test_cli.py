"""The command line, as a user calls it: one sentence and exit code 2 when something is wrong."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.recipes import LONG_TEXTS
from tests.support.shards import write_shard

ROOT = Path(__file__).parent.parent.parent
OWN = """

from curate.captions.prompting.hints import Hints
from curate.engines.fake import FakeEngine
from curate.experts.dense_caption import DenseCaption
from curate.pipeline import Pipeline


def reply(request):
    return "A caption."


def own() -> Pipeline:
    caption = DenseCaption(FakeEngine(reply, "own"), hints=Hints(blocks=()))
    return Pipeline([TextLength(), AtLeast("text_length", 3), caption])
"""


def curate(*arguments, cwd=ROOT):
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=240, check=False)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Return a folder with a recipe, its input and a finished run."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "mine.py").write_text(LONG_TEXTS)
    write_shard(folder / "in" / "00000.tar", ["a", "bb", "ccc", "dddd"])
    where = ("--input", folder / "in", "--dataset", folder / "out")
    result = curate("run", f"{folder}/mine.py:long_texts", *where, "-p", "shortest=3")
    assert result.returncode == 0, result.stderr
    return folder, result


def test_a_run_ends_with_the_funnel_the_place_and_three_next_steps(done):
    folder, result = done

    assert "samples in" in result.stdout
    assert "dropped by AtLeast(name='text_length', bound=3)" in result.stdout
    assert f"output in {folder}/out" in result.stdout
    assert sum(line.startswith("  curate ") for line in result.stdout.splitlines()) == 3


def test_the_next_steps_work_as_printed(done):
    _folder, result = done
    steps = [line.strip() for line in result.stdout.splitlines() if line.startswith("  curate ")]

    for step in steps:
        command = step.replace("curate ", f"{sys.executable} -m curate.cli ", 1)
        result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
        assert result.returncode == 0, (step, result.stderr)


def test_a_plan_says_that_a_raised_threshold_runs_no_model(done):
    folder, _ = done
    recipe, rest = f"{folder}/mine.py:long_texts", ("--input", folder / "in", "--dataset", folder / "out")

    assert "nothing to do" in curate("plan", recipe, *rest).stdout
    for raised in ("shortest=4", "at_least.bound=4"):
        result = curate("plan", recipe, *rest, "-p", raised).stdout
        assert "only decisions are missing: no model will run" in result


def test_a_recipe_file_may_define_its_own_expert_filter_and_reply(tmp_path):
    (tmp_path / "own.py").write_text((ROOT / "tests" / "support" / "stages.py").read_text() + OWN)
    write_shard(tmp_path / "in" / "00000.tar", ["a", "bb", "ccc", "dddd"])

    result = curate("run", f"{tmp_path}/own.py:own", "--input", tmp_path / "in", "--dataset", tmp_path / "out")

    assert result.returncode == 0, result.stderr
    assert "dropped by AtLeast(name='text_length', bound=3)" in result.stdout
    assert "captioned" in result.stdout


def test_status_tells_recipe_parameters_and_funnel(done):
    folder, _ = done
    result = curate("status", folder / "out").stdout

    assert "finished" in result
    assert "recipe long_texts -p shortest=3" in result
    assert "measured text_length: 4 rows, 0 errors" in result


def test_status_by_a_column_tells_what_is_kept_of_each_group(done):
    folder, _ = done
    result = curate("status", folder / "out", "--by", "text_length").stdout

    assert "of 4 samples" in result
    assert "differs from all by more than chance" in result


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "nosuch", "-i", "x", "-d", "d"], "no recipe 'nosuch'"),
        (["run", "datacomp_basic", "-i", "nowhere/*.tar", "-d", "{tmp}/d"], "nowhere"),
        (["run", "datacomp_basic", "-i", "{in}", "-d", "{tmp}/d", "-p", "min_sid=3"], "did you mean min_side?"),
        (["plan", "densefusion", "-i", "{in}", "-d", "{tmp}/d", "-p", "vlm=x"], "did you mean engine.model?"),
        (["recipes", "quickstrat"], "did you mean quickstart?"),
        (["run", "datacomp_basic", "-i", "{in}", "-d", "/proc/nothing"], "cannot write"),
        (["run", "quickstart", "-i", "{in}", "-d", "{tmp}/d", "-p", "weights=nanu"], "weights not found: nanu/"),
        (["run", "datacomp_basic", "-i", "{in}", "-d", "{tmp}/d", "--limit", "0"], "--limit 0 leaves nothing to do"),
        (["query", "{tmp}", "SELECT 1"], "is not a dataset"),
        (["query", "{out}", "SELECT nothing FROM samples"], "alt_text"),
        (["query", "{out}", "COPY samples TO 'x.csv'"], "one SELECT"),
        (["show", "{out}", "ffffffffffff"], "ffffffffffff"),
        (["status", "{out}", "--run", "x"], "has no run 'x'"),
        (["export", "{out}", "{tmp}/e", "--to", "nosuch"], "nosuch"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(done, tmp_path, arguments, sentence):
    folder, _ = done
    places = {"{in}": str(folder / "in"), "{out}": str(folder / "out"), "{tmp}": str(tmp_path)}
    for name, place in places.items():
        arguments = [argument.replace(name, place) for argument in arguments]

    result = curate(*arguments)

    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "d").exists()


def test_the_recipes_and_what_can_be_set_in_them_are_listed_and_every_help_names_them(done):
    folder, _ = done
    names = [line.split()[0] for line in curate("recipes").stdout.splitlines()]
    assert {"quickstart", "densefusion"} <= set(names)
    for command in ("run", "retry", "plan", "calibrate", "recipes"):
        text = " ".join(curate(command, "--help").stdout.split())
        assert all(name in text for name in names), command
    lines = curate("recipes", f"{folder}/mine.py:long_texts").stdout.splitlines()
    assert [line.split() for line in lines if line.startswith(("shortest", "at_least.bound"))] == [
        ["shortest", "int", "3"], ["at_least.bound", "float", "3"]
    ]  # fmt: skip


def test_help_and_import_are_quick_and_load_nothing_heavy():
    """0.5 s and 1 s are the promises; twice that allows for a busy machine."""
    for command, seconds in ((["-m", "curate.cli", "--help"], 1.0), (["-c", "import curate"], 2.0)):
        best = min(_seconds([sys.executable, *command]) for _ in range(3))
        assert best < seconds

    probe = "import sys, curate.cli; print(sorted({'torch', 'ray', 'vllm', 'pyarrow', 'duckdb'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, cwd=ROOT, check=True)
    assert loaded.stdout.strip() == "[]"


def _seconds(command):
    start = time.monotonic()
    subprocess.run(command, capture_output=True, cwd=ROOT, check=True)
    return time.monotonic() - start
