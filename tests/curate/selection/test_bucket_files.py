import json

import pytest

from curate.errors import PlanError
from curate.selection.bucket_files import plan_text, read_plan
from curate.selection.utility import Bucket, Law, pool_error

GIVEN = """
scale = 0.022
[[bucket]]
name = "top 10 %"
samples = 12_800_000
utility = -0.2
half_life = 3.0
[[bucket]]
name = "10 to 20 %"
samples = 12_800_000
utility = -0.16
half_life = inf
"""
RUN = '[[bucket]]\nname = "a"\nsamples = 1000\nruns = [[500, 0.9], [1000, 0.8], [4000, 0.7]]\n'
LINES = "bucket,samples,samples_seen,error\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="buckets.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_given_buckets_are_read_as_they_stand(write):
    plan = read_plan(write(GIVEN))
    assert plan.buckets[0] == Bucket("top 10 %", 12_800_000, -0.2, 3.0)
    assert plan.law == Law(0.022, 0.1, 100_000.0, "paper")
    assert (plan.fit, plan.longest_run) == (None, None)


def test_json_says_the_same_and_what_is_written_is_read_back(write):
    plan = read_plan(write(GIVEN.replace("inf", "4.0")))
    again = read_plan(write(plan_text(plan), "buckets.json"))
    assert again == plan


def test_runs_are_fitted_and_csv_is_a_line_a_run(write):
    law, truth = Law(1.0, 0.1, 100.0), Bucket("a", 1_000, -0.3, 2.0)
    seen = [500, 1_000, 2_000, 8_000]
    lines = "".join(f"a,1000,{n},{pool_error([truth], law, n)}\n" for n in seen)
    plan = read_plan(write(LINES + lines, "runs.csv"))
    assert plan.longest_run == 8_000
    assert plan.buckets[0].half_life == pytest.approx(2.0, rel=0.02)
    rows = [[n, pool_error([truth], law, n)] for n in seen]
    same = {"bucket": [{"name": "a", "samples": 1_000, "runs": rows}]}
    assert read_plan(write(json.dumps(same), "runs.json")) == plan


def test_the_form_of_the_command_line_is_taken_over_that_of_the_file(write):
    path = write('form = "repository"\n' + GIVEN)
    assert read_plan(path).law.form == "repository"
    assert read_plan(path, "paper").law.form == "paper"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no bucket in it"),
        ("[[bucket]", "is not TOML"),
        (RUN.replace("samples", "sample"), r"bucket\.0\.sample"),
        (GIVEN.replace("scale", "size"), "size: "),
        (GIVEN.replace("scale = 0.022", ""), "give both as numbers"),
        (GIVEN.replace("half_life = inf", ""), "10 to 20 % has a utility and no half_life"),
        (GIVEN + RUN, "some buckets have a utility and some have runs"),
        (GIVEN + "runs = [[5, 0.5]]", "has a utility and runs"),
        (RUN + RUN, "two buckets are called 'a'"),
        ('[[bucket]]\nname = "a"\nsamples = 10', "bucket a has neither a utility nor runs"),
        (RUN.replace("1000\n", "0\n"), "bucket a: samples=0"),
        (RUN + "half_life = 0", "bucket a: half_life=0"),
        (RUN.replace("0.7", '"bad"'), r"bucket\.0\.runs\.2\.1"),
        ("bucket = 5", "bucket: "),
    ],
)
def test_a_wrong_file_is_one_sentence_that_names_it(write, text, message):
    path = write(text)
    with pytest.raises(PlanError, match=message) as error:
        read_plan(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[]", "holds no object"),
        ("a.json", "{", "is not JSON"),
        ("a.csv", "bucket,samples\n", "has no column 'samples_seen'"),
        ("a.csv", LINES + "a,10,5,0.5\na,11,6,0.4\n", "line 3: bucket a has 11 samples, and another number above"),
        ("a.csv", LINES + "a,10,5,x\n", r"bucket\.0\.runs\.0\.1"),
        ("a.csv", LINES + "a,10\n", r"bucket\.0\.runs\.0\.0"),
    ],
)
def test_so_is_another_kind_of_file(write, name, text, message):
    with pytest.raises(PlanError, match=message):
        read_plan(write(text, name))


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(PlanError, match=r"none\.toml: cannot be read: No such file"):
        read_plan(tmp_path / "none.toml")
