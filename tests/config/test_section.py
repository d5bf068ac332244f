"""The three places of the `profiling:` section: one of them, with the right positions, or an error that names both."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from profileapp.config.load import Overlay, load, merged_text
from profileapp.config.move import CannotMoveError, split_section
from profileapp.config.section import read_app_file
from profileapp.errors import ConfigError
from profileapp.plan.expand import make_plan

APP = 'name: app\nnamespace: team\nversion: "1.10"\nsource: {url: "https://example.org/app.git"}\n'
SECTION = "profiling:\n  targets:\n    - {name: one, args: [1.10, on], timeout: 5}\n"
INDENTED = "metadata:\n  ontology: x\n" + "".join(f"  {line}\n" for line in SECTION.splitlines())


def write(folder: Path, app: str, beside: str = "") -> Path:
    (folder / "sage.yaml").write_text(app)
    if beside:
        (folder / "profiling.yaml").write_text(beside)
    return folder / "sage.yaml"


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as error:
        make_plan(load(path), None)
    return str(error.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(
    ("app", "beside", "files"),
    [
        (APP + SECTION, "", ("sage.yaml",)),
        (APP + INDENTED, "", ("sage.yaml",)),
        (APP, SECTION, ("sage.yaml", "profiling.yaml")),
        (APP, "# a comment\nname: other\n" + SECTION, ("sage.yaml", "profiling.yaml")),
        ("metadata: {<<: &more {profiling: {targets: [{name: one, args: [1.10, on], timeout: 5}]}}}\n" + APP, "", ()),
    ],
)
def test_each_place_gives_the_same_plan(tmp_path: Path, app: str, beside: str, files: tuple[str, ...]) -> None:
    plan = make_plan(load(write(tmp_path, app, beside)), None)
    assert plan.image == "team/app:1.10" and plan.app.name == "app"
    assert [(each.name, each.args, each.timeout_s) for each in plan.targets] == [("one", ("1.10", "on"), 5.0)]
    # What an agent is sent.
    assert plan.files == (files or ("sage.yaml",))


def test_the_file_beside_may_be_named_itself(tmp_path: Path) -> None:
    write(tmp_path, APP, SECTION)
    assert load(tmp_path / "profiling.yaml") == load(tmp_path / "sage.yaml")


def test_it_may_stand_alone(tmp_path: Path) -> None:
    path = tmp_path / "profiling.yaml"
    path.write_text(SECTION)
    plan = make_plan(load(path), None)
    assert plan.app.name == tmp_path.name and plan.files == ("profiling.yaml",)


def test_a_file_of_another_name_is_used_alone(tmp_path: Path) -> None:
    """So does the merge of a saved configuration, which a Jenkins job puts next to the sage.yaml."""
    write(tmp_path, APP, SECTION)
    path = tmp_path / "profileapp-merged.yaml"
    path.write_text("name: merged\nprofiling: {targets: [{name: two}]}\n")
    assert make_plan(load(path), None).files == ("profileapp-merged.yaml",)


@pytest.mark.parametrize(
    ("app", "beside", "message"),
    [
        (APP + SECTION, SECTION, "sage.yaml:5:1 (profiling): the section is also at profiling.yaml:1:1 (profiling); "),
        (
            APP + INDENTED,
            SECTION,
            "sage.yaml:7:3 (metadata.profiling): the section is also at profiling.yaml:1:1 (prof",
        ),
        (
            SECTION + INDENTED,
            "",
            "sage.yaml:1:1 (profiling): the section is also at sage.yaml:6:3 (metadata.profiling)",
        ),
        ("profiling:\n" + APP, SECTION, "sage.yaml:1:1 (profiling): the section is also at profiling.yaml:1:1"),
        (SECTION + INDENTED, SECTION, "(metadata.profiling) and profiling.yaml:1:1 (profiling); keep one of them"),
    ],
)
def test_two_places_at_once_are_an_error_that_names_both(tmp_path: Path, app: str, beside: str, message: str) -> None:
    assert message in refused(write(tmp_path, app, beside))


def test_an_error_has_its_place_in_the_metadata(tmp_path: Path) -> None:
    path = write(tmp_path, INDENTED.replace("timeout: 5", "timout: 5"))
    assert refused(path).startswith("sage.yaml:5:39: metadata.profiling.targets[1].timout is not a known key")
    path = write(tmp_path, INDENTED.replace("timeout: 5", "dataset: none"))
    assert refused(path).startswith("sage.yaml:5:48: metadata.profiling.targets[1].dataset is 'none', but there is no")


def test_an_error_has_its_place_in_the_file_beside_and_all_are_reported_at_once(tmp_path: Path) -> None:
    path = write(tmp_path, APP.replace("name: app", "name: [app]"), SECTION.replace("timeout: 5", "timout: 5"))
    first, second = refused(path).splitlines()
    assert first.startswith("sage.yaml:1:7: name is a list")
    assert second.startswith("profiling.yaml:3:37: profiling.targets[1].timout is not a known key")


def test_the_error_for_a_file_without_the_key_has_a_remedy(tmp_path: Path) -> None:
    path = write(tmp_path, APP, "targets: [{name: one}]\n")
    assert refused(path) == "profiling.yaml:1:1: has no key 'profiling'; put `targets` and `metrics` below it"


@pytest.mark.parametrize("beside", ["[", "profiling: {targets: [!!python/name:os.system x]}", "- 1\n"])
def test_a_bad_file_beside_is_named(tmp_path: Path, beside: str) -> None:
    assert refused(write(tmp_path, APP, beside)).startswith("profiling.yaml:1:")


def test_a_link_beside_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECTION)
    path = write(tmp_path, APP)
    (tmp_path / "profiling.yaml").symlink_to("secret")
    assert "profiling.yaml: cannot be read" in refused(path)


@pytest.mark.parametrize(
    "metadata",
    ["1", "[a, b]", "{x: !Vault 1, 7: seven}", "{big: [" + "1, " * 30_000 + "1]}", "&loop {again: *loop}", ""],
)
def test_the_rest_of_the_metadata_is_the_apps(tmp_path: Path, metadata: str) -> None:
    path = write(tmp_path, f"{APP}metadata: {metadata}\n{SECTION}")
    assert load(path).section.at == ("profiling",)


def test_metadata_that_holds_itself_ends(tmp_path: Path) -> None:
    path = write(tmp_path, f"{APP}metadata: &loop {{profiling: *loop}}\n")
    assert "contains more than" in refused(path)


@pytest.mark.parametrize("place", ["top", "metadata", "beside"])
def test_a_saved_configuration_is_laid_over_each_place(tmp_path: Path, place: str) -> None:
    path = write(
        tmp_path, APP + {"top": SECTION, "metadata": INDENTED, "beside": ""}[place], SECTION * (place == "beside")
    )
    overlay = Overlay("ann/app/night", "profiling: {targets: [{name: one, timeout: 7}, {name: two}]}")
    plan = make_plan(load(path, overlay), None)
    assert [(each.name, each.args, each.timeout_s) for each in plan.targets] == [
        ("one", ("1.10", "on"), 7.0),
        ("two", (), 0.0),
    ]
    merged = tmp_path / "profileapp-merged.yaml"
    merged.write_text(merged_text(path, overlay))
    assert make_plan(load(merged), None).targets == plan.targets and load(merged).version == "1.10"


def test_the_section_is_split_off_with_its_comments_and_all_else_stays() -> None:
    text = f"# about\n{APP}\n# how to profile\n# it\n{SECTION}  metrics: [system]  # both\n\n# inputs\ninputs: []\n"
    rest, section = split_section(text)
    assert rest == f"# about\n{APP}\n# inputs\ninputs: []\n"
    assert section == f"# how to profile\n# it\n{SECTION}  metrics: [system]  # both\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("tail", ["", "...\n", "\n\n# the end\n"])
def test_it_may_be_the_last_or_the_only_key(newline: str, tail: str) -> None:
    text = (APP + SECTION + tail).replace("\n", newline)
    rest, section = split_section(text)
    assert rest.startswith(APP.replace("\n", newline)) and section.startswith(SECTION.replace("\n", newline))
    assert split_section(SECTION.replace("\n", newline)).rest == ""


@pytest.mark.parametrize(
    "text",
    [
        "{name: app, profiling: {targets: []}}",
        "  name: app\n  profiling:\n    targets: []\n",
        "base: &base {timeout: 5}\nprofiling:\n  defaults: *base\n",
        "profiling: &base {timeout: 5}\nother: *base\n",
        "<<: {profiling: {targets: []}}\nname: app\n",
        "name: app\n",
    ],
)
def test_what_cannot_be_split_is_refused(text: str) -> None:
    with pytest.raises(CannotMoveError):
        split_section(text)


@given(
    st.text(alphabet="ab:- \n\r#&*{}[]'\"|>.\u2028\x85\t", max_size=40),
    st.text(alphabet="ab:- \n#&*'\"|>", max_size=40),
)
def test_a_split_keeps_every_letter_or_is_refused(before: str, inside: str) -> None:
    text = f"{before}\nprofiling:\n  a: {inside}\nz: 1\n"
    try:
        rest, section = split_section(text)
    except (CannotMoveError, yaml.YAMLError):
        return
    assert len(rest) + len(section) <= len(text) + 2
    assert {**(yaml.safe_load(rest) or {}), **yaml.safe_load(section)} == yaml.safe_load(text)


def test_the_place_of_a_section_that_is_found(tmp_path: Path) -> None:
    app = read_app_file(write(tmp_path, APP + SECTION))
    assert app.is_for_app_store and app.section.place.endswith("sage.yaml:5:1 (profiling)")
