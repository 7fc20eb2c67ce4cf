"""The plug-in judges claims of real runs, and loads nothing heavy before one is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from latentleak.audits import run
from latentleak.audits.baseline import of_run, save
from latentleak.audits.cli_gate import gate_status
from latentleak.defenses.dp_adaptation.baselines import PlainMean
from latentleak.defenses.protocol import Space
from latentleak.scenarios.was_my_image_used import WasMyImageUsed

pytest_plugins = ("pytester",)

PAGE = Path(__file__).parents[2] / "docs" / "bring-your-own.md"
PLUGIN = ("-p", "latentleak.audits.pytest_plugin", "-p", "no:cacheprovider")
WEAKER = ("values / np.maximum(norms, 1)", "values")
"""The line that clips, and what it becomes."""


@dataclass(frozen=True, kw_only=True)
class Undefended(PlainMean):
    """The mean as it is, of any vectors."""

    @property
    def space(self) -> Space:
        return Space.ANY


@dataclass(frozen=True, kw_only=True)
class Canaries(WasMyImageUsed):
    """The worst case alone, without pictures."""

    controls = (f"{__file__}:Undefended",)


SCENARIO = f"{__file__}:Canaries"
CLAIM = "was-my-image-used/noisymean"


@dataclass(frozen=True)
class Mine:
    """The defence of the documentation, and the same with one line weakened."""

    honest: str
    weak: str


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Mine:
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    source = found.group(1)
    assert source.count(WEAKER[0]) == 1
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mine.py").write_text(source)
    (folder / "weak.py").write_text(source.replace(*WEAKER))
    return Mine(honest=f"{folder / 'mine.py'}:NoisyMean", weak=f"{folder / 'weak.py'}:NoisyMean")


@pytest.fixture(scope="module")
def baseline(mine: Mine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("baseline")
    result = run(SCENARIO, out=folder / "run", defense=mine.honest, trials=400, sealed=False)
    assert result.exit_status == 0
    assert [f.id for f in result.findings if f.role.value == "claim"] == [CLAIM]
    save(of_run(result.folder), folder / "baseline.json")
    return folder / "baseline.json"


def test_a_defence_that_is_weakened_by_one_line_fails_the_gate(
    mine: Mine, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weak = run(SCENARIO, out=tmp_path / "weak", defense=mine.weak, trials=400, sealed=False)
    assert gate_status(baseline, weak.folder) == 1
    said = capsys.readouterr().out
    assert f"worse     {CLAIM}: NOT_REFUTED -> REFUTED" in said
    assert "McNemar, exact" in said
    assert gate_status(baseline, baseline.parent / "run") == 0
    other = run(SCENARIO, out=tmp_path / "other", defense=mine.honest, trials=300, sealed=False)
    assert gate_status(baseline, other.folder) == 0
    assert "not paired" in capsys.readouterr().out


def test_claims_are_judged_told_and_written_as_properties(
    mine: Mine, baseline: Path, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        SAME = dict(trials=400, sealed=False, baseline={str(baseline)!r})
        MINE = {mine.honest!r}

        @pytest.mark.threat("mine")
        def test_holds(claim_holds):
            first = claim_holds({SCENARIO!r}, defense=MINE, **SAME)
            assert claim_holds({SCENARIO!r}, defense=MINE, claims=[{CLAIM!r}], **SAME) is first

        @pytest.mark.threat("weak")
        def test_weak(claim_holds):
            claim_holds({SCENARIO!r}, defense={mine.weak!r}, **SAME)
        """
    )
    done = pytester.runpytest_inprocess(*PLUGIN, "--junitxml=junit.xml", "--strict-markers")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines(
        [f"*{CLAIM} is worse than the baseline*", "*claims of privacy*", f"*{CLAIM}*"]
    )
    said = done.stdout.str()
    assert re.search(rf"holds +NOT_REFUTED \(unchanged\) +{CLAIM}", said)
    assert re.search(rf"fails +REFUTED \(worse\) +{CLAIM}", said)
    cases = {
        case.attrib["name"]: {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        for case in ET.parse(pytester.path / "junit.xml").iter("testcase")
    }
    assert cases["test_weak"][f"latentleak.{CLAIM}.verdict"] == "REFUTED"
    assert cases["test_holds"][f"latentleak.{CLAIM}.state"] == "unchanged"
    assert cases["test_holds"]["latentleak.threat"] == "mine"


def test_inconclusive_fails_unless_allowed_by_name_and_is_never_a_skip(
    mine: Mine, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        f"""
        FEW = dict(defense={mine.honest!r}, trials=8, sealed=False)

        def test_not_allowed(claim_holds):
            claim_holds({SCENARIO!r}, **FEW)

        def test_allowed(claim_holds):
            claim_holds({SCENARIO!r}, allow_inconclusive=[{CLAIM!r}], **FEW)

        def test_misspelled(claim_holds):
            claim_holds({SCENARIO!r}, allow_inconclusive=["no-such-claim"], **FEW)
        """
    )
    done = pytester.runpytest_inprocess(*PLUGIN)
    done.assert_outcomes(passed=1, failed=2, skipped=0)
    said = done.stdout.str()
    assert f"allow_inconclusive=['{CLAIM}']" in said
    assert "'no-such-claim' is no claim of this run" in said


def test_threats_select_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.threat("one", "two")
        def test_one(): ...

        def test_none(): ...
        """
    )
    pytester.runpytest_inprocess(*PLUGIN, "--threat=two").assert_outcomes(passed=1, deselected=1)
    unknown = pytester.runpytest_inprocess(*PLUGIN, "--threat=three")
    assert unknown.ret == pytest.ExitCode.USAGE_ERROR
    unknown.stderr.fnmatch_lines(["*no test is marked so; marked: one, two*"])
    pytester.makepyfile('import pytest\n@pytest.mark.threat("T-TYPO")\ndef test_it(): ...\n')
    typo = pytester.runpytest_inprocess(*PLUGIN)
    typo.stderr.fnmatch_lines(["*'T-TYPO'* is not known; see: latentleak threats*"])


def test_nothing_heavy_is_imported_before_a_claim_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import sys, pytest\n"
        "@pytest.mark.threat('T-RELEASE-MEMBER')\n"
        "def test_light(claim_holds):\n"
        "    assert not {'torch', 'scipy', 'numpy', 'diffusers'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-q", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
