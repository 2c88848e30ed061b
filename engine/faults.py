"""Collects what is wrong with a composed configuration, and puts pydantic's findings into words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from engine.compose import Composed
from engine.errors import did_you_mean
from engine.origins import Place
from engine.secret import Secret

_MAPS = ("dict_type", "model_type", "model_attributes_type")  # errors where no map was
SHOWN_MAX = 60  # characters of a wrong value


class Faults:
    """The sentences about one configuration so far, each with its place."""

    def __init__(self, composed: Composed) -> None:
        self.composed = composed
        self.problems = list(composed.problems)
        self.told = set(composed.unresolved)  # places of which no more is said

    def add(self, place: Place, sentence: str, masked: bool = False) -> None:
        """Note what is wrong at a place, unless enough is said of it.

        `masked` keeps an override that holds a secret out of the sentence.
        """
        where = self.composed.where(place)
        if masked:
            where = re.sub("=.*", "=***", where, flags=re.DOTALL)
        if self.told.isdisjoint(place[:n] for n in range(1, len(place) + 1)):
            self.problems.append(f"{where}: {sentence}")

    def check(self, declared: Any, value: Any, place: Place) -> Any:
        """Return the value as the declared type, or None after noting where it does not fit."""
        try:
            return TypeAdapter(declared).validate_python(value)
        except ValidationError as wrong:
            for error in wrong.errors(include_url=False):
                inner = _keys(error["loc"], value)
                if error["type"] == "union_tag_invalid":
                    inner = (*inner, error["ctx"]["discriminator"].strip("'"))
                is_map = error["type"] in _MAPS
                known = keys_of(declared, inner if is_map else inner[:-1], value)
                hidden = error["type"] == "is_instance_of"
                form = _form(declared, inner, error["input"]) if is_map else ""
                for line in sentence(error, known, form).split("\n"):
                    self.add((*place, *inner), line, hidden)
            return None


def keys_of(declared: Any, place: Place, value: Any) -> list[str]:
    """Return the keys that a type knows at a place within it, for a value of that type."""
    if isinstance(declared, type) and issubclass(declared, BaseModel):
        fields = {field.alias or name: field for name, field in declared.model_fields.items()}
        if not place:
            return list(fields)
        inner = fields.get(str(place[0]))
        return keys_of(inner.annotation, place[1:], value[place[0]]) if inner else []
    if get_origin(declared) in (tuple, list) and place:
        return keys_of(get_args(declared)[0], place[1:], value[place[0]])
    if get_origin(declared) is dict and place:
        return keys_of(get_args(declared)[1], place[1:], value[place[0]])
    members = get_args(declared)
    if isinstance(value, dict):
        members = tuple(inner for inner in members if _is_meant(inner, value))
    return [key for inner in members for key in keys_of(inner, place, value)]


def _is_meant(member: Any, value: Mapping[Any, Any]) -> bool:
    """Tell whether a member of a union has the tag, such as `kind: fixed`, that the value has."""
    if not isinstance(member, type) or not issubclass(member, BaseModel):
        return True
    tags = {
        n: f.annotation
        for n, f in member.model_fields.items()
        if get_origin(f.annotation) is Literal and f.is_required()
    }
    return all(value.get(name) in get_args(tag) for name, tag in tags.items())


def _form(declared: Any, place: Place, text: Any) -> str:
    """Return the map that a text stands for, `{kind: risk, …}`, where it is the tag of one."""
    if not isinstance(declared, type) or not issubclass(declared, BaseModel):
        inner = (_form(member, place, text) for member in get_args(declared))
        return next((form for form in inner if form), "")
    if place:
        fields = {field.alias or name: field for name, field in declared.model_fields.items()}
        within = fields.get(str(place[0]))
        return _form(within.annotation, place[1:], text) if within else ""
    needed = {name: f.annotation for name, f in declared.model_fields.items() if f.is_required()}
    tags = [n for n, tag in needed.items() if get_origin(tag) is Literal and text in get_args(tag)]
    if not tags:
        return ""
    pairs = (f"{name}: {text if name in tags else 'value'}" for name in needed)
    return f"{{{', '.join(pairs)}}}"


def _keys(location: Sequence[str | int], value: Any) -> Place:
    """Return pydantic's location without the names of union members that it has in between."""
    place: list[str | int] = []
    for depth, key in enumerate(location):
        inside = key in value if isinstance(value, dict) else isinstance(key, int)
        is_last = depth == len(location) - 1
        if inside or (is_last and isinstance(value, dict)):
            place.append(key)
        if inside and isinstance(value, dict | list | tuple):
            value = value[key]  # type: ignore[index]
    return tuple(place)


