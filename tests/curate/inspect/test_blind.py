import pytest
from rich.console import Console

from curate.errors import PlanError
from curate.inspect.blind import blind_report
from tests.support.dataset_folder import make_dataset


def test_a_pool_shows_gain_and_leakage(folder):
    """Rows 4 and 5 of both shards have a yes, a no and a count; the model without the image says "yes" and "1"."""
    report = blind_report(folder.store, base="base")
    assert report.vlm == "vlm (grey)"
    assert report.seen == 1
    assert report.blind == {"vlm (grey)": pytest.approx(1 / 2), "base": pytest.approx(1 / 3)}
    assert report.gain == pytest.approx(1 / 2)
    assert report.leakage == pytest.approx(1 / 6)
    assert [(rate.kind, rate.questions) for rate in report.rates] == [("count", 4), ("yes_no", 8), ("all", 12)]


def test_it_prints(folder):
    console = Console(width=120, record=True)
    console.print(blind_report(folder.store))
    text = console.export_text()
    assert "multi-modal gain: 0.500 of vlm (grey)" in text
    assert "give --base" in text


def test_who_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(PlanError, match="no blind model 'gpt'"):
        blind_report(folder.store, vlm="gpt")
    with pytest.raises(PlanError, match="answered blind"):
        blind_report(make_dataset(tmp_path, captions=False).store)
