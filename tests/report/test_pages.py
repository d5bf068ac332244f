"""The pages: content, valid links, and escaping of hostile text."""

from __future__ import annotations

import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote_to_bytes

import jinja2
import msgspec
import pytest

from profileapp.collect.container import series as container
from profileapp.errors import AgentError
from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import Agent, Build, Image, MetricStatus
from profileapp.model.series import series
from profileapp.model.target import App, Ready, Service, Stream
from profileapp.report.page.pages import page_templates, write_all_pages
from profileapp.report.page_data import topology
from profileapp.report.write import write_data, write_overview, write_pages
from tests.report.sample_runs import FPS, sample_run, wave, write_target

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}\u202e\x1b[31m"


class Page(HTMLParser):
    """A parsed page: its elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def report(out: Path, judged: list[JudgedRun]) -> Path:
    """Calls `profileapp report` and returns the path of the first page."""
    for each in judged:
        write_data(each)
    write_overview(out, judged)
    return write_pages(out, judged)


@pytest.fixture(scope="module")
def pages(samples: list[JudgedRun]) -> dict[str, Page]:
    """The pages of all four targets by folder name, and "" for the overview."""
    found = pages_of(report(samples[0].folder.parent, samples))
    return {page.path.parts[-3] if page.path.parent.name == "report" else "": page for page in found}


def pages_of(index: Path) -> list[Page]:
    """Every page, each checked with `check`."""
    found = [Page(path) for path in (index, *sorted(index.parent.glob("*/report/index.html")))]
    for page in found:
        check(page)
    return found


def check(page: Page) -> None:
    """A page has nothing that Jenkins' policy for artifacts blocks, no dead links, and what a screen reader needs."""
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "style", "form", "iframe", "object", "embed", "base", "svg"}
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        for name in ("href", "src", "srcset"):
            address = attributes.get(name)
            if address is None or (tag == "a" and address.startswith(("http://", "https://"))):
                continue
            assert ":" not in address
            assert not address.startswith("/")
            assert (page.path.parent / os.fsdecode(unquote_to_bytes(address))).is_file(), address
        if tag == "img":
            assert attributes["alt"]
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes}
    assert named <= set(ids)


def test_the_overview_has_target_usage_and_verdict(pages: dict[str, Page]) -> None:
    for words in (
        "4 targets: 1 passed, 1 over budget, 1 app failed, 1 incomplete",
        "NVIDIA Jetson Xavier NX Developer Kit",
        "▲ over budget",
        "✘ app failed",
        "467 MiB",
        "3.17 frames/s",
        "2 of 3 met",
        "container. memory. peak. max : 467 MiB, limit ≤ 400 MiB, missed by 66.7 MiB",
        "The run did not finish",
        "metrics.ndjson: 1 of 961 lines are not samples",
    ):
        assert words in pages[""].text


def test_a_target_page_is_complete(pages: dict[str, Page]) -> None:
    page = pages["use-gpu"]
    for words in (
        "130 %",
        "mean, 108 to 154 %",
        "system: 2 samples came late",
        "missed by 66.7 MiB",
        "no NVIDIA driver on this agent",
        "in 2 repeats",
        "7c1f0be2a94d53c6f1e0aa5bd2c2c7a1b05f9a63",
        "frame 1785: 0 objects",
    ):
        assert words in page.text
    assert len(page.all("img")) == 18
    assert {attributes["media"] for attributes in page.all("source")} == {"(prefers-color-scheme: dark)"}


def test_the_log_of_a_failed_app_precedes_the_plots(pages: dict[str, Page]) -> None:
    source = pages["use-cpu"].source
    assert source.index("FileNotFoundError") < source.index('id="plots"')


def test_only_the_value_that_violates_its_budget_is_marked(pages: dict[str, Page]) -> None:
    cells = [each for each in pages[""].all("td") if "violated" in (each.get("class") or "").split()]
    assert [cell["data-label"] for cell in cells] == ["memory peak", "fps"]


def test_an_empty_run_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "metrics.ndjson").touch()
    write_target(tmp_path, sample_run("bare", image=None, agent=Agent(), build=Build(), metrics=(), message=""), {})
    judged = [judge_folder(tmp_path / name) for name in ("empty", "bare")]
    index, *_ = pages_of(report(tmp_path, judged))
    assert "run.json is missing" in index.text


def test_without_targets_there_is_a_page(tmp_path: Path) -> None:
    [page] = [Page(report(tmp_path, []))]
    assert "nothing was measured" in page.text


def hostile_run(out: Path, text: str) -> JudgedRun:
    run = sample_run(
        "bad",
        app=App(text, text),
        image=Image(text, text, text, text),
        agent=Agent(*[text] * 6),
        build=Build(text, text, "javascript:alert(1)//" + text, text, text, text),
        command=(text,) * 50,
        message=text,
        warnings=(text,) * 3,
        metrics=(MetricStatus(text, "skipped", text, text),),
        target_budgets={text: text, f"{text}.mean": "> 5", "fps.mean": f"> 5 {text}"},
        target_dataset=text,
        profileapp=text,
    )
    shapes = {
        FPS: wave(5, 1, 1),
        series(text[:3000], text[:3000], "custom", where=text[:3000]): wave(5, 1, 1),
        series(text[:3000], text[:3000], text[:3000], "counter"): wave(5, 1, 1),
        series("../../../etc/passwd", "%", "custom"): wave(5, 1, 1),
    }
    write_target(out, run, shapes, text * 3)
    judged = judge_folder(out / "bad")
    return msgspec.structs.replace(
        judged,
        headline=(*judged.headline, Headline(text, 1.0, text, text, "mean")),
        problems=(text,),
        run=msgspec.structs.replace(judged.run, target=msgspec.structs.replace(judged.run.target, args=(text,) * 9)),
    )


