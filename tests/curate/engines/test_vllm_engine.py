import dataclasses
import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from curate.engines.engine import Engine, Request, generate
from curate.engines.vllm_engine import Vllm, engine_arguments
from curate.engines.vllm_request import render
from curate.errors import EngineError, PlanError
from curate.models.weights import Weights
from tests.support.images import image

VLM = Path(__file__).parents[3] / "nano" / "vlm"
ENGINE = Vllm(
    Weights(str(VLM)),
    dtype="bfloat16",
    max_model_len=1024,
    max_num_seqs=8,
    enforce_eager=True,
    kv_cache_gib=0.5,
    gpus=0,
)


def request(number, **options):
    pixels = np.asarray(image(112 + 28 * (number % 3), 112))
    return Request(str(number), "Describe the image in detail.", pixels, **{"max_tokens": 12, **options})


@pytest.fixture(scope="module")
def engine():
    """Start one engine for all tests, and kill it in the end: whoever asks then must hear of it."""
    before = set(multiprocessing.active_children())
    ENGINE.start()
    yield ENGINE
    for process in set(multiprocessing.active_children()) - before:
        process.kill()
        process.join()
    with pytest.raises(EngineError, match="died"):
        generate(ENGINE, [request(0)])


@pytest.mark.models
@pytest.mark.timeout(600)
def test_a_guided_answer_is_one_of_the_choices_or_json_of_the_schema(engine):
    schema = '{"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}'
    free, chosen, counted = generate(
        engine, [request(0), request(1, choices=("perhaps", "never")), request(2, json_schema=schema, max_tokens=60)]
    )
    assert chosen.text in ("perhaps", "never")
    assert 0 <= chosen.confidence <= 1
    assert free.confidence is counted.confidence is None
    assert counted.finish_reason == "length" or set(json.loads(counted.text)) == {"count"}


def test_placement_is_not_identity():
    other = Vllm(Weights(str(VLM)), dtype="bfloat16", max_model_len=1024, max_num_seqs=64, tensor_parallel_size=2)
    assert repr(other) == repr(ENGINE)
    assert repr(Vllm(Weights(str(VLM)), dtype="bfloat16", max_model_len=2048)) != repr(ENGINE)


def test_it_is_an_engine_that_can_be_sent():
    assert isinstance(ENGINE, Engine)
    assert pickle.loads(pickle.dumps(ENGINE)) == ENGINE
    assert ENGINE.name == "vlm"


def test_a_model_over_two_gpus_asks_for_two():
    assert Vllm(Weights("org/model"), tensor_parallel_size=2).resources.gpus == 2.0


def test_bad_settings_and_missing_weights_are_named():
    with pytest.raises(PlanError, match="max_num_seqs is 0"):
        Vllm(Weights("org/model"), max_num_seqs=0)
    with pytest.raises(PlanError, match="weights not found"):
        Vllm(Weights("/nowhere/vlm")).check()


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.models
def test_chunked_prefill_is_on_and_prefix_caching_unless_answers_must_repeat(deterministic):
    arguments = engine_arguments(dataclasses.replace(ENGINE, deterministic=deterministic))
    assert arguments.enable_chunked_prefill
    assert arguments.enable_prefix_caching == (not deterministic)


