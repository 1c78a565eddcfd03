import threading
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pytest

from curate.engines.asking import To, scorer
from curate.engines.engine import Completion, Request
from curate.engines.fake import FakeEngine
from curate.errors import ContractError, EngineError, SampleError
from curate.stages import Batch, Resources

ADDS = pa.schema([("text", pa.string()), ("length", pa.int32())])


@dataclass
class Echo:
    """An engine that answers from `reply` and lists the ids of its requests in the order of arrival."""

    reply: object = staticmethod(lambda request: f"re {request.prompt}")
    ids: list = field(default_factory=list)

    def submit(self, request):
        self.ids.append(request.id)
        return FakeEngine(self.reply).submit(request)


@dataclass(frozen=True)
class Bounded:
    """An engine with room for `room` requests, answered when `answer` is called, the oldest first."""

    room: threading.Semaphore
    waiting: list = field(default_factory=list)
    name: str = "bounded"
    resources: Resources = Resources()

    def submit(self, request):
        assert self.room.acquire(timeout=20)
        future = Future()
        self.waiting.append((request, future))
        return future

    def answer(self):
        request, future = self.waiting.pop(0)
        future.set_result(Completion(f"re {request.prompt}", "stop", 1, 1, 0.5))
        self.room.release()


def batch(*uids, images=()):
    return Batch(pa.table({"uid": pa.array(uids, pa.string())}), (), images)


def ask(name, count=1):
    return [Request(f"{name}-{i}", f"{name}{i}") for i in range(count)]


def test_the_values_of_a_row_are_made_of_its_own_answers_in_its_order():
    def converse(row, image):
        answers = yield ask(row["uid"], 2)
        return {"text": " ".join(answer.text for answer in answers), "length": len(answers)}

    engine = Echo()
    measured = scorer(ADDS, engine, converse)(batch("a", "b"))
    assert engine.ids == ["a-0", "a-1", "b-0", "b-1"]
    assert measured.columns == {"text": ["re a0 re a1", "re b0 re b1"], "length": [2, 2]}
    assert measured.errors == [None, None]
    assert all(seconds >= 0 for seconds in measured.seconds)


def test_a_second_round_is_asked_after_the_first_of_all_rows_by_those_that_want_one():
    def converse(row, image):
        (first,) = yield ask(row["uid"])
        if row["uid"] == "b":
            return {"text": first.text}
        (second,) = yield [Request(f"{row['uid']}-again", first.text)]
        (third,) = yield [Request(f"{row['uid']}-last", second.text)]
        return {"text": third.text}

    engine = Echo()
    measured = scorer(ADDS, engine, converse)(batch("a", "b", "c"))
    assert engine.ids == ["a-0", "b-0", "c-0", "a-again", "c-again", "a-last", "c-last"]
    assert measured.columns["text"] == ["re re re a0", "re b0", "re re re c0"]


def test_requests_are_taken_one_by_one_as_the_engine_has_room():
    engine, made = Bounded(threading.Semaphore(2)), []

    def converse(row, image):
        def requests():
            for request in ask(row["uid"], 3):
                made.append(request.id)
                yield request

        answers = yield requests()
        return {"length": len(answers)}

    results = []
    thread = threading.Thread(target=lambda: results.append(scorer(ADDS, engine, converse)(batch("a", "b"))))
    thread.start()
    for answered in range(6):
        while len(engine.waiting) < min(2, 6 - answered):
            thread.join(0.001)
        assert len(made) <= answered + 3  # two in work, and one that waits for room
        engine.answer()
    thread.join(20)
    assert results[0].columns["length"] == [3, 3]
    assert results[0].seconds == [1.5, 1.5]


def test_the_image_of_a_row_comes_with_it_and_is_null_without_pixels():
    def converse(row, image):
        return {"length": None if image is None else int(image[0, 0, 0])}
        yield

    images = [np.full((1, 1, 3), value, np.uint8) for value in (3, 4)]
    assert scorer(ADDS, None, converse)(batch("a", "b", images=images)).columns["length"] == [3, 4]
    assert scorer(ADDS, None, converse)(batch("a", "b")).columns["length"] == [None, None]


