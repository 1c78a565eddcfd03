import pickle

from curate.engines.engine import Engine, Request, generate
from curate.engines.fake import FakeEngine
from curate.errors import SampleError


def reply(request):
    if request.prompt == "bad":
        raise SampleError("engine_rejected", "no")
    return f"answer to {request.prompt}"


def test_it_is_an_engine_that_can_be_sent_and_whose_identity_is_its_name():
    engine = FakeEngine(reply, "echo")
    assert isinstance(engine, Engine)
    assert pickle.loads(pickle.dumps(engine)) == engine
    assert repr(engine) == "FakeEngine(name='echo')"


def test_answers_come_in_order_and_one_refusal_spares_its_neighbours():
    answers = generate(FakeEngine(reply), (Request(str(i), prompt) for i, prompt in enumerate(("a", "bad", "c"))))
    assert [answer.text for answer in answers] == ["answer to a", "", "answer to c"]
    assert [answer.error and answer.error.code for answer in answers] == [None, "engine_rejected", None]


def test_a_long_answer_is_cut_and_says_so():
    (answer,) = generate(FakeEngine(reply), [Request("0", "a", max_tokens=2)])
    assert (answer.text, answer.finish_reason, answer.completion_tokens) == ("answer to", "length", 2)