@pytest.mark.parametrize("text", [HOSTILE, HOSTILE * 120, "A" * 10_000, "[[[" * 30, "../" * 30, "物" * 3000])
def test_hostile_text_is_escaped_and_shortened(text: str, tmp_path: Path) -> None:
    index = report(tmp_path, [hostile_run(tmp_path, text)])
    for page in pages_of(index):
        assert not [each for each in page.all("a") if (each["href"] or "").lower().startswith("javascript")]
        assert "49" not in page.text or "7*7" in page.text
        assert not set(page.source) & set("\u202e\x1b")
        assert len(page.source) < 120_000
    assert {path.name for path in tmp_path.iterdir()} == {
        "attachments.xml", "bad", "badge.svg", "index.html", "junit.xml", "plot", "report", "summary.csv",
    }  # fmt: skip
    for path in (tmp_path / "bad" / "report").iterdir():
        assert path.name.isascii()
        assert len(path.name) < 100


@pytest.mark.parametrize("name", ["javascript:alert(1)", "a b#c?d%41", "\udcff", '"><b>', "物体", "a,b 2x"])
def test_a_folder_of_any_name_is_linked(name: str, tmp_path: Path) -> None:
    recorded = write_target(tmp_path, sample_run("x", seconds=3), {container.CPU.series: wave(5, 1, 1)})
    folder = recorded.path.rename(tmp_path / name)
    page = Page(report(tmp_path, [judge_folder(folder)]))
    check(page)


def test_thousands_of_series_make_a_bounded_page(tmp_path: Path) -> None:
    many = {series(f"name{number}", "", "custom"): wave(5, 1, 1) for number in range(3000)}
    write_target(tmp_path, sample_run("many", seconds=2), many)
    pages_of(report(tmp_path, [judge_folder(tmp_path / "many")]))
    page = Page(tmp_path / "many" / "report" / "index.html")
    assert len(page.source) < 400_000
    assert "2960 more are not drawn" in page.text
    assert "2500 more are in series.csv" in page.text


def test_an_earlier_report_is_replaced_and_other_files_stay(own_samples: list[JudgedRun]) -> None:
    out = own_samples[0].folder.parent
    (out / "report").mkdir()
    (out / "report" / "thesis.tex").write_text("years of work")
    write_all_pages(out, own_samples)
    plots = own_samples[0].folder / "report"
    (plots / "99-gone.svg").write_text("old")
    (plots / ".index.html.0123abcd").write_text("unfinished")
    (plots / "notes").mkdir()
    before = {path.name: path.read_bytes() for path in plots.iterdir() if path.is_file()}
    write_all_pages(out, own_samples)
    after = {path.name: path.read_bytes() for path in plots.iterdir() if path.is_file()}
    assert after == {name: content for name, content in before.items() if name[:2] not in ("99", ".i")}
    assert (out / "report" / "thesis.tex").read_text() == "years of work"
    assert (plots / "notes").is_dir()


def test_no_symlink_is_followed(own_samples: list[JudgedRun], tmp_path: Path) -> None:
    out = own_samples[0].folder.parent
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "style.css").write_text("theirs")
    (out / "report").symlink_to(elsewhere)
    (own_samples[1].folder / "report").symlink_to(elsewhere)
    (out / "index.html").symlink_to(elsewhere / "style.css")
    write_all_pages(out, own_samples)
    assert [path.name for path in elsewhere.iterdir()] == ["style.css"]
    assert (elsewhere / "style.css").read_text() == "theirs"
    assert not (out / "index.html").is_symlink()
    assert (out / "report" / "style.css").is_file()


def test_a_write_error_is_one_line(own_samples: list[JudgedRun]) -> None:
    out = own_samples[0].folder.parent
    (out / "report").write_text("a file in the way")
    with pytest.raises(AgentError, match="the report cannot be written"):
        write_all_pages(out, own_samples)
    assert (out / "report").read_text() == "a file in the way"


def test_templates_escape_and_define_all_names() -> None:
    environment = page_templates()
    assert environment.autoescape is True
    assert environment.from_string("{{ text }}").render(text="<&\x1b[1m") == "&lt;&amp;"
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ unknown }}").render()


def test_the_topology_is_drawn_as_nested_boxes(tmp_path: Path) -> None:
    database = Service("db", "redis:7", ready=Ready(tcp=6379))
    cameras = Service("cameras", streams=(Stream("left", "left.mp4"),), needs=("db",))
    run = sample_run("gpu", seconds=3)
    target = msgspec.structs.replace(run.target, dataset="traffic", services=(database, cameras))
    run = msgspec.structs.replace(run, target=target)
    drawn = topology(run)
    assert drawn.kind == "agent"
    (network,) = drawn.parts
    assert (network.kind, network.text) == ("network", "private, no internet access, with db, cameras")
    assert [(each.kind, each.text) for each in network.parts] == [
        ("app", "waggle/object-counter:0.5.1"),
        ("service", "db: redis:7"),
        ("playback", "cameras: on port 8090"),
    ]
    recorded = write_target(tmp_path, run, {container.CPU.series: wave(3, 1, 1)})
    pages_of(report(tmp_path, [judge_folder(recorded.path)]))
    page = Page(recorded.path / "report/index.html")
    check(page)
    for words in ("traffic at /dataset, read-only", "left: left.mp4, 1/s", "tcp :6379"):
        assert words in page.text
    process = msgspec.structs.replace(run, image=None, command=("python3", "app.py"))
    assert [each.kind for each in topology(process).parts] == ["app", "service", "playback"]
    assert topology(process).parts[0].text == "python3 app.py"
