"""The display says what each stage waits for, and how fast the last minute was."""

import io
import time

import pytest
from rich.console import Console

from curate.engines.fake import FakeEngine
from curate.experts.clip import Clip
from curate.experts.description import Description
from curate.experts.text_facts import TextFacts
from curate.models.weights import Weights
from curate.pipeline import Pipeline
from curate.run import progress as display
from curate.run.activity import Activity, Crew, Rates, stage_lines
from curate.run.progress import Progress, ProgressEvent, Totals, short
from curate.run.spec import RunSpec
from curate.stages import SAMPLE_STAGE


def say(request):
    return request.prompt


PIPELINE = Pipeline([TextFacts(), Clip(weights=Weights("tag")), Description(FakeEngine(say))])
SPEC = RunSpec.resolve(PIPELINE, "memory://progress")
TEXT, CLIP, DESCRIPTION = (step.id for step in SPEC.steps)
FIRST, LAST = Activity("a", (0,)), Activity("b", (1,))


def states(rows=None, crew=(), lacks=None, rates=None):
    sums = {stage: (n, 0) for stage, n in (rows or {}).items()}
    lines = stage_lines(SPEC.steps, PIPELINE.segments(), sums, rates or Rates(), Crew(crew, lacks or {}))
    return {line.label: line.state for line in lines}


def test_before_a_worker_is_there_each_stage_says_what_it_waits_for():
    assert states(lacks={0: "1 CPU (0 of 2 CPUs free)"}) == {
        "sample": "no worker yet, waits for 1 CPU (0 of 2 CPUs free)",
        "text_facts": "waiting for sample",
        "clip": "waiting for text_facts",
        "description": "waiting for clip",
    }


@pytest.mark.parametrize(
    ("crew", "stage", "state"),
    [
        ([FIRST], "sample", "reading"),
        ([Activity("a", (0,), (CLIP,))], "clip", "models loading"),
        ([FIRST, Activity("b", (1,), (DESCRIPTION,))], "description", "engine starting"),
        ([FIRST, LAST], "description", "waiting for clip"),
    ],
)
def test_loading_reading_and_starting_have_their_words(crew, stage, state):
    assert states(crew=crew)[stage] == state


def test_a_segment_with_rows_to_do_and_no_worker_says_so():
    rows = {SAMPLE_STAGE: 9, TEXT: 9, CLIP: 9}
    assert states(rows, [FIRST], {1: "1 GPU"})["description"] == "no worker yet, waits for 1 GPU"


def test_a_stage_that_works_has_no_state():
    rates = Rates()
    rates.look(0.0, {})
    rates.look(1.0, {TEXT: 5})
    assert states({SAMPLE_STAGE: 9, TEXT: 5}, [FIRST], rates=rates)["text_facts"] == ""


def test_the_time_in_which_models_load_is_in_no_rate():
    rates = Rates()
    for second, rows in ((0, 0), (29, 0), (30, 64)):
        rates.look(float(second), {"x": rows})
    assert rates.of("x") == pytest.approx(64.0)
    rates.look(40.0, {"x": 84})
    assert rates.of("x") == pytest.approx(2.0)


def test_rates_are_of_the_last_minute():
    rates = Rates()
    for second, rows in ((0, 0), (10, 1000), (70, 1000), (80, 1060), (130, 1120)):
        rates.look(float(second), {"x": rows})
    assert rates.of("x") == pytest.approx(2.0)
    assert rates.of("y") == 0.0
    assert Rates().of("x") == 0.0


def progress(console, totals=None, crew=(FIRST,)):
    return Progress(SPEC, 4, lambda: totals or Totals(), lambda: crew, console)


@pytest.mark.parametrize("width", [30, 48, 69, 70, 160])
def test_the_table_fits_terminals_of_any_width(width):
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(progress(console).render())
    lines = console.file.getvalue().splitlines()
    assert all(len(line) <= width for line in lines)
    assert any("sample" in line for line in lines)
    assert any("reading"[:6] in line for line in lines)


def test_without_a_terminal_a_line_comes_before_the_first_shard_is_done(monkeypatch):
    monkeypatch.setattr(display, "LINE_SECONDS", 0.05)
    console = Console(file=io.StringIO(), width=200)
    with progress(console).live():
        while "0/4 shards" not in console.file.getvalue():
            time.sleep(0.01)
    assert "sample: reading; text_facts: waiting for sample" in console.file.getvalue()
    assert console.file.getvalue().splitlines()[-1].startswith("0/4 shards in ")


def test_the_short_form_gives_neighbours_that_wait_alike_one_word():
    totals = Totals()
    totals.add(ProgressEvent(SAMPLE_STAGE, 8, 0, 1.0))
    lines = progress(Console(quiet=True), totals, ()).lines()
    assert short(lines) == (
        "sample, text_facts: no worker yet; clip: waiting for text_facts; description: waiting for clip"
    )
