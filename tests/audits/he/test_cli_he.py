"""`latentleak audit he` as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = ("--poly-modulus-degree=8192", "--coeff-mod-bits=31,26,26,26,26,26,26,31")
LEAN = ("--poly-modulus-degree", "8192", "--coeff-mod-bits", "60,40,60")


def audit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}
    command = [sys.executable, "-m", "latentleak.audits.cli", "audit", "he", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, env=environment, check=False
    )


def test_the_released_parameters_are_refuted(tmp_path: Path) -> None:
    done = audit(*REPOSITORY, "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    record = json.loads(done.stdout)
    assert record["verdict"] == "REFUTED"
    assert record["claim"] == "128 bits of security by every table"
    assert "HE guidelines 2024: 214 bits at most at N = 8192, these have 218" in record["reason"]
    assert "2018" not in record["reason"]
    old, new = record["tables"]
    assert (old["modulus_bits"], old["margin"], old["accepts"]) == (218, 0, True)
    assert (new["modulus_bits"], new["margin"], new["accepts"]) == (218, -4, False)


def test_a_person_reads_a_table(tmp_path: Path) -> None:
    done = audit(*LEAN, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "NOT_REFUTED" in done.stdout
    assert "160 bits, 54 below the strictest limit at N = 8192" in done.stdout
    assert "HE standard 2018" in done.stdout
    assert "ternary" in done.stdout


def test_a_missing_row_refuses(tmp_path: Path) -> None:
    arguments = ("--poly-modulus-degree=1024", "--coeff-mod-bits=14", "--required=192")
    done = audit(*arguments, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "HE guidelines 2024: no 192-bit row for N = 1024" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--poly-modulus-degree=6000", "--coeff-mod-bits=60"], "poly_modulus_degree=6000 must"),
        (["--poly-modulus-degree=8192", "--coeff-mod-bits=60,forty"], "with commas"),
        (["--poly-modulus-degree=8192", "--coeff-mod-bits="], "with commas"),
        (["--poly-modulus-degree=8192", "--coeff-mod-bits=60,-1"], "-1; sizes must be"),
        ([*LEAN, "--secret=gaussian"], "secret='gaussian' must be 'ternary'"),
        ([*LEAN, "--required=100"], "required=100 must be one of"),
        (["--poly-modulus-degree=8192"], "coeff-mod-bits"),
        (["--poly-modulus-degree=many", "--coeff-mod-bits=60"], "integer"),
    ],
)
def test_usage_errors_say_what_to_do(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = audit(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_it_imports_neither_torch_nor_tenseal(tmp_path: Path) -> None:
    code = (
        "import sys, latentleak.audits.cli as cli\n"
        f"sys.argv = ['latentleak', 'audit', 'he', *{REPOSITORY!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit as end: assert end.code == 1\n"
        "assert not {'torch', 'tenseal', 'scipy', 'diffusers'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
