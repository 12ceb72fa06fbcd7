"""Facts to JSON and back, and their JSON Schema: all three derived from the one dataclass.

Kept apart from pydantic on purpose: the daemon's answers need no
validation, and a request body is two strings.
"""

from __future__ import annotations

import dataclasses
import types
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

Json = Any  # what json.loads returns


def encode(value: object) -> Json:
    """Return `value` as what json.dumps takes: dataclasses become objects, tuples become arrays."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def decode(kind: type[T], data: Json, *, strict: bool = False) -> T:
    """Return the `kind` that `data` describes; raise ValueError, naming the key, when it does not.

    Lenient by default, so that an older client understands a newer daemon: unknown keys and unknown values of
    an enumeration pass. `strict` refuses both; the daemon uses it for what it is sent.
    """
    result: T = _decode(kind, data, "", strict)
    return result


def schema(kind: type[Any], components: dict[str, Json]) -> Json:
    """Return a reference to the JSON Schema of the dataclass `kind`, adding it to `components`."""
    name = kind.__name__
    if name not in components:
        components[name] = {}  # entered first: a type may contain itself
        properties = {key: _schema(hint, components) for key, hint in _hints(kind).items()}
        components[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").strip(),
            "properties": properties,
            "required": [f.name for f in dataclasses.fields(kind) if _is_required(f)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/components/schemas/{name}"}


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


_HINTS: dict[type[Any], dict[str, Any]] = {}  # resolving annotations is slow, and the facts are few


def _hints(kind: type[Any]) -> dict[str, Any]:
    if kind not in _HINTS:
        hints = get_type_hints(kind, include_extras=True)
        _HINTS[kind] = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return _HINTS[kind]


def _decode(hint: Any, data: Json, where: str, strict: bool) -> Any:
    origin = get_origin(hint)
    if origin is Annotated:
        return _decode(get_args(hint)[0], data, where, strict)
    if origin in (types.UnionType, Union):
        if data is None:
            return None
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return _decode(inner, data, where, strict)
    if origin is Literal:
        if not isinstance(data, str) or (strict and data not in get_args(hint)):
            raise ValueError(f"{where}: one of {', '.join(get_args(hint))} is expected")
        return data
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{where}: a list is expected")
        item = get_args(hint)[0]
        return tuple(_decode(item, value, f"{where}[{index}]", strict) for index, value in enumerate(data))
    if dataclasses.is_dataclass(hint):
        return _decode_object(hint, data, where, strict)
    return _decode_scalar(hint, data, where)


def _decode_object(kind: Any, data: Json, where: str, strict: bool) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{where or 'the body'}: an object is expected")  # noqa: TRY004 - the value is wrong
    hints = _hints(kind)
    if strict and (unknown := sorted(set(data) - set(hints))):
        raise ValueError(f"unknown key {unknown[0][:40]!r}; known keys: {', '.join(hints)}")
    prefix = f"{where}." if where else ""
    values = {key: _decode(hints[key], data[key], prefix + key, strict) for key in hints if key in data}
    missing = [f.name for f in dataclasses.fields(kind) if _is_required(f) and f.name not in values]
    if missing:
        raise ValueError(f"{prefix}{missing[0]}: is missing")
    return kind(**values)


def _decode_scalar(kind: Any, data: Json, where: str) -> Any:
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    # bool is a subclass of int; `true` is not a number here.
    if not isinstance(data, kind) or (kind is not bool and isinstance(data, bool)):
        names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(f"{where}: {names[kind]} is expected")
    return data


_SCALARS: dict[Any, Json] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


def _schema(hint: Any, components: dict[str, Json]) -> Json:
    origin = get_origin(hint)
    if origin is Annotated:
        inner, words = get_args(hint)
        described: Json = {**_schema(inner, components), "description": words}
        return described
    if origin in (types.UnionType, Union):
        (inner,) = (arg for arg in get_args(hint) if arg is not type(None))
        return {"anyOf": [_schema(inner, components), {"type": "null"}]}
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if origin is tuple:
        return {"type": "array", "items": _schema(get_args(hint)[0], components)}
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return schema(hint, components)
    return _SCALARS[hint]
