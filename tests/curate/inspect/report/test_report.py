"""Laws of `curate report`: a run on a few pages, bounded, the same bytes again, and nothing of a stranger runs."""

import re
import shutil

import pytest

from curate.errors import PlanError
from curate.experts.image_facts import ImageFacts
from curate.experts.text_facts import TextFacts
from curate.inspect.report.claims import marked
from curate.inspect.report.site import PAGES, write_report
from curate.pipeline import Pipeline
from curate.storage.store import Store
from filters.caption_words import CaptionWords
from filters.min_side import MinSide
from tests.support.dataset_folder import run
from tests.support.shards import write_shard
from tests.support.stages import AtLeast, TextLength

LONG = Pipeline([ImageFacts(), TextLength(), AtLeast("text_length", 7), MinSide(8)])
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} ' OR 1=1 -- \u202e\x1b[31m ../../etc $x$"


@pytest.fixture(scope="module")
def site(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "site"
    write_report(folder.store, None, str(out))
    return out


def page(site, name):
    return (site / f"{name}.html").read_text()


def test_every_page_stands_and_links_lead_to_files(site):
    for name in PAGES:
        text = page(site, name)
        for link in re.findall(r'(?:src|href)="([^"#]+)"', text):
            assert (site / link).is_file(), link


def test_the_funnel_is_that_of_the_run(site):
    cells = re.findall(r"<td>([^<]+)</td><td class=\"n\">([\d,]+)</td>", page(site, "index"))
    assert ("samples in", "12") in cells
    assert ("dropped by MinClipScore(minimum=0.3)", "2") in cells
    assert ("kept", "6") in cells


def test_a_filter_shows_the_samples_nearest_to_its_bound(site, folder):
    _, below, above, *_ = re.split(r"<h3>(?:Just (?:under|over)|Taken).*?</h3>", page(site, "filters"))
    assert sorted(re.findall(r"<code>(\w+)</code>", below)) == sorted(folder.uid(2, s)[:12] for s in range(2))
    first = [folder.uid(3, s)[:12] for s in range(2)]
    assert sorted(re.findall(r"<code>(\w+)</code>", above)[:2]) == sorted(first)


def test_captions_pairs_and_errors_are_shown_with_their_pictures(site, folder):
    assert f"drawings/{folder.uid(4)}.jpg" in page(site, "captions")
    assert "A dense caption of image 4." in page(site, "captions")
    assert page(site, "pairs").count("<h3>Rejected</h3>") == 4
    codes = re.findall(r"<h2><code>[\w-]+</code>: (\w+)</h2>", page(site, "errors"))
    assert set(codes) == {"image_truncated", "missing_image"}


def test_no_page_has_a_script_and_strangers_texts_are_text(site):
    for name in PAGES:
        text = page(site, name)
        assert "default-src 'none'" in text
        assert "<script" not in text
        assert not re.search(r"\son\w+=", text)
        assert "alt text 4 \ufffd&lt;b&gt;\ufffd[31m" in text or name not in ("captions", "filters")


def test_a_hostile_corpus_is_inert_everywhere(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", [HOSTILE] * 8)
    dataset = str(tmp_path / "out")
    run(LONG, tmp_path / "in", dataset)
    write_report(Store(dataset), None, str(tmp_path / "site"))
    for name in PAGES:
        text = page(tmp_path / "site", name)
        assert "<script" not in text
        assert "<img src=x" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "{{7*7}}" in page(tmp_path / "site", "filters")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "site"]


def test_the_same_run_gives_the_same_bytes(site, folder, tmp_path):
    write_report(folder.store, None, str(tmp_path / "again"))
    files = sorted(path.relative_to(site) for path in site.rglob("*") if path.is_file())
    assert [(tmp_path / "again" / path).read_bytes() for path in files] == [
        (site / path).read_bytes() for path in files
    ]


def test_its_size_does_not_grow_with_the_samples(tmp_path):
    files = []
    for samples in (60, 300):
        write_shard(tmp_path / f"in{samples}" / "00000.tar", [f"text {i}" for i in range(samples)])
        dataset = str(tmp_path / f"out{samples}")
        run(LONG, tmp_path / f"in{samples}", dataset)
        out = tmp_path / f"site{samples}"
        write_report(Store(dataset), None, str(out))
        files.append(sum(1 for _ in out.rglob("*")))
    assert files[1] <= files[0] + 8


def test_a_source_that_is_gone_leaves_the_texts(own_folder, tmp_path):
    shutil.rmtree(own_folder.source)
    written = write_report(own_folder.store, None, str(tmp_path / "site"))
    assert written.pictures == 0
    assert "no image" in page(tmp_path / "site", "filters")
    assert "A dense caption of image 4." in page(tmp_path / "site", "captions")


def test_only_an_empty_folder_or_a_report_is_written_to(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(PlanError, match=r"holds files that no report wrote \(mine.txt\)"):
        write_report(folder.store, None, str(tmp_path))
    write_report(folder.store, None, str(tmp_path / "site"))
    write_report(folder.store, None, str(tmp_path / "site"))


def test_claims_are_marked_where_they_stand():
    verdicts = [{"claim": "dog", "verdict": "supported"}, {"claim": "hot dog", "verdict": "contradicted"}]
    pieces = [(piece.text, piece.verdict) for piece in marked("Two Dogs eat a hot dog, hotdogs.", verdicts)]
    assert pieces == [
        ("Two ", None),
        ("Dogs", "supported"),
        (" eat a ", None),
        ("hot dog", "contradicted"),
        (", hotdogs.", None),
    ]


def test_a_filter_with_two_bounds_shows_both(tmp_path):
    write_shard(tmp_path / "in" / "00000.tar", ["word " * i for i in range(1, 9)])
    stages = Pipeline([TextFacts(), CaptionWords(3, 6, column="text_words")])
    run(stages, tmp_path / "in", str(tmp_path / "out"))
    write_report(Store(str(tmp_path / "out")), None, str(tmp_path / "site"))
    text = page(tmp_path / "site", "filters")
    assert re.findall(r"<h3>Just under ([\d.]+)</h3>", text) == ["3.0", "6.0"]
    assert len(list((tmp_path / "site" / "plots").glob("filter-0-*.svg"))) == 2
