"""The drawing of a plan."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profileapp.model.target import App, Dataset, Plan, Ready, Secret, Service, Stream, Target
from profileapp.plan.drawing import GROUPS_LIMIT, plan_drawing


def drawing(*targets: Target, image: str | None = "app:1") -> str:
    return plan_drawing(Plan(App("app"), image, targets))


def test_started_mounted_and_connected_parts_are_drawn() -> None:
    database = Service("db", "redis:7", ready=Ready(tcp=6379), secrets=(Secret("PW", "redis-pw", "X"),))
    cameras = Service("cameras", streams=(Stream("left", Dataset(path="left.zip"), 2.0),), needs=("db",))
    target = Target("gpu", agent="orin", dataset="traffic", services=(database, cameras), metrics=("system",))
    assert (
        drawing(target)
        == """gpu
├─ agent     orin
├─ app       app:1
│  ├─ dataset   traffic at /dataset, read-only
│  └─ metrics   system, custom
├─ network   private, no internet access, with db, cameras
├─ service   db: redis:7
│  ├─ secret    PW from the credential redis-pw
│  └─ ready     tcp :6379
└─ playback  cameras: on port 8090
   ├─ plays     left: left.zip, 2/s
   └─ after     db
"""
    )


def test_targets_with_equal_needs_are_drawn_once() -> None:
    shown = drawing(Target("a", args=("1",)), Target("b", args=("2",)), Target("c", internet=True), image=None)
    assert shown.startswith("a, b\n├─ app       (no image yet)\n")
    assert (
        "\nc\n" in shown
        and shown.count("private, no internet access\n") == 1
        and "private, internet and agent reachable\n" in shown
    )


def test_the_number_of_drawings_is_bounded() -> None:
    shown = drawing(*(Target(f"t{number}", agent=f"a{number}") for number in range(GROUPS_LIMIT + 3)))
    assert shown.endswith("… and 3 more\n") and shown.count("agent") == GROUPS_LIMIT


@given(st.text(min_size=1, max_size=300))
def test_any_text_stays_on_its_line(text: str) -> None:
    shown, plain = (
        drawing(Target("t", agent=each, dataset=each, services=(one,)), image=each)
        for each in (text, "x")
        for one in [Service(each, each, dataset=each, needs=(each,), streams=(Stream(each, each),))]
    )
    assert all(line.isprintable() and len(line) < 200 for line in shown.split("\n"))
    assert shown.count("\n") == plain.count("\n")
