"""Validates plain data against a JSON Schema and finds every issue at once, with readable messages.

Supports only the keywords that `profileapp.config.schema` uses: an unknown one is a bug of profileapp, not of the data
(tests compare it with the `jsonschema` package).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from profileapp.config.document import DataPath
from profileapp.config.issue import ConfigIssue
from profileapp.model.text import printable

Schema = Mapping[str, Any]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_TYPE_NAMES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_ANNOTATIONS = frozenset({"title", "description", "examples", "default", "x-allowed", "$defs"})
_KEYWORDS = frozenset(
    {"$ref", "type", "enum", "anyOf", "pattern", "minimum", "maximum", "minLength", "maxLength", "items", "minItems"}
    | {"maxItems", "properties", "required", "additionalProperties", "propertyNames", "maxProperties"}
)


def validate(data: Any, schema: Schema, path: DataPath = ()) -> list[ConfigIssue]:
    """Every issue of `data`, which is at `path`. `schema` contains its own `$defs`."""
    return list(_Validator(schema.get("$defs", {})).check(data, schema, path))


def describe_allowed(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Describes what a schema allows, for messages and for the docs."""
    return _Validator(definitions).allowed(schema)


class _Validator:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def check(self, data: Any, schema: Schema, path: DataPath) -> Iterator[ConfigIssue]:
        unknown = schema.keys() - _KEYWORDS - _ANNOTATIONS
        if unknown:
            raise NotImplementedError(f"JSON Schema keywords {sorted(unknown)}")
        schema = self._resolve(schema)
        if "anyOf" in schema:
            yield from self._check_any(data, schema, path)
        elif "enum" in schema and isinstance(data, dict | list):
            yield ConfigIssue(path, f"is {show(data)}, but must be {self.allowed(schema)}")
        elif not _fits_type(data, schema):
            yield ConfigIssue(path, f"is {show(data)}, but must be {self.allowed(schema)}{_quote_hint(data, [schema])}")
        elif isinstance(data, dict):
            yield from self._check_object(data, schema, path)
        elif isinstance(data, list):
            yield from self._check_array(data, schema, path)
        else:
            yield from self._check_scalar(data, schema, path)

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
        return schema

    def _check_any(self, data: Any, schema: Schema, path: DataPath) -> Iterator[ConfigIssue]:
        """The issues of the alternative whose type matches; if none does, one issue that lists all alternatives."""
        fitting = [form for form in map(self._resolve, schema["anyOf"]) if _fits_type(data, form)]
        attempts = [list(self.check(data, form, path)) for form in fitting]
        if [] in attempts:
            return
        inner = next((attempt for attempt in attempts if any(issue.path != path for issue in attempt)), None)
        if inner is not None:
            yield from inner
        else:
            hint = _quote_hint(data, [self._resolve(form) for form in schema["anyOf"]])
            yield ConfigIssue(path, f"is {show(data)}, but must be {self.allowed(schema)}{hint}")

    def _check_object(self, data: dict[str, Any], schema: Schema, path: DataPath) -> Iterator[ConfigIssue]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        for name in schema.get("required", ()):
            if name not in data:
                yield ConfigIssue(path, f"has no key {name!r}")
        if len(data) > schema.get("maxProperties", len(data)):
            yield ConfigIssue(path, f"has {len(data)} keys, but may have at most {schema['maxProperties']}")
        for key, value in data.items():
            here = (*path, key)
            if key in properties:
                yield from self.check(value, properties[key], here)
            elif others is False:
                yield ConfigIssue(here, f"is not a known key{did_you_mean(key, list(properties))}", of_key=True)
            else:
                yield from self._check_key(key, schema, here)
                if isinstance(others, Mapping):
                    yield from self.check(value, others, here)

    def _check_key(self, key: str, schema: Schema, here: DataPath) -> Iterator[ConfigIssue]:
        rule = schema.get("propertyNames", {})
        if any(self.check(key, rule, here)):
            allowed = self.allowed({"type": "string", **rule})
            yield ConfigIssue(here, f"is not a valid name: must be {allowed}", of_key=True)

    def _check_array(self, data: list[Any], schema: Schema, path: DataPath) -> Iterator[ConfigIssue]:
        if len(data) < schema.get("minItems", 0):
            yield ConfigIssue(path, f"is empty, but must contain at least {schema['minItems']}")
        if len(data) > schema.get("maxItems", len(data)):
            yield ConfigIssue(path, f"has {len(data)} items, but may have at most {schema['maxItems']}")
        for index, item in enumerate(data):
            yield from self.check(item, schema.get("items", {}), (*path, index))

    def _check_scalar(self, data: Any, schema: Schema, path: DataPath) -> Iterator[ConfigIssue]:
        choices = schema.get("enum")
        if choices is not None:
            if data not in choices:
                yield ConfigIssue(path, f"is {show(data)}{did_you_mean(str(data)[:60], choices)}")
            return
        fits = True
        if isinstance(data, str):
            size = len(data)
            fits = schema.get("minLength", 0) <= size <= schema.get("maxLength", size)
            fits = fits and ("pattern" not in schema or re.fullmatch(schema["pattern"], data) is not None)
        elif isinstance(data, int | float) and not isinstance(data, bool):
            # Written so that NaN, for which every comparison is False, is rejected.
            fits = all(data >= schema[word] for word in ("minimum",) if word in schema) and all(
                data <= schema[word] for word in ("maximum",) if word in schema
            )
        if not fits:
            yield ConfigIssue(path, f"is {show(data)}, but must be {self.allowed(schema)}")

    def allowed(self, schema: Schema) -> str:
        """Describes what a schema allows."""
        schema = self._resolve(schema)
        if "x-allowed" in schema:
            return str(schema["x-allowed"])
        if "anyOf" in schema:
            forms = [self.allowed(form) for form in schema["anyOf"]]
            # An integer is a number: listing both would be redundant.
            forms = [
                form for form in forms if form.replace("whole ", "") == form or form.replace("whole ", "") not in forms
            ]
            return " or ".join(dict.fromkeys(forms))
        if "enum" in schema:
            return "one of " + ", ".join(map(str, schema["enum"]))
        if schema.get("type") == "array" and "enum" in schema.get("items", {}):
            return "a list of " + ", ".join(map(str, schema["items"]["enum"]))
        text = _TYPE_NAMES.get(schema.get("type", ""), "a value")
        if "minimum" in schema and "maximum" in schema:
            text += f" from {schema['minimum']} to {schema['maximum']}"
        if "maxLength" in schema:
            text += f" of at most {schema['maxLength']} characters"
        return text


