import math

import pytest

from curate.engines.chat_api import chat_body, chosen, completion
from curate.engines.engine import Request, generate
from curate.engines.openai_server import OpenAIServer
from tests.support.endpoints import Behaviour, serving

PICK = Request("0", "yes or no?", choices=("yes", "no"))
COUNT = Request("0", "how many?", json_schema='{"type": "object"}')


def reply(text, reason="stop", **choice):
    return {"choices": [{"message": {"content": text}, "finish_reason": reason} | choice]}


def test_a_choice_is_guided_and_its_tokens_are_weighed():
    body = chat_body("m", "png", PICK)
    assert body["structured_outputs"] == {"choice": ["yes", "no"]}
    logprobs = {"content": [{"token": "y", "logprob": math.log(0.5)}, {"token": "es", "logprob": math.log(0.5)}]}
    answer = completion(reply("yes", logprobs=logprobs), PICK, 0.1)
    assert (answer.text, answer.confidence) == ("yes", pytest.approx(0.25))
    assert completion(reply("no"), PICK, 0.1).confidence is None


@pytest.mark.parametrize(
    ("text", "choice"),
    [("yes", "yes"), (" Yes.", "yes"), ("**NO**\n", "no"), ("yes, but", None), ("", None), ("maybe", None)],
)
def test_an_answer_that_was_not_guided_is_matched_or_an_error(text, choice):
    assert chosen(text, PICK.choices) == choice
    answer = completion(reply(text), PICK, 0.1)
    assert (answer.text, answer.error and answer.error.code) == (choice or "", None if choice else "engine_off_choices")


def test_what_matches_two_choices_alike_matches_none():
    assert chosen("A", ("(a)", "[a]")) is None
    assert chosen("(a)", ("(a)", "[a]")) == "(a)"


def test_a_schema_is_sent_as_response_format_and_what_is_no_json_is_an_error_unless_cut():
    strict = (
        '{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "additionalProperties": false}'
    )
    sent = chat_body("m", "png", COUNT)["response_format"]
    assert sent == {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    sent = chat_body("m", "png", Request("0", "", json_schema=strict))["response_format"]
    assert sent["json_schema"]["strict"]
    assert completion(reply('{"a": 1}'), COUNT, 0.1).text == '{"a": 1}'
    assert completion(reply("three"), COUNT, 0.1).error.code == "engine_off_schema"
    assert completion(reply('{"a": ', "length"), COUNT, 0.1).error is None


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_knows_no_guided_choices_is_asked_without_from_then_on(status):
    server = Behaviour()

    def how(text, number):
        body = server.bodies[number - 1]
        for part in ("structured_outputs", "logprobs"):
            if part in body:
                return status, {"error": {"message": f"Unknown parameter: '{part}'."}}
        return None

    server.how = how
    with serving(server) as (url,):
        engine = OpenAIServer(url, "m", requests=1)
        first, second = (generate(engine, [Request("0", text, choices=("re a", "re b"))])[0].text for text in "ab")
    assert (first, second) == ("re a", "re b")
    assert len(server.received) == 4


def test_a_bad_schema_is_refused_for_its_own_request_only():
    server = Behaviour(lambda text, number: (400, {"error": {"message": "Invalid schema for response_format"}}))
    with serving(server) as (url,):
        (answer,) = generate(OpenAIServer(url, "m"), [COUNT])
    assert answer.error.code == "engine_rejected"
    assert len(server.received) == 1


def test_what_a_model_thought_is_left_out_and_the_answer_matched():
    thought = "<think>It may be a dog.</think>\n\nYes"
    assert completion(reply(thought), PICK, 0.1).text == "yes"
    assert completion(reply("It may be a dog.</think>A dog."), Request("0", "what?"), 0.1, "always").text == "A dog."
    assert completion(reply("It may be", "length"), Request("0", "what?"), 0.1, "always").text == ""


@pytest.mark.parametrize(
    ("model", "told"),
    [("Qwen/Qwen3.5-9B", {"enable_thinking": False}), ("Qwen/Qwen3-VL-8B-Instruct", None), ("any", None)],
)
def test_only_a_model_with_a_switch_is_told_not_to_think(model, told):
    server = Behaviour(lambda text, number: None)
    with serving(server) as (url,):
        generate(OpenAIServer(url, model), [Request("0", "what?")])
    assert server.bodies[0].get("chat_template_kwargs") == told
