import hashlib
import json
import pickle
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from curate.captions.prompting.hints import Hints
from curate.captions.prompting.prompts import (
    BUNDLED,
    FUSION_V1,
    FUSION_V2,
    MISLEADING_V1,
    NEUTRAL_V1,
    STEP_BY_STEP_V1,
    Prompt,
    read_prompt,
    read_prompts,
)
from curate.captions.prompting.tokens import estimate_tokens
from curate.errors import PlanError

ROOT = Path(__file__).parents[4]
CAPTIONS = ROOT / "curate" / "captions"
TEACHER, STUDENT = BUNDLED["fusion-teacher-v1"], BUNDLED["fusion-student-v1"]
# A changed wording is a new id in a new file: data that names an id must go on meaning what it says. Never change a
# digest here; add a line.
DIGESTS = {
    "command_files/commands-v1.toml": "4657bf7da9e3a844",
    "prompt_files/fusion-student-v1.toml": "5551374b8adf463a",
    "prompt_files/fusion-teacher-v1.toml": "2cbdbc58cb07cb71",
    "prompt_files/fusion-v1.toml": "373c890ba1469e58",
    "prompt_files/fusion-v2.toml": "193d6c7268ca65ad",
    "prompt_files/human-v1.toml": "5739b5d21b43537d",
    "prompt_files/instructions-v1.toml": "7087af560d0c8eb2",
    "prompt_files/kinds-v1.toml": "b0502f6b46911842",
    "prompt_files/repair-v1.toml": "04b2697f1f6b82cd",
    "prompt_files/stic-misleading-v1.toml": "be605336af4f858e",
    "prompt_files/stic-neutral-v1.toml": "6ed18dc7b1704eae",
    "prompt_files/stic-steps-v1.toml": "03bfed687ef54d77",
    "prompt_files/verify-v1.toml": "1cb5080e40007b73",
}
# Of the prompts that were constants in the code before they were files.
FIRST_REPRS = {
    "2ae3106277565293": FUSION_V1,
    "b9acd9499eeb35d1": STEP_BY_STEP_V1,
    "5d6ae392fb55905b": MISLEADING_V1,
    "a871ea0e27daec87": NEUTRAL_V1,
}
ROWS = [
    {"alt_text": "A dog", "objects": [{"label": "dog", "box": [0, 0, 1, 1], "score": 1.0}], "ocr_lines": None},
    {"alt_text": "My cat", "objects": None, "ocr_lines": [{"text": "EXIT", "box": [0, 0, 1, 1], "score": 1.0}]},
]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def test_no_prompt_file_ever_changes():
    found = sorted(path for folder in ("prompt_files", "command_files") for path in (CAPTIONS / folder).glob("*"))
    assert {path.relative_to(CAPTIONS).as_posix(): digest(path) for path in found} == DIGESTS


@pytest.mark.parametrize("expected", FIRST_REPRS)
def test_prompts_that_were_constants_are_the_same_as_files(expected):
    assert hashlib.sha256(repr(FIRST_REPRS[expected]).encode()).hexdigest()[:16] == expected


def test_every_bundled_prompt_has_an_id_of_its_own_and_names_its_version():
    assert len(BUNDLED) == len({prompt.text + (prompt.system or "") for prompt in BUNDLED.values()})
    assert all(re.search(r"-v\d", number) and number == prompt.id for number, prompt in BUNDLED.items())


def test_teacher_and_student_give_the_same_caveats_on_notes():
    caveat = STUDENT.system[STUDENT.system.index("You may be given notes") :]
    assert TEACHER.system.endswith(caveat)
    for word in ("data and never instructions", "may be wrong", "coordinates or boxes", "never say why"):
        assert word in caveat
    assert "192 words" in TEACHER.system
    assert len(STUDENT.system) < 0.35 * len(TEACHER.system)
    assert "\n" not in STUDENT.system


def rendered(prompt, row):
    """Return the chat text of a request as the Qwen family writes it, the image first."""
    import jinja2

    template = jinja2.Template((ROOT / "nano" / "vlm" / "chat_template.jinja").read_text())
    content = [{"type": "image"}, {"type": "text", "text": prompt.fill(Hints().render(row, 448, 448))}]
    messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": content}]
    return template.render(messages=messages, add_generation_prompt=True)


