"""The page in a real browser: accessible, quiet, whole on a phone, by keyboard and on paper."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import websocket

from latentleak.audits.cells import Cell, CellStatus, write_cells
from latentleak.audits.report import render
from latentleak.audits.verdict import Finding, Row
from latentleak.defenses.claims import DifferentialPrivacy

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
RUN_AXE = "axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))"
OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true })"
Make = Callable[..., Finding]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE = 60.0
"""Longest that the browser may take for one answer [s]."""


class Browser:
    """A headless Chromium with one tab, over its debugging protocol; a context manager."""

    def __enter__(self) -> Browser:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            raise RuntimeError(f"none of {', '.join(NAMES)} is installed: run .ci/packages")
        self._profile = tempfile.TemporaryDirectory(
            prefix="latentleak-", ignore_cleanup_errors=True
        )
        self._process = subprocess.Popen(
            [
                program,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--no-first-run", "--disable-background-networking", "--disable-extensions"),
                *("--remote-debugging-port=0", "--remote-allow-origins=*"),
                f"--user-data-dir={self._profile.name}",
                "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        address = next(
            found[0] for line in self._process.stderr if (found := re.search(r"ws://\S+", line))
        )
        self._socket = websocket.create_connection(address, timeout=PATIENCE)
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer; events that come before it are kept."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        session = {"sessionId": self._session} if self._session else {}
        self._socket.send(json.dumps(request | session))
        while True:
            message: dict[str, Any] = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            self.events.append(message)

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file in a window of a given size, and wait until it is there."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + PATIENCE
        while self.evaluate("document.readyState") != "complete":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                **text,
            )

    def complaints(self) -> list[str]:
        """Console messages, exceptions and log entries since the page was opened."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]

    def requests(self) -> list[str]:
        """What was asked of the network or the disk since the page was opened."""
        sent = [e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as started:
        yield started


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory,
    finding: Make,
    refuted: Make,
    plain: Make,
    undecided: Make,
    row: Callable[..., Row],
) -> Path:
    """A run of two questions: every verdict, every status of a cell, every kind of figure."""
    folder = tmp_path_factory.mktemp("run")
    epsilon = refuted(
        id="was-my-image-used/dpagg-ti",
        scenario="was-my-image-used",
        question="Was my image in the collection?",
        claim=DifferentialPrivacy(epsilon=1.0, delta=1e-5).to_dict(),
        threat_model={"coalition": ["public"], "behavior": "semi-honest", "knows": []},
        rows=(
            row(
                arm="worst",
                metric="epsilon at least (gdp)",
                estimate=2.0,
                interval=(2.0, float("inf")),
                games={**row().games, "group": 1},
            ),
        ),
    )
    _keep_scores(folder)
    cost = dict.fromkeys(("round_trips", "messages", "sent", "received", "served", "own"), 1234)
    counted = row(games={**row().games, "cost": cost})
    size = {"name": "ciphertext", "estimate": 262.144, "unit": "kB", "cost": True, "steps": 20}
    points = tuple(
        {
            "name": "retrieval",
            "adversary": "order",
            "estimate": 0.2 * size,
            "interval": [0.2 * size - 0.1, 0.2 * size + 0.1],
            "along": ["coalition size", size],
            "n": 40,
        }
        for size in (1, 2, 3)
    )
    priced = finding(rows=(counted, *finding().rows), measures=(size,))
    found = [refuted(measures=points), priced, plain(), undecided(), epsilon]
    (folder / "findings.jsonl").write_text("".join(each.to_json() + "\n" for each in found))
    command = ["latentleak", "run", "all", "--seed", "0"]
    config = {"scenarios": ["all"], "seed": 0, "alpha": 0.01, "profile": "quick"}
    (folder / "run.json").write_text(json.dumps({"command": command, "config": config}))
    write_cells(folder, _cells())
    return render(folder, "html")


def _keep_scores(folder: Path) -> None:
    """Of one arm of a release: what a ROC curve is drawn from."""
    path = folder / "trials" / "was-my-image-used-dpagg-ti-worst.npz"
    path.parent.mkdir()
    truth = np.repeat([1, 0], 200)
    drawn = {"scores/likelihood ratio": truth[:, None] + np.linspace(-2, 2, 400)[:, None]}
    np.savez(path, truth=truth, allow_pickle=False, **drawn)
    record = {"arm": "worst", "facts": {}, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(record))


