"""The LaTeX of a run: it compiles in a bare article, and says what the findings say."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from latentleak.audits.catalog import entries
from latentleak.audits.cells import Cell, CellStatus, write_cells
from latentleak.audits.folder import RunFolder
from latentleak.audits.report import bibliography, render
from latentleak.audits.report.latex_numbers import names_of, subject_of
from latentleak.audits.report.latex_text import camel, escape, number
from latentleak.audits.report.page import load_page
from latentleak.audits.verdict import Finding, Row
from latentleak.defenses.claims import DifferentialPrivacy
from latentleak.scenarios.contract import Trials

Make = Callable[..., Finding]
Folder = Callable[..., Path]
ROOT = Path(__file__).parents[3]
IDENTIFIER = re.compile(
    r"(?:arxiv\.org/abs/|arXiv |doi\.org/|eprint\.iacr\.org/)([\d.]+[/.][\w./]*\d)"
)
HOSTILE = r"50 % of $x_1 & {#2} ~^\input{/etc/passwd} <b> | é 😀"


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: run `.ci/packages`, or install TeX Live and try again")
    return path


def _compile(folder: Path, name: str, *, passes: int) -> str:
    """The log of the last pass; BibTeX after the first of several."""
    tex = [_tool("pdflatex"), "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
    for command in (tex, [_tool("bibtex"), name], *[tex] * (passes - 1))[: 2 * passes - 1]:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-3000:]
    return (folder / f"{name}.log").read_text(errors="replace")


def _release(finding: Make, row: Callable[..., Row]) -> Finding:
    facts = {"model": "none", "sealed": True}
    rows = (
        row(
            adversary="likelihood ratio",
            arm="canaries",
            metric="epsilon at least (exact)",
            n=400,
            wins=None,
            estimate=0.8,
            interval=(0.8, float("inf")),
            critical=None,
            games=facts,
        ),
        row(adversary="look-alike", arm="canaries", metric="epsilon at least (exact)", games=facts),
    )
    curve = [
        {
            "name": "normalized leakage",
            "adversary": who,
            "along": ["servers", x],
            "estimate": 0.1 * x,
            "interval": [0.05 * x, 0.2 * x],
            "n": 30,
        }
        for who in ("averaging", HOSTILE)
        for x in (1, 2, 3)
    ]
    return finding(
        id="was-my-image-used/dpagg-ti",
        scenario="was-my-image-used",
        claim=DifferentialPrivacy(epsilon=1.0, delta=1e-5).to_dict(),
        metric="epsilon at least (exact)",
        estimate=0.8,
        interval=(0.8, float("inf")),
        rows=rows,
        measures=tuple(curve),
        threat_model={"coalition": ["public"], "behavior": "semi-honest", "knows": ["target"]},
    )


@pytest.fixture
def full(
    run_folder: Folder,
    finding: Make,
    refuted: Make,
    plain: Make,
    undecided: Make,
    row: Callable[..., Row],
) -> Path:
    odd = refuted(id="which-prompt/odd", reason=HOSTILE, rows=(row(adversary=HOSTILE),))
    found = [plain(), finding(), undecided(), odd, _release(finding, row)]
    folder = run_folder(found)
    write_cells(
        folder,
        [
            Cell(
                scenario=scenario,
                defense="he-client-unet",
                adversary=None,
                coalition=(),
                status=status,
                reason="not of that kind",
            )
            for scenario, status in (
                ("which-prompt", CellStatus.NOT_APPLICABLE),
                ("was-my-image-used", CellStatus.FAILED),
            )
        ],
    )
    (folder / "trials").mkdir()
    truth = np.arange(40) % 2
    scores = np.linspace(-1, 1, 40)[:, None] + truth[:, None]
    RunFolder(folder).keep(
        "was-my-image-used-dpagg-ti-canaries",
        Trials(
            arm="canaries",
            truth=truth,
            counts=np.full(40, 2),
            scores={"likelihood ratio": scores, "look-alike": -scores},
            swapped={},
        ),
    )
    return folder


def test_it_compiles_and_says_what_the_findings_say(full: Path) -> None:
    main = render(full, "latex")
    folder = main.parent
    log = _compile(folder, "report", passes=3)
    assert not re.findall(r"undefined|multiply defined|Missing character", log), log[-3000:]
    assert (folder / "report.pdf").stat().st_size > 20_000
    bare = (
        r"\documentclass[twocolumn]{article}\input{latentleak}\begin{document}"
        r"\input{figure-epsilon}\input{table-verdicts}"
        r"\typeout{SAYS \LatentLeakVerdictObCLIP, \LatentLeakSeed}"
        r"$\LatentLeakAdvantageObCLIP$ \LatentLeakEpsilonDPAggTI"
        r"\bibliographystyle{plain}\bibliography{references}\end{document}"
    )
    (folder / "paper.tex").write_text(bare)
    assert "SAYS NOT REFUTED, 0" in _compile(folder, "paper", passes=1)


def test_every_file_is_the_same_again(full: Path) -> None:
    folder = render(full, "latex").parent
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    render(full, "latex")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    assert {"figure-epsilon.tex", "table-verdicts.tex", "references.bib"} <= set(first)
    assert "figure-roc-was-my-image-used-dpagg-ti-canaries.tex" in first
    assert "figure-curve-was-my-image-used-dpagg-ti-1.tex" in first
    for name, data in first.items():
        if name.startswith(("table", "figure")):
            caption = data.decode().partition(r"\caption")[2]
            assert re.search(r"\$n\$: .*alpha = 0.01.*seed 0\.", caption), name


def test_the_matrix_names_what_was_not_measured(full: Path) -> None:
    table = (render(full, "latex").parent / "table-verdicts.tex").read_text()
    assert r"& \textbf{refuted}" in table
    assert r"\emph{refuted}" in table
    (line,) = [each for each in table.splitlines() if each.startswith("he-client-unet")]
    assert "& not applicable &" in line
    assert "& failed" in line


def test_macros_are_named_after_the_finding_alone(full: Path) -> None:
    page = load_page(full)
    card = next(c for c in page.cards if c.finding.id == "was-my-image-used/dpagg-ti")
    named = dict(names_of(card))
    assert named["LatentLeakEpsilonDPAggTI"] == r"\ensuremath{0.800}"
    assert named["LatentLeakClaimedEpsilonDPAggTI"] == r"\ensuremath{1}"
    assert all(re.fullmatch(r"[A-Za-z]+", name) for name in named)
    assert subject_of("what-did-the-server-see/he-as-released/128-bits-2018") == (
        "HEAsReleasedOneTwoEightBitsTwoZeroOneEight"
    )


def test_a_missing_number_stops_the_paper(full: Path) -> None:
    folder = render(full, "latex").parent
    (folder / "paper.tex").write_text(
        r"\documentclass{article}\input{latentleak}\begin{document}"
        r"\LatentLeakValue{which-prompt/gone}{estimate}\end{document}"
    )
    command = [_tool("pdflatex"), "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "This run has no value 'estimate' of 'which-prompt/gone'" in done.stdout


def test_text_and_numbers() -> None:
    assert escape("a_b\n100%") == r"a\_b 100\%"
    assert "input" in escape(r"\input{x}")
    assert escape(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert number("\N{MINUS SIGN}0.5 of 12,000") == r"\ensuremath{-0.5} of \ensuremath{12{,}000}"
    assert number("not measured") == "not measured"
    assert camel("he-client-unet") == "HEClientUNet"


def test_every_paper_that_an_attack_or_a_defense_names_is_there() -> None:
    text = bibliography.REFERENCES.read_text(encoding="utf-8")
    named = {}
    for layer in ("adversaries", "defenses"):
        for path in sorted((ROOT / layer).rglob("*.py")):
            for found in IDENTIFIER.findall(path.read_text(encoding="utf-8")):
                named[re.sub(r"v\d$", "", found)] = path.name
    assert len(named) > 30
    assert {name: file for name, file in named.items() if name not in text} == {}


def test_references_agree_with_the_catalog() -> None:
    text = bibliography.REFERENCES.read_text(encoding="utf-8")
    papers = [entry.paper for entry in entries() if entry.paper]
    for found in re.findall(
        r"(?:abs/|doi\.org/)(\S+?)(?:$|[,)\s])", "\n".join(papers), re.MULTILINE
    ):
        assert found in text, found
    keys = [reference.key for reference in bibliography.references()]
    assert len(keys) == len(set(keys)) == text.count("\n@")


def test_a_finding_stands_beside_the_adversary_that_it_is_about(
    run_folder: Folder, finding: Make, row: Callable[..., Row]
) -> None:
    louder = row(adversary="louder", estimate=0.2, interval=(-0.3, 0.5), n=20)
    folder = run_folder([finding(rows=(louder, row()))])
    (card,) = load_page(folder).cards
    assert card.lines[0].row.adversary == "louder"
    table = (render(folder, "latex").parent / "table-which-prompt.tex").read_text()
    assert re.search(r"not refuted & position & .*400.* & .*\+0\.013", table)
