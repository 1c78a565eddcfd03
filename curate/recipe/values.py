"""Read a value from text by its type hint, and write it as such a text."""

import dataclasses
import functools
import json
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["field_hints", "is_whole", "nested_kind", "parse_value", "type_name", "value_text"]

NONE: Final = ("none", "null")


def parse_value(data: Any, hint: Any, current: Any = None) -> Any:
    """Return a text, or what JSON made of it, as a value of the type `hint`.

    "none" and "null" are None where the type allows it; a tuple is JSON or a list with commas; a dataclass is a JSON
    object of some of its fields, the others stay as in `current`; weights, lexica, prompts and wordings are named by
    their file, or by the name of one that comes with Curate. What `value_text` writes for `current` is read as
    `current`. Raises ValueError with a clause that says what is wrong, PlanError if the value itself is refused.
    """
    if isinstance(data, str) and current is not None and data == value_text(current):
        return current  # also of an int in a float's place, whose `repr` is part of an identity
    if get_origin(hint) in (Union, types.UnionType):
        return _union(data, get_args(hint), current)
    if hint is type(None):
        return _none(data)
    if isinstance(data, str) and is_whole(hint):
        return _readers()[hint][0](data)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _nested(data, hint, current)
    if get_origin(hint) is tuple:
        return _tuple(data, get_args(hint))
    return _plain(data, hint)


def value_text(value: Any) -> str:
    """Return the text that `parse_value` reads as `value`.

    >>> [value_text(value) for value in (None, True, 0.5, "a", ("a", "b"), (), {"a": 1})]
    ['none', 'true', '0.5', 'a', 'a,b', '[]', '{"a": 1}']
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if is_whole(type(value)):
        return _readers()[type(value)][1](value)
    if isinstance(value, tuple) and value and all(_is_word(item) for item in value):
        return ",".join(value)
    return json.dumps(_data(value), default=repr)


def field_hints(kind: type) -> dict[str, Any]:
    """Return the types of the fields of a dataclass that can be set; not of class variables and computed fields."""
    hints = _hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind) if field.init}


def nested_kind(hint: Any) -> type | None:
    """Return the dataclass that a value of this type is, if its fields can be set one by one."""
    for kind in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,):
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and not is_whole(kind):
            return kind
    return None


def is_whole(kind: Any) -> bool:
    """Tell whether values of a class are read from a file or name and have no fields to set.

    The id of a prompt stands for its wording, so a wording is never changed in part.
    """
    return isinstance(kind, type) and kind in _readers()


def type_name(hint: Any) -> str:
    """Return a type as people write it.

    >>> type_name(tuple[str, ...]), type_name(Literal["jpeg", "png"] | None), type_name(float)
    ('tuple[str, ...]', 'jpeg | png | None', 'float')
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " | ".join(type_name(one) for one in inner)
    if origin is Literal:
        return " | ".join(map(str, inner))
    if hint is type(None) or hint is Ellipsis:
        return "None" if hint is not Ellipsis else "..."
    name = getattr(origin or hint, "__name__", str(hint))
    return f"{name}[{', '.join(map(type_name, inner))}]" if inner else str(name)


@functools.cache
def _readers() -> Mapping[type, tuple[Callable[[str], Any], Callable[[Any], str]]]:
    """Return, for each class that is read as a whole, how it is read from a text and which text stands for it."""
    from curate.captions.checking.lexicon import Lexicon, read_lexicon
    from curate.captions.prompting.prompts import BUNDLED, Prompt, read_prompt
    from curate.captions.questioning.phrases import Phrases, read_phrases
    from curate.models.weights import Weights

    return {
        Lexicon: (read_lexicon, lambda lexicon: str(lexicon.name)),
        Phrases: (read_phrases, lambda phrases: str(phrases.id)),
        Prompt: (lambda text: BUNDLED.get(text) or read_prompt(text), lambda prompt: str(prompt.id)),
        Weights: (Weights, lambda weights: str(weights.where)),
    }


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _union(data: Any, kinds: Sequence[Any], current: Any) -> Any:
    """Return the first reading that works: None before all, text after all."""
    wrong = None
    for kind in sorted(kinds, key=lambda kind: (kind is not type(None), kind is str)):
        try:
            return parse_value(data, kind, current)
        except ValueError as error:
            wrong = error
    expected = " | ".join(map(type_name, kinds))
    plain = all(nested_kind(kind) is None for kind in kinds)
    raise ValueError(f"{data!r} is no value of the type {expected}" if plain or wrong is None else str(wrong))


def _none(data: Any) -> None:
    if data is not None and not (isinstance(data, str) and data.casefold() in NONE):
        raise ValueError(f"{data!r} is not none")


def _nested(data: Any, kind: type, current: Any) -> Any:
    hints = field_hints(kind)
    if isinstance(data, str):
        data = _json(data, "{") if data.lstrip().startswith("{") else None
    if not isinstance(data, dict):
        raise ValueError(f"give a JSON object, or set one field of {kind.__name__}: {', '.join(hints)}")
    if unknown := sorted(set(data) - set(hints)):
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}; it has {', '.join(hints)}")
    start = current if isinstance(current, kind) else None
    given = {name: parse_value(value, hints[name], getattr(start, name, None)) for name, value in data.items()}
    new: Any = kind(**given) if start is None else dataclasses.replace(start, **given)  # type: ignore[type-var]
    return new


def _tuple(data: Any, inner: Sequence[Any]) -> tuple[Any, ...]:
    if isinstance(data, str) and data.lstrip().startswith(("[", "{")):
        data = _json(data, "[")
    elif isinstance(data, str) and type_name(inner[0]) == "Prompt":
        from curate.captions.prompting.prompts import read_prompts

        return read_prompts(data)
    elif isinstance(data, str):
        data = [part.strip() for part in data.split(",") if part.strip()]
    if isinstance(data, dict):
        data = list(data.items())
    if not isinstance(data, list | tuple):
        raise ValueError(f"{data!r} is not a list")
    if len(inner) == 2 and inner[1] is Ellipsis:
        return tuple(parse_value(item, inner[0]) for item in data)
    if len(data) != len(inner):
        raise ValueError(f"{data!r} has {len(data)} values, and {len(inner)} are expected")
    return tuple(parse_value(item, kind) for item, kind in zip(data, inner, strict=True))


def _plain(data: Any, hint: Any) -> Any:
    """Return a number, a text, a choice or a mapping, as pydantic reads it."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:
        raise ValueError(f"{type_name(hint)} is an object that only Python can make; set it in the recipe") from None
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error
    try:
        return adapter.validate_json(data if isinstance(data, str) else json.dumps(data))
    except ValidationError:
        what = first.errors()[0]["msg"]
        raise ValueError(f"{what[0].lower()}{what[1:]}; expected {type_name(hint)}") from None


def _json(text: str, kind: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not {'a JSON object' if kind == '{' else 'a JSON list'}: {error}") from None


def _is_word(item: Any) -> bool:
    return isinstance(item, str) and item == item.strip() != "" and "," not in item and item[0] not in "[{"


def _data(value: Any) -> Any:
    """Return a value as what JSON can write."""
    if is_whole(type(value)):
        return value_text(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _data(getattr(value, name)) for name in field_hints(type(value))}
    if isinstance(value, list | tuple):
        return [_data(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _data(item) for key, item in value.items()}
    return value
