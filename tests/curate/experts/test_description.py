import dataclasses

import pyarrow as pa
import pytest

from curate.engines.fake import FakeEngine
from curate.errors import PlanError
from curate.experts.description import Description
from curate.stages import Batch
from tests.curate.experts.test_preference_pair import pictures as images

ECHO = Description(FakeEngine(lambda request: request.prompt, "echo"), longest_side_px=112)


def described(expert, order=range(64)):
    shown = images(64)
    table = pa.table({"uid": [f"u{i}" for i in order]})
    return expert.load()(Batch(table, (), [shown[i] for i in order])).columns


def test_the_prompt_that_made_a_description_is_recorded():
    found = described(ECHO)
    assert found["description"] == found["description_prompt"]
    by_id = dict(zip(found["description_prompt_id"], found["description_prompt"], strict=True))
    assert by_id == {prompt.id: prompt.fill() for prompt in ECHO.prompts}


def test_the_choice_belongs_to_the_uid():
    assert described(ECHO, range(63, -1, -1))["description_prompt_id"] == described(ECHO)["description_prompt_id"][::-1]
    other = described(dataclasses.replace(ECHO, seed=1))["description_prompt_id"]
    assert other != described(ECHO)["description_prompt_id"]


def test_bad_settings_are_named():
    with pytest.raises(PlanError, match="needs a prompt"):
        dataclasses.replace(ECHO, prompts=())
