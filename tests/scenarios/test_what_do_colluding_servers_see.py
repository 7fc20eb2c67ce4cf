"""Colluding servers: every coalition's view is what it saw, the tap is enough, curves and runs."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentleak.adversaries.contract import Adversary, Auxiliary
from latentleak.adversaries.naive_decode import NaiveDecode
from latentleak.audits import run
from latentleak.audits.verdict import Verdict
from latentleak.defenses.ppidm.protocol import Ppidm
from latentleak.defenses.ppidm.variants import Partition, RealShares, RingShares
from latentleak.defenses.protocol import execute
from latentleak.defenses.wire import CLIENT
from latentleak.scenarios import drawn, recovered_inputs, standard_run
from latentleak.scenarios.coalitions import CoalitionArm, play_once, resolved
from latentleak.scenarios.collusion import bootstrap
from latentleak.scenarios.contract import Setting, Trials, adjusted
from latentleak.scenarios.drawn import KNOWS, Drawn
from latentleak.scenarios.what_do_colluding_servers_see import (
    WhatDoColludingServersSee,
    draw,
)
from latentleak.targets.pipeline import load

SCENARIO = "latentleak.scenarios.what_do_colluding_servers_see:WhatDoColludingServersSee"
SMALL = WhatDoColludingServersSee(games=3, few=0, steps=3, early=(1,))
EVERYTHING = frozenset(f"layer-{number:03d}" for number in range(1000))
MODES = {"ring": RingShares(n=3), "real": RealShares(n=3), "partition": Partition(n=3)}


def setting_in(folder: Path) -> Setting:
    return Setting(
        target=lambda _: load("tiny", device="cpu"),
        seed=3,
        work=folder / "work" / "games",
        artifacts=folder / "artifacts",
        sealed=False,
    )


def arms_of(defense: Ppidm) -> list[CoalitionArm]:
    return [arm for arm in SMALL.arms(defense, "quick") if isinstance(arm, CoalitionArm)]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """All modes on the tiny model, played and judged once, with one simple adversary."""
    setting = setting_in(tmp_path_factory.mktemp("judged"))
    adversaries: dict[str, Adversary] = {"naive decode": NaiveDecode()}
    played = [SMALL.play(a, {}, setting) for d in MODES.values() for a in arms_of(d)]
    return {
        "setting": setting,
        "played": played,
        "trials": SMALL.judge(played, adversaries, setting),
    }


def of_mode(judged: Mapping[str, Any], mode: str) -> list[tuple[CoalitionArm, Trials]]:
    pairs = zip(resolved(judged["played"], judged["setting"].work), judged["trials"], strict=True)
    found = [(each.arm, trials) for each, trials in pairs]
    return [(arm, trials) for arm, trials in found if arm.defense == replace(MODES[mode], steps=3)]


def test_a_coalition_sees_what_the_transcript_shows_it(tmp_path: Path) -> None:
    setting = setting_in(tmp_path)
    arm = replace(arms_of(MODES["ring"])[0], games=2)
    secrets = draw(arm, setting.seed)
    whole = play_once(arm, secrets, EVERYTHING, setting)
    assert isinstance(whole, Drawn)
    for game, secret in enumerate(secrets):
        seed = drawn.seed_of(arm, setting, game)
        prompt = secret.candidates[secret.real]
        _, transcript = execute(arm.defense, setting.target("tiny"), prompt, seed)
        for size in (1, 2, 3):
            for members in combinations(arm.defense.servers, size):
                expected, own = transcript.view(members), whole.views.seen_by(members)
                assert own.messages(game) == expected.messages
                assert own.view(game).coins == expected.coins
                assert own.view(game).public == expected.public
        transcript.close()


@pytest.mark.parametrize("mode", MODES)
def test_a_part_is_the_tapped_requests_of_its_members(mode: str, tmp_path: Path) -> None:
    setting = setting_in(tmp_path)
    arms = [replace(arm, games=2) for arm in arms_of(MODES[mode]) if arm.sessions == 1]
    tap = frozenset({"layer-000", "layer-007"})
    secrets = draw(arms[0], setting.seed)
    parts = resolved([play_once(arm, secrets, tap, setting) for arm in arms], tmp_path)
    assert [part.arm for part in parts] == arms
    for game, secret in enumerate(secrets):
        seed = drawn.seed_of(arms[0], setting, game)
        prompt = secret.candidates[secret.real]
        _, transcript = execute(arms[0].defense, setting.target("tiny"), prompt, seed)
        for part in parts:
            assert isinstance(part.arm, CoalitionArm)
            steps = part.arm.seen or part.arm.defense.steps
            expected = [
                message
                for kind in sorted(tap)
                for server in part.arm.members
                for message in [
                    m
                    for m in transcript.view(part.arm.members).messages
                    if m.kind == kind and m.sender == CLIENT and m.receiver == server
                ][:steps]
            ]
            assert list(part.views.messages(game)) == sorted(expected, key=lambda m: m.number)
        transcript.close()


@pytest.mark.parametrize(
    ("mode", "preset"),
    [(mode, "all_linear") for mode in MODES] + [("real", "up_blocks")],
)
def test_the_tap_drops_nothing_that_an_adversary_reads(
    mode: str, preset: str, tmp_path: Path
) -> None:
    """What adversaries say of tapped views is what they say of everything that servers got."""
    setting = setting_in(tmp_path)
    arm = replace(arms_of(replace(MODES[mode], preset=preset))[1], games=2)
    whole = replace(arm, members=arm.defense.servers)
    tapped, everything = (
        resolved([play, arm], tmp_path / str(number))[1]
        for number, play in enumerate(
            (
                SMALL.play(whole, {}, setting),
                play_once(
                    whole, draw(whole, setting.seed), EVERYTHING, replace(setting, work=tmp_path)
                ),
            )
        )
    )
    adversaries = {
        name: adjusted(adversary, examples=8, rounds=1)
        for name, adversary in SMALL.adversaries().items()
        if arm.takes(adversary, EVERYTHING)
    }
    said = [
        drawn.hear([replace(each, arm=arm)], adversaries, SMALL.threat_model, setting)
        for each in (tapped, everything)
    ]
    assert tapped.facts["tap"]["kept"] < everything.facts["tap"]["kept"]
    for name in adversaries:
        one, other = (next(iter(each.values()))[name].own for each in said)
        np.testing.assert_array_equal(one.scores, other.scores)
        assert (one.images is None) == (other.images is None)
        if one.images is not None and other.images is not None:
            np.testing.assert_array_equal(one.images, other.images)


def test_arms_that_look_at_games_nobody_played_are_refused(tmp_path: Path) -> None:
    arm = next(arm for arm in arms_of(MODES["ring"]) if not arm.own)
    with pytest.raises(ValueError, match="no arm of all servers"):
        resolved([arm], tmp_path)


def test_presets_sizes_and_early_looks_are_all_there() -> None:
    scenario = WhatDoColludingServersSee(games=4, few=2, steps=3, early=(1, 2, 3))
    arms = [arm for arm in scenario.arms(RealShares(), "quick") if isinstance(arm, CoalitionArm)]
    assert len({arm.name for arm in arms}) == len(arms)
    for preset in ("all_linear", "up_blocks", "conv_and_self_attention"):
        mine = [arm for arm in arms if arm.defense.preset == preset and not arm.seen]
        own = preset == "all_linear"
        assert {len(arm.members) for arm in mine} == ({1, 2, 3, 4} if own else {1, 4})
        assert all(arm.measured != own for arm in mine)
    assert {(len(arm.members), arm.seen) for arm in arms if arm.seen} == {
        (size, seen) for size in (3, 4) for seen in (1, 2)
    }
    assert any("server/3" not in arm.members and len(arm.members) == 3 for arm in arms)
    partition = scenario.arms(Partition(), "quick")
    single = [arm for arm in partition if isinstance(arm, CoalitionArm) and not arm.measured]
    assert {arm.members for arm in single if len(arm.members) == 1} == {
        (party,) for party in Partition().servers
    }
    full = [arm for arm in scenario.arms(Partition(), "full") if isinstance(arm, CoalitionArm)]
    assert all(
        arm.measured == (arm.defense.preset != "all_linear")
        for arm in full
        if not arm.seen and arm.sessions == 1 and len(arm.members) != 3
    )
    for preset in ("all_linear", "up_blocks", "conv_and_self_attention"):
        mine = {arm.members for arm in full if arm.defense.preset == preset}
        assert {len(members) for members in mine} == {1, 2, 3, 4}
        assert sum(len(members) == 3 for members in mine) == 4


def test_everybody_together_has_the_picture_and_partition_rises_to_it(
    judged: Mapping[str, Any],
) -> None:
    for mode in MODES:
        looks = of_mode(judged, mode)
        (_, whole), *_ = looks
        assert similarity(whole) > 0.99, mode
        sizes = {len(arm.members): similarity(t) for arm, t in looks if not arm.seen}
        assert max(sizes, key=lambda size: sizes[size]) == 3
        if mode == "partition":
            assert sizes[1] < sizes[2] < sizes[3]


def similarity(trials: Trials) -> float:
    own, blind = (trials.scores[f"image/{who}"] for who in ("naive decode", drawn.BLIND))
    rows = np.arange(len(trials.truth))
    return float(1 - own[rows, trials.truth].mean() / blind[rows, trials.truth].mean())


def test_facts_name_coalition_tap_and_utility(judged: Mapping[str, Any]) -> None:
    for mode in MODES:
        for arm, trials in of_mode(judged, mode):
            facts = trials.facts
            assert facts["coalition"] == list(arm.members)
            assert facts["servers"] == 3
            assert facts["tap"]["kept"] < facts["tap"]["messages"]
            assert "layer-000" in facts["tap"]["requests"]
            assert len(facts["tap"]["dropped"]) == 64
            assert ("psnr" in facts) == arm.own
    psnr = {mode: of_mode(judged, mode)[0][1].facts["psnr"] for mode in MODES}
    assert all(len(values) == 3 for values in psnr.values())
    assert min(psnr["partition"]) > 100
    assert min(psnr["ring"]) > 60
    assert max(psnr["real"]) < min(psnr["partition"])
    facts = of_mode(judged, "ring")[0][1].facts
    assert facts["offload_share"] == pytest.approx(facts["macs"]["named"] / facts["macs"]["total"])


def test_curves_and_pictures_are_written(judged: Mapping[str, Any]) -> None:
    from PIL import Image

    folder = judged["setting"].artifacts
    with (folder / "partition-all-linear-curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    head = "servers,adversary,similarity,low,high,floor,ceiling,games"
    assert list(rows[0]) == head.split(",")
    assert [row["servers"] for row in rows] == ["1", "2", "3"]
    assert all(float(r["low"]) <= float(r["similarity"]) <= float(r["high"]) for r in rows)
    with (folder / "partition-all-linear-steps.csv").open() as file:
        early = list(csv.DictReader(file))
    assert {(row["steps"], row["secret"]) for row in early} == {
        (steps, f"image, {servers}: naive decode")
        for steps in "13"
        for servers in ("3 servers", "1 server")
    }
    # The original and one picture a coalition size, below each other for three games.
    with Image.open(folder / "partition-all-linear.png") as image:
        assert image.width % 4 == 0
        assert image.width / 4 == image.height / 3
        pixels = np.asarray(image)
    side = pixels.shape[1] // 4
    original, everybody = pixels[:, :side], pixels[:, 3 * side :]
    assert np.abs(original.astype(int) - everybody).mean() < 1
    assert np.abs(original.astype(int) - pixels[:, side : 2 * side]).mean() > 5


def test_the_standard_run_is_the_protected_one_without_servers(
    judged: Mapping[str, Any], tmp_path: Path
) -> None:
    whole = next(
        each
        for each in resolved(judged["played"], judged["setting"].work)
        if each.arm.defense.share == "ring"
    )
    exact = replace(
        whole,
        latents=standard_run.latents(whole, judged["setting"], cache=tmp_path).numpy()[:, None],
    )
    found = standard_run.psnr(exact, judged["setting"], cache=tmp_path)
    assert all(value == float("inf") for value in found)


def test_all_servers_recover_every_input_and_one_less_does_not(tmp_path: Path) -> None:
    found = recovered_inputs.recovered(RingShares(n=2), setting_in(tmp_path))
    assert found["holds"]
    assert found["requests"] == 71 + 29 + 33
    defense = RingShares(n=2, steps=1)
    record = recovered_inputs.Record(procedure=defense.procedure)
    own = replace(defense, procedure=record.recording)
    _, transcript = execute(own, load("tiny", device="cpu"), recovered_inputs.PROMPT, 1)
    one = transcript.view({"server/0"}).messages
    opened = recovered_inputs.sums(one, 48)
    assert opened.keys() == record.inputs.keys()
    assert not any((opened[at] == x).all() for at, x in record.inputs.items())
    transcript.close()


def test_a_bootstrap_interval_holds_the_estimate_and_repeats() -> None:
    own = np.linspace(0.1, 0.3, 20)
    low, high = bootstrap(0, "arm", "name", own, np.full(20, 0.4))
    assert low < 0.5 < high
    assert (low, high) == bootstrap(0, "arm", "name", own, np.full(20, 0.4))
    assert bootstrap(0, "arm", "name", np.ones(5)) == (1.0, 1.0)


def test_an_interrupted_run_goes_on_with_the_games_that_were_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"scenario.games": 2, "scenario.few": 0, "scenario.steps": 1, "defense.n": 2}
    options: dict[str, Any] = {
        "model": "tiny",
        "defense": "ppidm-partition",
        "sealed": False,
        "settings": sizes,
    }
    monkeypatch.setattr("latentleak.audits.contest.play_ahead", lambda *_: None)
    few = {"plain reading": SMALL.adversaries()["plain reading"], "naive decode": NaiveDecode()}
    monkeypatch.setattr(WhatDoColludingServersSee, "adversaries", lambda _: few)
    with monkeypatch.context() as patch:
        patch.setattr(WhatDoColludingServersSee, "judge", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(SCENARIO, out=tmp_path / "run", **options)
    with monkeypatch.context() as patch:
        patch.setattr(drawn, "execute", _interrupted)
        resumed = run(SCENARIO, out=tmp_path / "run", resume=True, **options)
    run(SCENARIO, out=tmp_path / "straight", **options)
    text = [(tmp_path / name / "findings.jsonl").read_text() for name in ("run", "straight")]
    assert text[0] == text[1]
    verdicts = {finding.id.rpartition("/")[2]: finding.verdict for finding in resumed.findings}
    assert verdicts["offload"] is Verdict.NOT_REFUTED


def _interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


def test_the_threat_model_grants_what_the_adversaries_need() -> None:
    for adversary in SMALL.adversaries().values():
        SMALL.threat_model.check(adversary)
    facts = Auxiliary(candidates=(("a",),), weights={"spec": "tiny"}, others=np.zeros((1, 1)))
    granted = SMALL.threat_model.grant(facts)
    assert granted.others is None
    assert SMALL.threat_model.knows == KNOWS


@pytest.mark.parametrize(
    "fields", [{"games": 1}, {"few": -1}, {"steps": 0}, {"early": (0,)}, {"pairs": 1}], ids=str
)
def test_sizes_out_of_range_are_refused(fields: Mapping[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        WhatDoColludingServersSee(**fields)
