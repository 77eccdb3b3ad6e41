"""The page of a cluster: whole, harmless, and readable for everybody."""

from __future__ import annotations

import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.cluster.model import Host
from provisioner.console import Console
from provisioner.context import Context
from provisioner.observe.overview import overview
from provisioner.observe.status import Status
from provisioner.verbs.status import Options
from provisioner.verbs.status.page import STYLE, page
from provisioner.verbs.status.work import run_status
from tests.unit.builders import AGENT, cluster
from tests.unit.test_status_overview import seen
from tests.unit.test_status_verb import Nobody

NOW = 1_796_101_200.0
VOID = {"meta", "br", "link", "img", "input"}
HOSTILE = """</title><script>alert(1)</script><img src=x onerror='alert(2)'>" onmouseover="alert(3)&lt;]]>"""
ILL = (("a7", "docker", {"state": "down", "detail": "it failed"}), ("a9", "dns", {"state": "degraded"}))


class Read(HTMLParser):
    """Every element with its attributes and text. AssertionError where one does not end, or not in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), []))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.found:
            self.found[-1][2].append(data)

    def all(self, tag: str, **having: str) -> list[tuple[dict[str, str | None], str]]:
        """The elements of that name whose attributes have these values; `_` stands for `-`, and at an end for nothing."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in having.items()}.items()
        like = (each for each in self.found if each[0] == tag and wanted <= each[1].items())
        return [(attributes, "".join(text).strip()) for _, attributes, text in like]


def read(status: Status, again: float | None = None) -> Read:
    return Read(page(status, overview(status), NOW, again))


def test_it_says_how_the_cluster_is_and_when_it_was_so() -> None:
    found = read(seen())
    assert [text for _, text in found.all("h1")] == [text for _, text in found.all("title")] == ["test: healthy, 31 hosts, 13 components"]
    assert found.all("time") == [({"datetime": "2026-12-01T05:00:00Z"}, "2026-12-01 05:00:00 UTC.")]
    assert [text for _, text in found.all("h2")] == ["Components", "Hosts"]
    assert found.all("meta", http_equiv="refresh") == []


def test_what_is_wrong_and_who_is_broken_comes_first() -> None:
    found = read(seen(*ILL))
    assert [text for _, text in found.all("h2")] == ["What is wrong", "Components", "Hosts"]
    rows = [text for _, text in found.all("th", scope="row")]
    assert rows[:2] == ["docker", "dns"] and rows[13:17] == ["a7", "a9", "a1", "a2"]
    assert [text for _, text in found.all("span", class_="hint")] == ["→ 'provision plan --only docker' shows what 'up' would do about it"]


def test_what_is_worth_knowing_is_no_trouble() -> None:
    found = read(seen(("a3", "mesos_agent", {"facts": {"deactivated": True}})))
    assert [text for _, text in found.all("h2")] == ["Worth knowing", "Components", "Hosts"]
    assert found.all("li", class_="ok") == [({"class": "ok"}, "a3: drained, as asked for")]


def test_every_host_has_a_field_for_each_component_and_leaders_are_marked() -> None:
    found = read(seen(*ILL))
    fields = found.all("span", role="img")
    assert ({"role": "img", "aria-label": "down, 1, it failed"}, "✗") in fields
    assert ({"role": "img", "aria-label": "ok, leads, 1, leads"}, "✓★") in fields
    assert len([cell for cell in found.all("td", class_="ok") if "title" in cell[0]]) + 2 == len(fields)


def test_tables_have_headers_and_are_reached_by_keyboard() -> None:
    found = read(seen())
    assert found.all("html") == [({"lang": "en"}, "")]
    assert len(found.all("th", scope="col")) == 6 + 1 + 13 and len(found.all("th", scope="row")) == 13 + 31
    assert all("scope" in attributes for attributes, _ in found.all("th"))
    names = {attributes["id"] for attributes, _ in found.all("h2") if "id" in attributes}
    for region, _ in found.all("div", role="region"):
        assert region["tabindex"] == "0" and region["aria-labelledby"] in names


def test_it_loads_nothing_and_runs_nothing() -> None:
    text = page(seen(*ILL), overview(seen(*ILL)), NOW, 30.0)
    found = Read(text)
    assert {tag for tag, *_ in found.found} & {"script", "link", "img", "iframe", "object", "form", "base", "a"} == set()
    assert not re.search(r"https?:|url\(|@import|javascript:|\son\w+=", text)
    policy = next(attributes["content"] for attributes, _ in found.all("meta", http_equiv="Content-Security-Policy"))
    assert policy and policy.startswith("default-src 'none'")
    assert found.all("meta", http_equiv="refresh", content="30")


@given(st.text(max_size=40), st.text(max_size=40))
@example(HOSTILE, HOSTILE)
def test_what_a_host_says_is_text(detail: str, version: str) -> None:
    calm, said = read(seen(*ILL)), read(seen(("a7", "docker", {"state": "down", "detail": detail or "x", "version": version}), ILL[1]))
    kinds = [tag for tag, *_ in said.found]
    assert kinds == [tag for tag, *_ in calm.found]
    allowed = {name for _, attributes, _ in calm.found for name in attributes}
    assert {name for _, attributes, _ in said.found for name in attributes} == allowed


def test_a_hostile_name_or_error_is_text() -> None:
    of = cluster(Host(HOSTILE, "192.0.2.1", groups=AGENT), Host("a2", "192.0.2.2", groups=AGENT))
    status = seen(of=of, silent={"a2": HOSTILE}, hint=HOSTILE)
    text = page(status, overview(status), NOW)
    assert "<script" not in text and "<img" not in text
    assert (HOSTILE in {name for _, name in Read(text).all("th", scope="row")}) and not Read(text).all("script")


def test_it_is_written_whole_for_a_web_server_to_read_and_keeps_its_mode(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asleep = Context(tmp_path / "inventory.yml", cluster=cluster(path=tmp_path / "inventory.yml"), transport=Nobody())
    file = tmp_path / "page.html"
    run_status(asleep, Console(), Options(html=str(file), host=("a1",)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [text for _, text in Read(file.read_text()).all("th", scope="row")][-1] == "a1"
    assert "a1 is unreachable: a1 is asleep" in capsys.readouterr().out, "it is shown as well"
    file.chmod(0o600)
    run_status(asleep, Console(), Options(html=str(file)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".page")] == []


def luminance(colour: str) -> float:
    """As WCAG 2 defines it, of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at:at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_its_colours_are_told_apart(scheme: int) -> None:
    """Text needs 4.5 to 1 (WCAG 2, AA)."""
    block = re.findall(r":root \{(.*?)\}", STYLE.read_text(), re.DOTALL)[scheme]
    colour = dict(re.findall(r"--([\w-]+): (#\w+)", block))
    grounds = {"ink": ("paper", "row"), "quiet": ("paper", "row"), **{s: ("paper", "row", f"{s}-fill") for s in ("ok", "degraded", "down")}}
    for text, behind in grounds.items():
        for ground in behind:
            darker, lighter = sorted((luminance(colour[text]), luminance(colour[ground])))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, ground)
