import pytest
from rich.console import Console

from curate.errors import PlanError
from curate.inspect.blind import blind_report
from schemas.blind import BLIND
from schemas.question import QUESTIONS
from tests.support import dataset_folder as folders

QA, BLIND_STAGE = "caption_qa-v1-00000005", "blind_answers-v1-00000006"
EMPTY = dict.fromkeys(QUESTIONS.names) | dict.fromkeys(BLIND.names)


def row(i):
    """Row 3: seen right, base blind right; row 4: seen right, vlm blind right; row 5: seen wrong."""
    one = dict.fromkeys([f.name for f in QUESTIONS.field("qa").type.value_type]) | {"kind": "count", "verified": i < 5}
    right = [i == 4, i == 3]
    blind = {"answers": ["x", "y"], "right": right, "hits": sum(right)}
    return EMPTY | {"qa": [one], "qa_model": "vlm", "qa_blind": [blind], "qa_blind_models": ["vlm (grey)", "base"]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setitem(folders.ADDS, QA, QUESTIONS)
    monkeypatch.setitem(folders.ADDS, BLIND_STAGE, BLIND)
    made = folders.make_dataset(tmp_path)
    for shard in made.shards:
        for stage in (QA, BLIND_STAGE):
            folders.add_cell(made, stage, shard, ([3, 4, 5], [row(i) for i in range(6)]))
    folders.write_run(made, [folders.FACTS, folders.CLIP, QA, BLIND_STAGE], "000002-caption_qa-ab12cd34")
    return made


def test_a_pool_shows_gain_and_leakage(folder):
    report = blind_report(folder.store, base="base")
    assert report.vlm == "vlm (grey)"
    assert report.seen == pytest.approx(2 / 3)
    assert report.blind == {"vlm (grey)": pytest.approx(1 / 3), "base": pytest.approx(1 / 3)}
    assert report.gain == pytest.approx(1 / 3)
    assert report.leakage == 0
    assert [(rate.kind, rate.questions) for rate in report.rates] == [("count", 6), ("all", 6)]
    assert report.rates[1].over == pytest.approx(2 / 3)


def test_it_prints(folder):
    console = Console(width=120, record=True)
    console.print(blind_report(folder.store))
    text = console.export_text()
    assert "multi-modal gain: 0.333 of vlm (grey)" in text
    assert "give --base" in text


def test_who_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(PlanError, match="no inspector 'gpt'"):
        blind_report(folder.store, vlm="gpt")
    with pytest.raises(PlanError, match="answered blind"):
        blind_report(folders.make_dataset(tmp_path / "plain").store)
