"""Verdicts by coalition, by count, and by the median of PSNR."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from latentleak.audits.case import Case
from latentleak.audits.contest import audit_of
from latentleak.audits.ppidm.argument import NAME
from latentleak.audits.ppidm.audit import audit
from latentleak.audits.ppidm.coalitions import against, everyone
from latentleak.audits.ppidm.coupling import NAME as COUPLED
from latentleak.audits.ppidm.fidelity import IDENTICAL, games_needed, median
from latentleak.audits.ppidm.offload import reaches, stable_diffusion_macs
from latentleak.audits.report import words
from latentleak.audits.statistics import at_most
from latentleak.audits.verdict import Finding, Role, Verdict
from latentleak.defenses.claims import Claim, Fidelity, Hidden, Indistinguishability, Offload
from latentleak.defenses.ppidm.protocol import ALL_BUT_ONE, ONE_SERVER, Ppidm
from latentleak.scenarios.contract import Trials

GAMES, CANDIDATES, SERVERS = 40, 100, 4
SCHEMA = json.loads((Path(words.__file__).parent / "finding.schema.json").read_text())
IMAGE, PROMPT = ALL_BUT_ONE
Scores = np.ndarray[Any, np.dtype[np.float64]]


def distances(rng: np.random.Generator, truth: Scores, error: float) -> Scores:
    """Minus MSE to 100 pictures: about 1 to all but the original, which is `error` away."""
    scores = -1 - 0.1 * rng.random((len(truth), CANDIDATES))
    scores[np.arange(len(truth)), truth] = -error * (1 + 0.1 * rng.random(len(truth)))
    return scores


def arm(
    members: int,
    error: float,
    *,
    servers: int = SERVERS,
    games: int = GAMES,
    seed: int = 0,
    **facts: Any,
) -> Trials:
    """An arm in which a coalition's pictures are `error` away, and prompts named if it is 0."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CANDIDATES, games)
    own, blind = distances(rng, truth, error), distances(rng, truth, 1.05)
    named = np.zeros((games, CANDIDATES))
    named[np.arange(games), truth] = float(error == 0)
    return Trials(
        arm=f"{members} of {servers}",
        truth=truth,
        counts=np.full(games, CANDIDATES),
        scores={
            "image/nothing seen": blind,
            "image/attack": own,
            "LPIPS/nothing seen": blind[:, :1],
            "LPIPS/attack": own[:, :1],
            "CLIP/attack": own,
            "prompt/attack": named,
        },
        swapped={
            "image/attack": distances(rng, truth, 1.05),
            "prompt/attack": np.zeros((games, CANDIDATES)),
        },
        facts={
            "coalition": [f"server/{i}" for i in range(members)],
            "servers": servers,
            "offload_share": 0.8,
            **facts,
        },
    )


PLAIN = arm(1, 0.0, servers=1)


def curve(*errors: float, **facts: Any) -> list[Trials]:
    """Arms of coalitions of size 1, 2, ..."""
    return [arm(i + 1, error, **facts) for i, error in enumerate(errors)]


def uniform(p_value: float = 0.5) -> dict[str, Any]:
    """What the test of shares recorded."""
    return {
        "name": NAME,
        "statement": "uniform",
        "test": "server/0, high bits",
        "wins": 5000,
        "bets": 10000,
        "chance": 0.5,
        "tests": 20,
        "p_value": p_value,
        "simulated": 0.7,
        "residues": 80000,
        "outside": 0,
        "k": 48,
    }


def views(holds: bool) -> dict[str, Any]:
    return {"name": COUPLED, "statement": "coupled", "holds": holds}


def judged(
    claim: Claim,
    trials: Sequence[Trials],
    *,
    exact: Sequence[dict[str, Any]] = (),
    reference: Sequence[Trials] = (PLAIN,),
    alpha: float = 0.01,
    fields: dict[str, Any] | None = None,
) -> Finding:
    case = Case(
        id="test/ppidm",
        scenario="test",
        question="?",
        defense={"name": "Ppidm", "path": "a:B", "fields": fields or {}},
        claim=claim,
        role=Role.CLAIM,
        trials=trials,
        reference=reference,
        exact=exact,
        threat_model={"behavior": "semi-honest", "coalition": [], "knows": [], "queries": 1},
    )
    finding = audit_of(claim)(case, alpha=alpha, profile="quick", seed=0)
    Draft202012Validator(SCHEMA).validate(finding.to_dict())
    return finding


