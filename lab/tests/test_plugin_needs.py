"""The mark `provision` of the pytest plugin: who shares a lab, who gets one of its own, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioner_lab import provisioned

pytest_plugins = ("pytester",)

USUAL = "import pytest\n\ndef test_it(cluster): pass\n"


def marked(words: str) -> str:
    return f"import pytest\n\npytestmark = pytest.mark.provision({words})\n\ndef test_it(cluster): pass\n"


@pytest.fixture
def did(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What becomes of labs, which are only said."""
    said: list[str] = []

    @contextmanager
    def lab(name: str, directory: Path, arguments: Sequence[str], **settings: object) -> Iterator[str]:
        said.append(" ".join(["up", name, *arguments]))
        yield name
        said.append(f"down {name}")

    monkeypatch.setattr(provisioned, "provisioned", lab)
    return said


def passes(pytester: pytest.Pytester, *arguments: str, **modules: str) -> None:
    """Run the tests of these modules in the lab `mine`."""
    pytester.makepyfile(**modules)
    pytester.runpytest("--provision-lab=mine", *arguments).assert_outcomes(passed=len(modules))


def test_those_that_need_what_is_usual_share_one(pytester: pytest.Pytester, did: list[str]) -> None:
    passes(pytester, test_1=USUAL, test_2=marked("masters=3, agents=2"), test_3=marked("system='debian12'"))
    assert did == ["up mine", "down mine"]


def test_those_that_need_the_same_share_one_and_none_is_made_twice(pytester: pytest.Pytester, did: list[str]) -> None:
    small = marked("masters=1, agents=1")
    passes(pytester, test_1=small, test_2=USUAL, test_3=small)
    assert did == ["up mine1m1adebian12 --masters 1 --agents 1", "down mine1m1adebian12", "up mine", "down mine"]


def test_what_a_mark_leaves_out_is_as_the_options_say(pytester: pytest.Pytester, did: list[str]) -> None:
    passes(pytester, "--provision-masters=1", "--provision-system=debian13", test_1=marked("agents=4"))
    assert did == ["up mine1m4adebian13 --masters 1 --agents 4 --os debian13", "down mine1m4adebian13"]


def test_the_name_of_a_test_does_not_change(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(marked("masters=1"))
    said = pytester.runpytest("--collect-only", "-q", "--provision-lab")
    said.stdout.fnmatch_lines(["*.py::test_it"])


def test_without_a_lab_a_marked_test_is_skipped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(marked("masters=1"))
    pytester.runpytest("--strict-markers").assert_outcomes(skipped=1)


@pytest.mark.parametrize(("words", "said"), [
    ("masters=0", "can't have 0 masters"), ("system='beos'", "can't be made of 'beos'"), ("nodes=3", "masters=, agents=, system="),
    ("3", "masters="),
])
def test_a_lab_that_cannot_be_is_refused_with_the_name_of_the_test(pytester: pytest.Pytester, words: str, said: str) -> None:
    pytester.makepyfile(test_bad=marked(words))
    result = pytester.runpytest("--provision-lab")
    text = str(result.stdout)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "test_bad.py::test_it" in text
    assert said in text
    assert "pytest_plugin.py" not in text


def test_an_operating_system_that_is_none_is_refused_before_any_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USUAL)
    result = pytester.runpytest("--provision-lab", "--provision-system=beos")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "can't be made of 'beos'" in str(result.stderr)