def sentence(error: ErrorDetails, known: Iterable[str], form: str = "") -> str:
    """Return what was expected, what it was, and what to do.

    `known` are the keys beside it, `form` is the map that was meant where it can be told.
    """
    was, limits = f"was {spelled(error['input'])}", error.get("ctx", {})
    if isinstance(error["input"], Secret):
        return "must be written out, was a secret. Only a parameter annotated Secret takes one."
    match error["type"]:
        case "missing":
            return "must be set, was not. Add the key."
        case "extra_forbidden":
            return unknown(str(error["loc"][-1]), known)
        case "greater_than":
            return f"must be more than {limits['gt']:.15g}, {was}. Choose a higher value."
        case "greater_than_equal":
            return f"must be at least {limits['ge']:.15g}, {was}. Choose a higher value."
        case "less_than":
            return f"must be less than {limits['lt']:.15g}, {was}. Choose a lower value."
        case "less_than_equal":
            return f"must be at most {limits['le']:.15g}, {was}. Choose a lower value."
        case "finite_number":
            return f"must be a finite number, {was}. Write a number."
        case "int_type" | "int_from_float" | "int_parsing":
            return f"must be a whole number, {was}. Write it without quotes, such as 12."
        case "float_type" | "float_parsing":
            if percent := re.fullmatch(r"\s*(-?\d+\.?\d*)\s*%\s*", str(error["input"])):
                return f"must be a number, {was}. Write the fraction, {float(percent[1]) / 100:g}."
            return f"must be a number, {was}. Write it without quotes, such as 0.5."
        case "bool_type" | "bool_parsing":
            return f"must be true or false, {was}. Write one of the two."
        case "string_type":
            return f"must be a text, {was}. Put it in quotes."
        case "tuple_type" | "list_type":
            return f"must be a list, {was}. Put it in brackets, such as [a, b]."
        case "dict_type" | "model_type" | "model_attributes_type":
            key, value = next(iter(known), "key"), error["input"]
            is_meant = isinstance(value, int | float) and key not in ("key", "kind")
            example = form or f"{{{key}: {value if is_meant else 'value'}}}"
            return f"must be a map of keys and values, {was}. Write {example}."
        case "literal_error":
            return f"must be {limits['expected']}, {was}. Write one of them."
        case "union_tag_invalid":
            return f"must be one of {limits['expected_tags']}, was {limits['tag']}. Write one."
        case "union_tag_not_found":
            return f"must have the key {limits['discriminator']}, {was}. Add it."
        case "is_instance_of" if limits["class"] == Secret.__name__:
            return (
                "must be a secret, was written out. Write ${secret:NAME}, and the text to a file."
            )
        case "value_error":
            return "\n".join(map(_with_remedy, str(limits["error"]).split("\n")))
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, {was}. Correct it."


def _with_remedy(text: str) -> str:
    return f"{text.rstrip('.')}." if ". " in text else f"{text.rstrip('.')}. Correct it."


def unknown(key: str, known: Iterable[str]) -> str:
    """Return the sentence about a key that nothing reads."""
    return f"no such key{did_you_mean(key, known) or '.'} There are: {', '.join(known)}."


def spelled(value: Any) -> str:
    """Return a value as it would be typed in YAML, cut where it is long."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