@pytest.mark.models
@pytest.mark.timeout(600)
class TestRunning:
    def test_an_equal_configuration_is_the_same_engine(self, engine):
        processes = set(multiprocessing.active_children())
        Vllm(**vars(ENGINE)).start()
        assert set(multiprocessing.active_children()) == processes

    def test_the_prompt_is_what_the_models_own_processor_makes(self, engine):
        from PIL import Image
        from transformers import AutoProcessor
        from vllm.renderers import renderer_from_config

        one = request(1, system="Be brief.")
        processor = AutoProcessor.from_pretrained(VLM)
        content = [{"type": "image"}, {"type": "text", "text": one.prompt}]
        chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
        text = processor.tokenizer.apply_chat_template(
            chat, chat_template=processor.chat_template, tokenize=False, add_generation_prompt=True
        )
        expected = processor(images=[Image.fromarray(one.image)], text=[text])["input_ids"][0]
        rendered = render(renderer_from_config(engine_arguments(engine).create_engine_config()), one, engine.facts)
        assert list(rendered["prompt_token_ids"]) == list(expected)
        (answer,) = generate(engine, [one])
        assert answer.prompt_tokens == len(expected)

    def test_threads_share_the_engine_and_get_their_own_answers_in_order(self, engine):
        alone = {n: generate(engine, [request(n, max_tokens=1)])[0].prompt_tokens for n in range(3)}
        with ThreadPoolExecutor(4) as threads:
            parts = list(threads.map(partial(generate, engine), [map(request, range(k, k + 9)) for k in range(4)]))
        for k, part in enumerate(parts):
            assert [answer.prompt_tokens for answer in part] == [alone[(k + i) % 3] for i in range(9)]
            assert all(answer.text and answer.completion_tokens == 12 for answer in part)
            assert all(answer.finish_reason == "length" and answer.latency_seconds > 0 for answer in part)

    def test_no_more_requests_are_in_flight_than_it_has_slots(self, engine):
        most, futures = 2 * ENGINE.max_num_seqs, []
        for n in range(3 * most):
            futures.append(engine.submit(request(n, max_tokens=2)))
            assert sum(not future.done() for future in futures) <= most
        assert all(future.result().text for future in futures)

    def test_greedy_and_seeded_answers_repeat(self, engine):
        for options in ({}, {"temperature": 1.0, "seed": 5}):
            (one,), (two,) = (generate(engine, [request(0, **options)]) for _ in range(2))
            assert one.text == two.text
        (other,) = generate(engine, [request(0, temperature=1.0, seed=6)])
        assert other.text != one.text

    def test_a_seeded_prompt_that_is_prefilled_in_parts_does_not_end_the_engine(self, engine):
        alone = [generate(engine, [request(n, temperature=0.8, seed=n)])[0] for n in range(3)]
        long = [Request(f"long-{n}", "word " * 300, max_tokens=2, temperature=0.8, seed=n) for n in range(8)]
        answers = generate(engine, [*long, *(request(n, temperature=0.8, seed=n) for n in range(3))])
        assert not any(answer.error for answer in answers)
        config = engine_arguments(engine).create_engine_config()
        steps = config.scheduler_config.max_num_batched_tokens
        assert sum(answer.prompt_tokens for answer in answers[:8]) > steps  # or none is prefilled in parts
        assert [answer.text for answer in answers[8:]] == [answer.text for answer in alone]

    @pytest.mark.parametrize(
        "bad",
        [
            Request("long", "word " * 3000),
            Request("thin", "Describe.", np.zeros((1, 900, 3), np.uint8)),
        ],
        ids=["too long", "too thin"],
    )
    def test_a_request_that_cannot_be_answered_spares_its_neighbours(self, engine, bad):
        before, refused, after = generate(engine, [request(0), bad, request(1)])
        assert (refused.text, refused.error.code) == ("", "engine_rejected")
        assert before.text
        assert after.text

    def test_a_source_that_breaks_leaves_no_slot_taken(self, engine):
        def requests():
            yield request(0, max_tokens=1)
            raise OSError("the disk is gone")

        for _ in range(2 * ENGINE.max_num_seqs):
            with pytest.raises(OSError, match="the disk is gone"):
                generate(engine, requests())
        (answer,) = generate(engine, [request(0)])
        assert answer.text

    def test_a_model_that_is_none_stops_the_run(self, tmp_path):
        (tmp_path / "config.json").write_text("{}")
        with pytest.raises(EngineError, match="vLLM cannot start"):
            Vllm(Weights(str(tmp_path)), kv_cache_gib=0.5).start()


@pytest.mark.slow
@pytest.mark.models
@pytest.mark.timeout(600)
def test_deterministic_answers_depend_on_neither_order_nor_neighbours():
    engine = dataclasses.replace(ENGINE, deterministic=True)
    options = [{"max_tokens": 24}, {"max_tokens": 24, "temperature": 0.8, "seed": 3}]
    requests = [request(n, **options[n % 2]) for n in range(16)]
    forwards = generate(engine, requests)
    turned = requests[::-1]
    backwards = [answer for at in range(0, 16, 3) for answer in generate(engine, turned[at : at + 3])]
    assert [answer.text for answer in forwards] == [answer.text for answer in backwards[::-1]]
    assert len({answer.text for answer in forwards}) > 1


def test_an_engine_knows_the_facts_of_its_model_and_its_own_limit_of_pixels():
    engine = Vllm(Weights(str(VLM)))
    assert engine.facts.family == "Qwen2.5-VL"
    assert engine.facts.images.max_pixels == 336**2
    assert dataclasses.replace(engine, max_pixels=1008**2).facts.images.max_pixels == 1008**2
    assert Vllm(Weights("google/gemma-3-4b-it"), max_pixels=100).facts.images.unit_px == 896