def _cells() -> list[Cell]:
    shared: dict[str, Any] = {"scenario": "which-prompt", "coalition": ("server/0",)}
    return [
        Cell(
            **shared,
            defense="broken",
            adversary="residue",
            status=CellStatus.MEASURED,
            findings=("which-prompt/broken",),
        ),
        Cell(
            **shared,
            defense="broken",
            adversary="timing",
            status=CellStatus.NOT_APPLICABLE,
            reason="it reads clocks, which this coalition is not sent",
        ),
        Cell(
            **shared,
            defense="obclip",
            adversary="size",
            status=CellStatus.FAILED,
            reason="ValueError: no sizes",
        ),
        Cell(
            scenario="was-my-image-used",
            defense="broken",
            adversary=None,
            coalition=(),
            status=CellStatus.NOT_APPLICABLE,
            reason="it has servers and publishes nothing",
        ),
    ]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (360, False)])
def test_no_accessibility_rule_is_broken(
    browser: Browser, page: Path, width: int, dark: bool
) -> None:
    browser.open(page, width=width, dark=dark)
    browser.evaluate(OPEN_ALL)
    browser.evaluate(AXE + ";0")
    violations = json.loads(browser.evaluate(RUN_AXE))
    said = [(v["id"], v["help"], [n["html"][:160] for n in v["nodes"]]) for v in violations]
    assert said == [], json.dumps(said, indent=1)


def test_the_console_is_silent_and_nothing_is_fetched(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.evaluate(OPEN_ALL)
    assert browser.complaints() == []
    elsewhere = [url for url in browser.requests() if not url.startswith("data:")]
    assert elsewhere == [page.resolve().as_uri()]


@pytest.mark.parametrize("width", [360, 720, 1280, 1920])
def test_nothing_sticks_out_of_the_window(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width)
    browser.evaluate(OPEN_ALL)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width


def test_every_drawing_and_table_is_on_the_page(browser: Browser, page: Path) -> None:
    """What the tests of this module look at is there to be looked at."""
    browser.open(page)
    for each in ("svg.forest", "svg.roc .limit", "svg.roc .band", "table.costs td", "table.sizes"):
        assert browser.evaluate(f"document.querySelectorAll('{each}').length") > 0, each


@pytest.mark.parametrize(
    ("width", "medium", "shown"),
    [(1280, "screen", "table-cell"), (360, "screen", "flex"), (360, "print", "table-cell")],
)
def test_costs_are_a_table_but_on_a_phone(
    browser: Browser, page: Path, width: int, medium: str, shown: str
) -> None:
    """On a phone each value has its title beside it."""
    browser.open(page, width=width)
    browser.call("Emulation.setEmulatedMedia", media=medium)
    cell = "document.querySelector('table.costs td')"
    deadline = time.monotonic() + PATIENCE
    while browser.evaluate(f"getComputedStyle({cell}).display") != shown:
        assert time.monotonic() < deadline  # the style follows the medium a frame or more later
        time.sleep(0.02)
    title = browser.evaluate(f"getComputedStyle({cell}, '::before').content")
    assert ("model" in title) is (shown == "flex")


def test_a_place_of_the_matrix_opens_by_keyboard(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(each => { each.open = false })")
    target = browser.evaluate("document.querySelector('.matrix a').hash.slice(1)")
    shown = (
        f"document.getElementById({target!r}).closest('details').open "
        f"&& document.getElementById({target!r}).getBoundingClientRect().height > 0"
    )
    assert not browser.evaluate(shown)
    for _ in range(10):
        browser.press("Tab", 9)
        if browser.evaluate("document.activeElement.matches('.matrix a')"):
            break
    browser.press("Enter", 13)
    assert browser.evaluate("location.hash") == f"#{target}"
    assert browser.evaluate(shown)


def test_paper_shows_what_is_folded(browser: Browser, page: Path) -> None:
    browser.open(page)
    folded = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
    hidden = f"{folded}.filter(e => e.checkVisibility({{contentVisibilityAuto: true}})).length"
    count = browser.evaluate(f"{folded}.length")
    assert count > 3
    assert browser.evaluate(hidden) == 0
    browser.call("Emulation.setEmulatedMedia", media="print")
    deadline = time.monotonic() + PATIENCE
    while browser.evaluate(hidden) < count and time.monotonic() < deadline:
        time.sleep(0.02)  # the style follows the medium a frame or more later
    assert browser.evaluate(hidden) == count
    browser.call("Emulation.setEmulatedMedia", media="")
