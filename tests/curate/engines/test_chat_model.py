"""One value describes a model in this process or behind servers, cached or not."""

import dataclasses

import pytest

from curate.engines.cached import Cached
from curate.engines.chat_model import LOCAL_ONLY, SERVER_ONLY, ChatModel
from curate.engines.openai_server import OpenAIServer
from curate.engines.vllm_engine import Vllm
from curate.errors import PlanError
from curate.models.weights import Weights


def test_without_servers_it_is_vllm_in_this_process():
    engine = ChatModel("org/m", deterministic=True, tensor_parallel_size=2, dtype="bfloat16", workers=3).build()
    assert engine == Vllm(Weights("org/m"), "bfloat16", deterministic=True, tensor_parallel_size=2, workers=3)
    assert engine.resources.gpus == 2


def test_with_servers_it_is_a_client_of_them():
    engine = ChatModel("m", ("http://a/v1", "http://b/v1"), requests=9, api_key_env="KEY", resend=True).build()
    assert engine == OpenAIServer(("http://a/v1", "http://b/v1"), "m", "KEY", requests=9, resend=True)


@pytest.mark.parametrize("servers", [(), ("http://a/v1",)])
def test_a_cache_is_placement_and_no_identity(servers, tmp_path):
    plain, cached = ChatModel("m", servers), ChatModel("m", servers, str(tmp_path / "answers"))
    assert isinstance(cached.build(), Cached)
    assert repr(cached.build()) == repr(plain.build())


def test_equal_models_give_equal_engines():
    assert ChatModel("m").build() == ChatModel("m").build()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"model": ""}, "model is empty"),
        ({"servers": ("http://a/v1",), "dtype": "float16"}, "dtype is 'float16', but servers are given"),
        ({"servers": ("http://a/v1",), "deterministic": True}, "deterministic is True, but servers are given"),
        ({"retries": 9}, "retries is 9, but no servers are given"),
    ],
)
def test_a_field_without_a_meaning_is_refused_rather_than_ignored(model, message):
    with pytest.raises(PlanError, match=message):
        ChatModel(**model)


def test_its_fields_have_the_names_and_defaults_of_the_engines():
    own = {field.name: field.default for field in dataclasses.fields(ChatModel)}
    for engine, names in ((Vllm, {*LOCAL_ONLY, "gpus", "cpus", "workers"}), (OpenAIServer, {*SERVER_ONLY, "cpus"})):
        theirs = {field.name: field.default for field in dataclasses.fields(engine)}
        assert {name: own[name] for name in names - {"enforce_eager"}} == {
            name: theirs[name] for name in names - {"enforce_eager"}
        }
