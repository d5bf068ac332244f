"""`profileapp init`: writes a first configuration, or moves one to where Sage's app store accepts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from profileapp.commands.progress import make_progress
from profileapp.config.load import load
from profileapp.config.move import CannotMoveError, split_section
from profileapp.config.section import APP_FILES, PROFILING_FILE, TOP_LEVEL, AppFile, default_config, read_app_file
from profileapp.config.source import parse_document
from profileapp.errors import AgentError, ConfigError
from profileapp.plan.first_config import AppInput, ImageFacts, first_config, image_facts, inputs_of
from profileapp.record.files import create_new, remove_file, without_links_above, write_all, write_atomic

_EPILOG = """\b
Examples:
  profileapp init                                  # from ./sage.yaml and its inputs
  profileapp init --image waggle/object-counter:0.5.1
  profileapp init plugin/sage.yaml
"""


@click.command("init", epilog=_EPILOG)
@click.argument("config", envvar="PROFILEAPP_CONFIG", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--image", envvar="PROFILEAPP_IMAGE", help="An image to read the entrypoint and labels of.")
def command(config: Path | None, image: str | None) -> None:
    """Write a first configuration to profiling.yaml beside CONFIG (default: sage.yaml), and overwrite nothing.

    It comes from the sage.yaml's inputs and the image's entrypoint and labels. A profiling: section at the top of a
    sage.yaml with a source:, which Sage's app store would refuse, is moved to profiling.yaml.
    """
    path = config or default_config()
    if path.name == PROFILING_FILE:
        path = path.with_name(APP_FILES[0])
    beside = path.with_name(PROFILING_FILE)
    app = read_app_file(path) if path.exists() or path.is_symlink() or not image else None
    if app and app.sections:
        _move(app, beside)
        return
    if beside.exists() or beside.is_symlink():
        raise ConfigError(f"{beside}: is already there, and is not overwritten; edit it, or remove it first")
    inputs = _inputs(app) if app else ()
    facts = _image(image) if image else None
    _write_new(beside, first_config(inputs, facts, is_alone=app is None))
    run = path if app else beside
    named = f" --image {image}" if image and app else ""
    click.echo(f"wrote {beside}; next: profileapp run {run}{named}")


def _move(app: AppFile, beside: Path) -> None:
    """Moves the section out of the sage.yaml. On an error, both files are unchanged."""
    section = app.section
    if section.at != TOP_LEVEL or section.path != app.path or not app.is_for_app_store:
        raise ConfigError(f"{section.place}: the app is configured already; edit this, or remove it first")
    if app.path.name not in APP_FILES:
        raise ConfigError(
            f"{section.place}: only a {APP_FILES[0]} has a {PROFILING_FILE} beside it; put the section under metadata:"
        )
    try:
        split = split_section(app.content.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{app.path}: not valid UTF-8, so nothing is moved from it") from error
    except CannotMoveError as error:
        raise ConfigError(
            f"{section.place}: {error}, so it is not moved; put it under `metadata:`, or in {PROFILING_FILE}, by hand"
        ) from error
    load(app.path)
    _write_new(beside, split.section)
    target = without_links_above(app.path)
    try:
        mode = target.stat().st_mode & 0o7777
        write_atomic(target, split.rest.encode())
        target.chmod(mode)
    except OSError as error:
        remove_file(without_links_above(beside))
        raise AgentError(f"{app.path}: cannot be written ({error.strerror})") from error
    click.echo(f"moved the profiling: section of {app.path} to {beside}")


def _inputs(app: AppFile) -> tuple[AppInput, ...]:
    document = parse_document(app.path, app.content, frozenset({"inputs"}))
    return inputs_of(document.data.get("inputs"))


def _image(name: str) -> ImageFacts:
    """Facts of an image, which is pulled if it is not local. Raises ImageError, AgentError, ConfigError."""
    # Importing docker is slow.
    from profileapp.run.docker.image import get_image, show_image  # noqa: PLC0415
    from profileapp.run.docker.registry_login import take_login  # noqa: PLC0415
    from profileapp.run.docker.runtime import connect  # noqa: PLC0415

    api, info = connect()
    try:
        with make_progress(sys.stderr) as progress:
            found = get_image(api, name, str(info.get("Architecture", "")), progress, take_login(os.environ))
    finally:
        api.close()
    facts = image_facts(name, found)
    if not (facts.entrypoint or facts.command):
        raise ConfigError(
            f"image {show_image(name)} has no entrypoint and no command, so there is nothing to run; "
            "give it an ENTRYPOINT in its Dockerfile"
        )
    return facts


def _write_new(path: Path, text: str) -> None:
    """Creates a file; never replaces one."""
    try:
        with create_new(without_links_above(path)) as stream:
            write_all(stream, text.encode())
    except FileExistsError:
        raise ConfigError(f"{path}: is already there, and is not overwritten") from None
    except OSError as error:
        raise AgentError(f"{path}: cannot be written ({error.strerror})") from error
