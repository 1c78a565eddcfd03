import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import PlanError
from curate.inspect.pool import budgets_around, pool_report
from curate.selection.bucket_files import read_plan
from curate.selection.utility import best_pool

GIVEN = """
scale = 0.022
[[bucket]]
name = "top 10 %"
samples = 12_800_000
utility = -0.2
half_life = 2.0
[[bucket]]
name = "10 to 20 %\\u001b[31m"
samples = 12_800_000
utility = -0.17
half_life = 2.5
"""
RUNS = """
[[bucket]]
name = "a"
samples = 1000
runs = [[500, 0.9], [1000, 0.8], [4000, 0.7]]
"""


@pytest.fixture
def buckets(tmp_path):
    (tmp_path / "buckets.toml").write_text(GIVEN)
    return tmp_path / "buckets.toml"


def said(*arguments):
    return CliRunner().invoke(app, ["pool", *map(str, arguments)])


def test_it_says_how_much_to_keep_for_each_budget(buckets):
    out = said(buckets, "--samples-seen", 12_000_000, "--samples-seen", 640_000_000)
    assert out.exit_code == 0
    assert "keep 50.0%, 12,800,000 samples (top 10 %), each seen 0.94 times" in out.output
    assert "keep 100.0%, 25,600,000 samples" in out.output
    assert "\x1b[31m" not in out.output


def test_the_pools_of_all_budgets_are_those_of_the_formula(buckets):
    out = said(buckets, "--samples-seen", 64_000_000).output
    best = best_pool(read_plan(buckets).buckets, read_plan(buckets).law, 64_000_000)
    (row,) = [line for line in out.splitlines() if line.startswith("│ ") and " 64,000,000 " in line]
    assert f"{best.error:.4f}" in row


def test_what_the_law_does_not_cover_is_said(buckets, tmp_path):
    assert "below normaliser / scale = 4,545,455" in said(buckets, "--samples-seen", 100_000).output
    (tmp_path / "runs.toml").write_text(RUNS)
    out = said(tmp_path / "runs.toml", "--samples-seen", 400_000).output
    assert "400,000 samples seen are 100 times the longest run (4,000): what is said of them is a guess" in out


def test_runs_that_show_no_loss_by_repetition_are_told(tmp_path):
    lines = "".join(f"a,1000,{n},{0.1 + (n / 100) ** -0.3}\n" for n in (500, 1000, 4000, 16000))
    (tmp_path / "runs.csv").write_text(f"bucket,samples,samples_seen,error\n{lines}")
    out = said(tmp_path / "runs.csv", "--samples-seen", 8_000).output
    assert "the runs of a show no loss by repetition" in out


def test_the_fitted_buckets_are_saved_and_answer_as_the_runs_did(tmp_path):
    (tmp_path / "runs.toml").write_text(RUNS)
    first = said(tmp_path / "runs.toml", "--samples-seen", 8_000, "--save", tmp_path / "fitted.json").output
    second = said(tmp_path / "fitted.json", "--samples-seen", 8_000).output
    answer = "keep 100.0%, 1,000 samples (a), each seen 8.00 times"
    assert answer in first
    assert answer in second


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_picture_of_equal_curves_is_the_same_file(buckets, tmp_path, kind):
    pytest.importorskip("matplotlib")
    files = []
    for name in ("a", "b"):
        assert said(buckets, "--samples-seen", 64_000_000, "--picture", tmp_path / f"{name}.{kind}").exit_code == 0
        files.append((tmp_path / f"{name}.{kind}").read_bytes())
    assert files[0] == files[1]
    if kind == "svg":
        assert b"samples seen" in files[0]


@pytest.mark.parametrize(
    ("name", "message"), [("a.gif", r"ends in \.svg, \.png, \.pdf"), ("none/a.svg", "No such file")]
)
def test_a_picture_that_cannot_be_written_is_one_sentence(buckets, tmp_path, name, message):
    pytest.importorskip("matplotlib")
    with pytest.raises(PlanError, match=message):
        pool_report(buckets, [64_000_000], picture=tmp_path / name)


def test_without_matplotlib_it_says_what_to_install(buckets, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(PlanError, match=r"matplotlib is not installed; run: pip install 'curate\[plot\]'"):
        pool_report(buckets, [64_000_000], picture=tmp_path / "a.svg")


def test_a_budget_below_one_is_one_sentence(buckets):
    with pytest.raises(PlanError, match="--samples-seen 0: give 1 or more"):
        pool_report(buckets, [5, 0])


def test_a_curve_goes_around_what_was_asked_and_holds_it():
    budgets = budgets_around([10**6, 10**9], 4)
    assert budgets == sorted(set(budgets))
    assert {10**6, 10**9} <= set(budgets)
    assert budgets[0] == 10**6 // 16
    assert 8 * 10**9 < budgets[-1] <= 16 * 10**9
