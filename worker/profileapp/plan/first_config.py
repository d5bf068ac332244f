"""Writes a first `profiling:` section from what is known about an app: its sage.yaml's inputs, its image. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from profileapp.model.text import printable

FIRST_TIMEOUT_S = 60
_INPUT_LIMIT = 40
_TEXT_LIMIT = 100
_TITLE_LABEL = "org.opencontainers.image.title"
_VERSION_LABEL = "org.opencontainers.image.version"
_DESCRIPTION_LABEL = "org.opencontainers.image.description"
_VALUE_WORDS = {"int": "N", "long": "N", "float": "X", "double": "X", "string": "TEXT", "File": "FILE", "boolean": ""}
_INTERPRETERS = ("python", "python3", "pypy3")


class AppInput(msgspec.Struct, frozen=True):
    """One of a sage.yaml's `inputs`: an argument of the app; `default` is None where the file has none."""

    id: str
    type: str = ""
    description: str = ""
    default: str | None = None

    @property
    def option(self) -> str:
        """The argument as most apps spell it: `-i`, `--rate`."""
        name = self.id.strip()
        return name if name.startswith("-") else f"-{name}" if len(name) == 1 else f"--{name}"


class ImageFacts(msgspec.Struct, frozen=True):
    """Facts of an image: `entrypoint` and `command` are argv."""

    name: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    labels: Mapping[str, str] = {}


def inputs_of(given: Any) -> tuple[AppInput, ...]:
    """The inputs of a sage.yaml, from plain data of any shape; invalid inputs are omitted."""
    if not isinstance(given, list):
        return ()
    return tuple(
        AppInput(
            str(each["id"]),
            str(each.get("type") or ""),
            str(each.get("description") or ""),
            None if each.get("default") in (None, "") else str(each["default"]),
        )
        for each in given[:_INPUT_LIMIT]
        if isinstance(each, dict) and str(each.get("id") or "").strip()
    )


def image_facts(name: str, inspected: Mapping[str, Any]) -> ImageFacts:
    """The facts of an image that Docker has inspected."""
    config = inspected.get("Config") or {}
    labels = config.get("Labels") or {}
    return ImageFacts(
        name,
        tuple(map(str, config.get("Entrypoint") or ())),
        tuple(map(str, config.get("Cmd") or ())),
        {str(key): str(value) for key, value in labels.items()},
    )


def first_config(inputs: Sequence[AppInput], image: ImageFacts | None, *, is_alone: bool) -> str:
    """YAML text with comments. `is_alone`: no sage.yaml names the app, so the text does."""
    lines = [
        "# What profileapp runs and measures: a draft by `profileapp init`. Edit it; `profileapp plan` checks it.",
        "# All keys: `profileapp schema`, or docs/reference/configuration.md.",
    ]
    if image:
        lines += _about_image(image, is_alone=is_alone)
    lines += [
        "profiling:",
        "  targets:",
        "    # A target is one way to run the app; add one for each that you want to compare.",
    ]
    lines += ["    - name: default", *_args(inputs, image)]
    lines += [
        f"      timeout: {FIRST_TIMEOUT_S}              # seconds: when an app that runs forever is ended. 0: never",
        "      # repeat: 3              # more repeats show how much the numbers vary",
        "      # budgets:               # a violated budget makes a build yellow",
        '      #   fps.mean: ">= 10"    # `profileapp run` lists the statistics that exist',
    ]
    for each in inputs:
        if each.type == "boolean":
            lines.append(
                f"    # - {{name: {_slug(each.id)}, args: [{_quoted(each.option)}], timeout: {FIRST_TIMEOUT_S}}}"
            )
    metrics = ["system", "container"] + (["functions"] if _is_python(image) else [])
    lines += [
        "  # What to measure. Also: gpu-summary, gpu-memory, energy, functions; `profileapp doctor` reports which",
        "  # of them this machine can give. Numbers that the app itself reports are always there.",
        f"  metrics: [{', '.join(metrics)}]",
    ]
    return "\n".join(lines) + "\n"


def _about_image(image: ImageFacts, *, is_alone: bool) -> list[str]:
    lines = [f"# Image: {printable(image.name, 200)}"]
    description = image.labels.get(_DESCRIPTION_LABEL, "")
    if description:
        lines.append(f"# {printable(description, _TEXT_LIMIT)}")
    if is_alone:
        namespace, name, version = _name_parts(image)
        lines.append(f"name: {_quoted(name)}")
        lines += [f"namespace: {_quoted(namespace)}"] if namespace else []
        lines += [f"version: {_quoted(version)}"] if version else []
    return lines


def _name_parts(image: ImageFacts) -> tuple[str, str, str]:
    """Namespace, name and version: of the image's name, which is the default image then; a label's if it has none."""
    path, _, _ = image.name.partition("@")
    head, _, last = path.rpartition("/")
    name, _, tag = last.partition(":")
    return head, name or image.labels.get(_TITLE_LABEL, "app"), tag or image.labels.get(_VERSION_LABEL, "latest")


def _args(inputs: Sequence[AppInput], image: ImageFacts | None) -> list[str]:
    lines = []
    if image and image.entrypoint:
        lines.append(f"      # The arguments follow the image's entrypoint: {_argv(image.entrypoint)}")
    if image and image.command:
        lines.append(f"      # Without arguments the image's own are used: {_argv(image.command)}")
    if inputs:
        lines.append("      # The app's inputs, from the sage.yaml; check their spelling with the app's --help:")
    for each in inputs:
        form = f"{each.option} {_VALUE_WORDS.get(each.type, 'TEXT')}".strip()
        lines.append(f"      #   {printable(form, 40):<26} {printable(each.description, _TEXT_LIMIT)}".rstrip())
    known = [part for each in inputs if each.default is not None for part in (each.option, each.default)]
    return [*lines, f"      args: [{', '.join(map(_quoted, known))}]"]


def _argv(argv: Sequence[str]) -> str:
    return printable(" ".join(json.dumps(each) if " " in each or not each else each for each in argv), _TEXT_LIMIT)


def _is_python(image: ImageFacts | None) -> bool:
    argv = (*image.entrypoint, *image.command) if image else ()
    return bool(argv) and argv[0].rpartition("/")[2].rstrip("0123456789.") in _INTERPRETERS


def _slug(text: str) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in text.lower())
    return plain.strip("-")[:40] or "other"


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes; JSON's escapes are YAML's."""
    return json.dumps(printable(text, 200))