def did_you_mean(word: str, choices: Sequence[str]) -> str:
    """`; did you mean 'timeout'? allowed: agent, args, …`."""
    near = get_close_matches(word[:200].lower().replace("_", "-"), choices, n=1, cutoff=0.6)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" allowed: {', '.join(choices)}"


def show(data: Any) -> str:
    """A value as in YAML, short enough for one line."""
    if data is None:
        return "empty"
    if isinstance(data, dict | list):
        return "a mapping" if isinstance(data, dict) else "a list"
    if isinstance(data, bool):
        return "true" if data else "false"
    return f"'{printable(data, 60)}'" if isinstance(data, str) else printable(str(data), 60)


def _fits_type(data: Any, schema: Schema) -> bool:
    kind = schema.get("type")
    if kind is None:
        return True
    if isinstance(data, bool):
        return bool(kind == "boolean")
    return isinstance(data, _TYPES[kind])


def _quote_hint(data: Any, forms: Sequence[Schema]) -> str:
    """Suggests adding or removing quotes: YAML reads `on` as true and `1.10` as 1.1 unless they are quoted.

    `source` leaves a number that YAML 1.1 reads as another one (`0120` as 80, `1:30` as 90) as text.
    """
    kinds = {form.get("type") for form in forms}
    if isinstance(data, bool | int | float):
        return "; write it in quotes" if kinds == {"string"} else ""
    if not isinstance(data, str):
        return ""
    if kinds & {"integer", "number"}:
        if re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]+)?", data) and not re.match(r"[-+]?0[0-9]", data):
            return "; write it without quotes"
        if re.fullmatch(r"[-+]?[0-9][0-9a-zA-Z_:.+-]*", data):
            return "; write numbers in plain decimal digits, without leading zeros"
    if "boolean" in kinds and data.lower() in ("true", "false", "yes", "no", "on", "off"):
        return "; write it without quotes"
    return ""