HIDDEN = (1.05, 1.05, 1.05, 0.0)


def test_each_claim_is_held_against_coalitions_of_its_size() -> None:
    trials = curve(*HIDDEN)
    assert [t.arm for t in against(trials, ONE_SERVER)] == ["1 of 4"]
    assert [t.arm for t in against(trials, IMAGE)] == ["3 of 4"]
    assert [t.arm for t in everyone(trials)] == ["4 of 4"]
    assert against([PLAIN], IMAGE) == against([PLAIN], ONE_SERVER) == [PLAIN]
    assert everyone([PLAIN]) == []
    assert against(curve(1.0, 1.0, 1.0, measured=True), IMAGE) == []
    with pytest.raises(ValueError, match="must end in"):
        against(trials, Hidden(what="image", metric="pixel similarity"))


def test_with_two_servers_one_is_all_but_one() -> None:
    trials = [arm(1, 1.05, servers=2), arm(2, 0.0, servers=2)]
    assert against(trials, ONE_SERVER) == against(trials, IMAGE) == trials[:1]


@pytest.mark.parametrize("claim", [IMAGE, PROMPT, ONE_SERVER])
def test_what_all_servers_see_does_not_refute_what_fewer_do_not(claim: Hidden) -> None:
    found = judged(claim, curve(*HIDDEN), exact=[uniform(), views(True)])
    assert found.verdict is Verdict.NOT_REFUTED
    assert {control.name: control.holds for control in found.controls} == {
        "swapped views": True,
        "undefended pipeline": True,
        "all servers together": True,
    }


@pytest.mark.parametrize(
    ("errors", "one", "all_but_one"),
    [
        ((0.9, 0.6, 0.3, 0.0), Verdict.NOT_REFUTED, Verdict.REFUTED),
        ((0.5, 0.3, 0.1, 0.0), Verdict.REFUTED, Verdict.REFUTED),
    ],
)
def test_a_quarter_is_allowed_for_one_server_and_nothing_for_more(
    errors: tuple[float, ...], one: Verdict, all_but_one: Verdict
) -> None:
    games = 80  # where a quarter is allowed, more are needed to find a quarter beyond it
    plain, trials = arm(1, 0.0, servers=1, games=games), curve(*errors, games=games)
    for each in trials[:3]:  # pictures that are like the original, but name none
        each.scores["image/attack"][np.arange(games), (each.truth + 1) % CANDIDATES] = -0.01
    assert judged(ONE_SERVER, trials, reference=[plain]).verdict is one
    assert judged(IMAGE, trials, reference=[plain]).verdict is all_but_one


def test_attacks_that_fail_with_all_shares_say_nothing_of_fewer() -> None:
    found = judged(IMAGE, curve(1.05, 1.05, 1.05, 1.05), exact=[uniform(), views(True)])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "all servers together" in found.reason


def test_shares_that_are_not_uniform_refute_all_but_one_only() -> None:
    exact = [uniform(1e-9), views(True)]
    found = judged(IMAGE, curve(*HIDDEN), exact=exact)
    assert found.verdict is Verdict.REFUTED
    assert "real or uniform" in found.reason
    assert judged(ONE_SERVER, curve(*HIDDEN), exact=exact).verdict is Verdict.NOT_REFUTED


def test_the_exact_argument_needs_both_halves() -> None:
    few = curve(*HIDDEN, games=5)
    plain = [arm(1, 0.0, servers=1, games=5)]
    for exact, covered in (
        ([uniform(), views(True)], True),
        ([uniform(), views(False)], False),
        ([views(True)], False),
        ([uniform()], False),
    ):
        found = judged(PROMPT, few, exact=exact, reference=plain)
        assert (found.verdict is Verdict.NOT_REFUTED) is covered
        assert found.verdict is not Verdict.REFUTED


def test_leakage_is_measured_at_every_coalition() -> None:
    found = judged(IMAGE, curve(1.05, 0.7, 0.3, 0.0))
    sizes = {
        m["coalition"]: m["estimate"]
        for m in found.measures
        if m["name"] == "normalized pixel similarity"
    }
    assert list(sizes) == [1, 2, 3, 4]
    assert sorted(sizes.values()) == list(sizes.values())
    assert sizes[4] == pytest.approx(1.0)
    assert {m["arm"] for m in found.measures if m["name"].startswith("LPIPS")} == {"3 of 4"}


