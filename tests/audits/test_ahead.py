"""Arms played side by side give the same findings, and a process that dies costs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from latentleak.audits import ahead, contest, workers
from latentleak.audits.config import RunConfig
from latentleak.audits.contest import contests
from latentleak.audits.engine import run
from latentleak.audits.folder import RunFolder

CONFIG = RunConfig(
    scenarios=("what-did-the-server-see",),
    defense="he-client-unet",
    adversaries=("clear-latent",),
    settings={"scenario.games": 0, "scenario.latents": 2, "scenario.keys": 2},
)
"""Two arms a defence, on the tiny model."""


def _findings(out: Path) -> bytes:
    run(CONFIG, out=out)
    return (out / "findings.jsonl").read_bytes()


def test_findings_are_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int, int]] = []
    played = _group()
    folder = RunFolder.start(tmp_path / "played", CONFIG, resume=False)
    ahead.play_ahead(played, CONFIG, folder, lambda *progress: seen.append(progress))
    finished = {path.parent.name for path in folder.work.rglob("latents.npz")}
    assert finished == {
        "clientunet-first-latent",
        "clientunet-last-ciphertext",
        "plain-first-latent",
    }
    assert ("clientunet-first-latent: games", 2, 2) in seen
    beside = _findings(tmp_path / "beside")
    monkeypatch.setattr(contest, "play_ahead", lambda *_: None)
    assert _findings(tmp_path / "alone") == beside


def test_a_process_that_dies_leaves_its_arm_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "PROCESS", ("sys:exit", (3,)))
    folder = RunFolder.start(tmp_path / "run", CONFIG, resume=False)
    ahead.play_ahead(_group(), CONFIG, folder, lambda *_: None)
    assert not list(folder.work.rglob("*.npz"))


def test_a_configuration_survives_the_way_there() -> None:
    assert RunConfig.of(CONFIG.to_dict()) == CONFIG


def test_games_that_several_claims_rest_on_are_played_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _asked(monkeypatch)
    config = RunConfig(scenarios=("which-prompt",))
    every = contests(config, config.scenarios)
    assert len({each.games for each in every}) < len(every)
    folder = RunFolder.start(tmp_path / "run", config, resume=False)
    ahead.play_ahead(contest.firsts(every), config, folder, lambda *_: None)
    assert {games for _, games, _ in asked} == {each.games for each in every}


def test_all_begins_with_the_most_work_and_ends_with_single_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _asked(monkeypatch)
    config = RunConfig(scenarios=("all",))
    every = contests(config, contest.scenarios_of(config))
    folder = RunFolder.start(tmp_path / "run", config, resume=False)
    ahead.do_ahead(every, config, folder, lambda *_: None, {})
    judged = [name for what, name, _ in asked if what == workers.SCENARIO]
    assert sorted(judged) == sorted({each.scenario.name for each in every})
    attacks = {each.scenario.name: len(each.adversaries) for each in every}
    work = {}
    for name in judged:
        arms = [i for i, unit in enumerate(asked) if unit[1].startswith(f"{name}/")]
        assert all(i < asked.index((workers.SCENARIO, name, 0)) for i in arms)
        work[name] = len(arms) * attacks[name]
    assert list(work.values()) == sorted(work.values(), reverse=True)
    assert {name for name, size in work.items() if not size} == {
        each.scenario.name for each in every if not getattr(each.scenario, "parallel", False)
    }


def _asked(monkeypatch: pytest.MonkeyPatch) -> list[workers.Unit]:
    """Units in the order in which they are handed out; each counts as done at once."""
    asked: list[workers.Unit] = []

    def noted(units: workers.Units, *_: object) -> None:
        while (unit := units.take()) is not None:
            asked.append(unit)
            units.end(unit)

    monkeypatch.setattr(ahead, "side_by_side", noted)
    return asked


def _group() -> dict[str, contest.Contest]:
    return contest.firsts(contests(CONFIG, CONFIG.scenarios))