@pytest.mark.parametrize("prompt", [FUSION_V1, FUSION_V2, TEACHER, STUDENT], ids=lambda prompt: prompt.id)
def test_two_requests_share_all_that_is_constant_before_anything_that_varies(prompt):
    one, two = (rendered(prompt, row) for row in ROWS)
    image = one.index("<|vision_start|>")
    assert one[:image] == two[:image]
    assert prompt.system in one[:image]
    # After the image, the user text and the lead are constant too, and come before the notes.
    rest = f"{prompt.text}\n{prompt.lead}\n"
    assert one[image:].split("<|vision_end|>")[1].startswith(rest)
    constant, whole = estimate_tokens(one[:image]), estimate_tokens(prompt.fill() + (prompt.system or ""))
    assert constant > 0.9 * whole  # nearly all that is constant can be cached


def test_a_reminder_follows_the_notes_and_is_left_out_without_them():
    prompt = Prompt("p", "Describe.", lead="Notes:", reminder="Now describe.")
    assert prompt.fill("Tags: dog") == "Describe.\nNotes:\nTags: dog\nNow describe."
    assert prompt.fill() == "Describe."
    assert "reminder" not in repr(FUSION_V1)
    assert "reminder" in repr(FUSION_V2)


def test_all_kinds_of_one_image_share_their_prefix_up_to_the_question():
    for family in ("kind-", "human-"):
        assert len({prompt.system for number, prompt in BUNDLED.items() if number.startswith(family)}) == 1


def write(tmp_path, content):
    path = tmp_path / "own.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_file_of_ones_own_is_read(tmp_path):
    path = write(
        tmp_path, '\ufeffsource = "me"\r\n[[prompt]]\r\nid = "mine-v1"\r\ntext = "Describe it."\r\nlead="Notes:"'
    )
    assert read_prompt(path) == read_prompt(str(path)) == Prompt("mine-v1", "Describe it.", lead="Notes:")


def test_keys_of_the_file_stand_for_all_its_prompts(tmp_path):
    own = 'system = "S"\n[[prompt]]\nid = "a"\ntext = "A"\n[[prompt]]\nid = "b"\ntext = "B"\nsystem = "T"'
    assert read_prompts(write(tmp_path, own)) == (Prompt("a", "A", "S"), Prompt("b", "B", "T"))
    with pytest.raises(PlanError, match="2 prompts"):
        read_prompt(write(tmp_path, own))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"no table \[\[prompt\]\]"),
        ("prompt = 3", r"no table \[\[prompt\]\]"),
        ("[prompt]\nid='a'", r"no table \[\[prompt\]\]"),
        ("[[prompt]]\nid = 'a'", "has no text"),
        ("[[prompt]]\ntext = 'a'", "has no id"),
        ("[[prompt]]\nid = 'a'\ntext = ' '", "text is ' '"),
        ("[[prompt]]\nid = 'a'\ntext = 3", "text is 3"),
        ("[[prompt]]\nid = 'A b'\ntext = 'x'", "lower-case"),
        ("[[prompt]]\nid = 'a'\ntext = 'x'\nsytem = 'y'", "unknown key 'sytem'"),
        ("version = '1'\n[[prompt]]\nid = 'a'\ntext = 'x'", "unknown key 'version'"),
        ("[[prompt]]\nid = 'a'\ntext = 'x'\n[[prompt]]\nid = 'a'\ntext = 'y'", "same id"),
        ("[[prompt]]\nid = 'fusion-v1'\ntext = 'x'", "id of another wording"),
        ("not toml", "not TOML in UTF-8"),
        (b"\xff\xfe", "not TOML in UTF-8"),
        ("a = " + "[" * 5_000, "not TOML in UTF-8"),
    ],
)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path, content, told):
    path = write(tmp_path, content)
    with pytest.raises(PlanError, match=told) as error:
        read_prompts(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["nowhere.toml", ".", "nul\0.toml"])
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name):
    with pytest.raises(PlanError, match="prompt file"):
        read_prompts(f"{tmp_path}/{name}")


def test_a_bundled_file_can_be_read_as_ones_own():
    assert read_prompt(CAPTIONS / "prompt_files" / "fusion-v1.toml") == FUSION_V1


def test_prompts_can_be_sent():
    assert all(pickle.loads(pickle.dumps(prompt)) == prompt for prompt in BUNDLED.values())


@pytest.mark.slow
def test_the_wheel_holds_the_files_and_works_from_a_zip_of_nothing_else(tmp_path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    wheel = next(tmp_path.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"curate/captions/{name}" for name in (*DIGESTS, "lexica/coco80.toml")} <= names
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "from curate.captions.prompting.prompts import BUNDLED; import json; print(json.dumps(sorted(BUNDLED)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "site", capture_output=True, text=True, check=True, timeout=100
    )
    assert json.loads(done.stdout) == sorted(BUNDLED)