@pytest.mark.parametrize(
    ("preset", "share", "named", "verdict"),
    [
        ("all_linear", 0.843, 0.843, Verdict.NOT_REFUTED),
        ("up_blocks", 0.578, 0.674, Verdict.REFUTED),
        ("conv_and_self_attention", 0.585, 0.737, Verdict.REFUTED),
    ],
)
def test_what_leaves_is_counted_on_the_shapes_of_stable_diffusion(
    preset: str, share: float, named: float, verdict: Verdict
) -> None:
    fields = {} if preset == "all_linear" else {"preset": preset}
    found = judged(Offload(share=0.67), curve(1.05), fields=fields)
    assert found.verdict is verdict
    assert found.estimate == pytest.approx(share, abs=5e-4)
    macs = stable_diffusion_macs(preset)
    assert macs.total == 401_614_807_040 or macs.total / 1e9 == pytest.approx(401.6, abs=0.1)
    assert macs.share == pytest.approx(named, abs=5e-4)
    assert [m["estimate"] for m in found.measures] == [0.8]


def test_shares_are_compared_to_whole_percents() -> None:
    assert reaches(0.6651, 0.67)
    assert not reaches(0.6649, 0.67)


@pytest.mark.parametrize(
    ("psnr", "verdict"),
    [
        ([40.0 + i for i in range(12)], Verdict.NOT_REFUTED),
        ([float("inf")] * 12, Verdict.NOT_REFUTED),
        ([20.0 + i for i in range(12)], Verdict.REFUTED),
        ([30.0 + i for i in range(12)], Verdict.INCONCLUSIVE),
        ([90.0] * 5, Verdict.INCONCLUSIVE),
        ([], Verdict.INCONCLUSIVE),
    ],
)
def test_fidelity_is_the_median_of_psnr(psnr: list[float], verdict: Verdict) -> None:
    found = judged(Fidelity(metric="PSNR", at_least=36.9), curve(1.05, 1.05, psnr=psnr))
    assert found.verdict is verdict
    assert len(found.measures) == (1 if psnr else 0)  # two arms show the same executions


def test_the_worst_preset_decides() -> None:
    arms = [arm(1, 1.05, psnr=[60.0 + i for i in range(20)]), arm(2, 1.05, psnr=[20.0] * 20)]
    found = judged(Fidelity(metric="PSNR", at_least=36.9), arms)
    assert found.verdict is Verdict.REFUTED
    assert found.estimate == 20.0


@given(
    st.lists(st.floats(0, 150) | st.just(float("inf")), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.01, 1e-3]),
)
def test_the_interval_is_made_of_order_statistics(values: list[float], alpha: float) -> None:
    """Against the definition, by enumeration of ranks."""
    from math import comb

    n, ordered = len(values), sorted(min(v, IDENTICAL) for v in values)
    ranks = [
        r for r in range(1, n // 2 + 1) if 2 * sum(comb(n, i) for i in range(r)) <= alpha * 2**n
    ]
    found = median(values, alpha=alpha)
    if not ranks:
        assert not found.interval.bounded
        assert n < games_needed(alpha)
    else:
        assert tuple(found.interval) == (ordered[max(ranks) - 1], ordered[n - max(ranks)])
        assert n >= games_needed(alpha)


def test_the_interval_misses_the_median_no_more_often_than_alpha() -> None:
    """Skewed values, median log 2. Fails on correct code with probability 1e-6."""
    rng, seeds, alpha = np.random.default_rng(0), 2000, 0.05
    missed = sum(
        not median(rng.exponential(size=15), alpha=alpha).interval.covers(np.log(2))
        for _ in range(seeds)
    )
    assert missed <= at_most(seeds, alpha, failure=1e-6)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_nothing_and_nan_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one number and no NaN"):
        median(values, alpha=0.05)


def test_every_claim_of_the_defence_has_this_audit() -> None:
    assert {audit_of(claim) for claim in Ppidm().claims} == {audit}
    hidden = Hidden(what="image", metric="pixel similarity")
    assert audit_of(hidden) is not audit
    case = Case(
        id="a",
        scenario="a",
        question="?",
        defense={},
        claim=Indistinguishability(advantage=0.1),
        role=Role.CLAIM,
        trials=(),
        reference=(),
    )
    with pytest.raises(TypeError, match="must be Hidden, Offload or Fidelity"):
        audit(case, alpha=0.01, profile="quick", seed=0)