def refuse_second(request):
    if request.id.startswith("bad") and request.id != "bad-0":
        raise SampleError(f"code_{request.id[-1]}", "no")
    return "fine"


def test_the_first_error_among_the_answers_is_the_rows_and_it_asks_nothing_more():
    def converse(row, image):
        yield ask(row["uid"], 3)
        (last,) = yield ask(f"{row['uid']}-more")
        return {"text": last.text}

    engine = Echo(refuse_second)
    measured = scorer(ADDS, engine, converse)(batch("good", "bad"))
    assert [error and error.code for error in measured.errors] == [None, "code_1"]
    assert measured.columns["text"] == ["fine", None]
    assert engine.ids[-1] == "good-more-0"
    assert measured.seconds[1] > 0


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_sample_error_of_a_conversation_is_its_rows_alone(when):
    def requests(uid):
        yield from ask(uid)
        if (when, uid) == ("while", "bad"):
            raise SampleError("no_crop", "nothing is left of it")

    def converse(row, image):
        if (when, row["uid"]) == ("before", "bad"):
            raise SampleError("no_crop", "nothing is left of it")
        (answer,) = yield requests(row["uid"])
        if (when, row["uid"]) == ("after", "bad"):
            raise SampleError("no_crop", "nothing is left of it")
        return {"text": answer.text}

    measured = scorer(ADDS, Echo(), converse)(batch("a", "bad", "c"))
    assert measured.columns["text"] == ["re a0", None, "re c0"]
    assert [error and error.code for error in measured.errors] == [None, "no_crop", None]
    assert (measured.seconds[1] is None) == (when != "after")


def test_an_engine_that_dies_ends_the_batch_and_cancels_what_waits():
    engine = Bounded(threading.Semaphore(9))
    closed = []

    def converse(row, image):
        try:
            yield ask(row["uid"])
        finally:
            closed.append(row["uid"])

    def die():
        while len(engine.waiting) < 3:
            threading.Event().wait(0.001)
        engine.waiting[0][1].set_exception(EngineError("it died"))

    threading.Thread(target=die).start()
    with pytest.raises(EngineError, match="it died"):
        scorer(ADDS, engine, converse)(batch("a", "b", "c"))
    assert [future.cancelled() for _, future in engine.waiting] == [False, True, True]
    assert closed == ["a", "b", "c"]


def test_an_engine_that_takes_nothing_more_ends_the_batch():
    @dataclass
    class Full:
        first: Future = field(default_factory=Future)

        def submit(self, request):
            if request.id == "a-0":
                return self.first
            raise EngineError("no server answers")

    def converse(row, image):
        yield ask(row["uid"])

    engine = Full()
    with pytest.raises(EngineError, match="no server answers"):
        scorer(ADDS, engine, converse)(batch("a", "b"))
    assert engine.first.cancelled()


def test_a_row_that_asks_nothing_has_null_seconds_and_may_have_values():
    def converse(row, image):
        if row["uid"] == "none":
            return None
        answers = yield ()
        return {"length": len(answers)}

    measured = scorer(ADDS, Echo(), converse)(batch("none", "zero"))
    assert measured.columns == {"text": [None, None], "length": [None, 0]}
    assert measured.errors == measured.seconds == [None, None]


def test_a_request_may_go_to_another_engine():
    own, other = Echo(), Echo(lambda request: "other")

    def converse(row, image):
        mine, others = yield [Request("mine", "p"), To(other, Request("other", "p"))]
        return {"text": f"{mine.text}, {others.text}"}

    assert scorer(ADDS, own, converse)(batch("a")).columns["text"] == ["re p, other"]
    assert (own.ids, other.ids) == (["mine"], ["other"])
    with pytest.raises(ContractError, match="request mine has no engine"):
        scorer(ADDS, None, converse)(batch("a"))


def test_a_value_of_no_column_is_named():
    def converse(row, image):
        yield ask("a")
        return {"txt": "a"}

    with pytest.raises(ContractError, match="'txt'"):
        scorer(ADDS, Echo(), converse)(batch("a"))


def test_no_rows_give_no_values():
    measured = scorer(ADDS, None, lambda row, image: None)(batch())
    assert measured.columns == {"text": [], "length": []}
    assert measured.errors == measured.seconds == []
