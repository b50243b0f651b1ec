"""Every seeded bug can be put into the code as it stands: cheap enough to be asked of every change to the code."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SEEDED = sorted(path.stem for path in HERE.glob("seeded_*.py"))


@pytest.fixture(scope="module")
def runner() -> Iterator[ModuleType]:
    """The program that runs mutants; the modules that seed them import it by its bare name."""
    sys.path.insert(0, str(HERE))
    try:
        yield import_module("mutants")
    finally:
        sys.path.remove(str(HERE))


@pytest.mark.parametrize("name", SEEDED)
def test_every_patch_finds_its_text_once_and_leaves_sound_python(runner: ModuleType, name: str, tmp_path: Path) -> None:
    wrong: list[str] = []
    for number, mutant in enumerate(import_module(name).MUTANTS):
        files: dict[str, str] = {}
        for patch in mutant.patches:
            text = files.get(patch.path) or (ROOT / patch.path).read_text(encoding="utf-8")
            if text.count(patch.old) != 1:
                wrong.append(f"{mutant.name}: {patch.path} holds {text.count(patch.old)} times {patch.old!r}")
            files[patch.path] = text.replace(patch.old, patch.new)
        for path, text in files.items():
            (tmp_path / f"{number}-{Path(path).name}").write_text(text, encoding="utf-8")

    assert not wrong, "\n".join(wrong)
    assert not problems_in(tmp_path)


@pytest.mark.parametrize("name", SEEDED)
def test_every_mutant_names_groups_of_tests_that_exist(runner: ModuleType, name: str) -> None:
    mutants: tuple[Any, ...] = import_module(name).MUTANTS

    unknown = {killer for mutant in mutants for killer in mutant.killers} - set(runner.GROUPS)

    assert not unknown
    assert all(mutant.killers and mutant.patches and mutant.guarantee for mutant in mutants)


def test_the_files_that_the_groups_name_are_there(runner: ModuleType) -> None:
    named = {word for words in runner.GROUPS.values() for word in words if word.startswith("tests/")}

    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_every_module_of_seeded_bugs_is_run(runner: ModuleType) -> None:
    text = (HERE / "mutants.py").read_text(encoding="utf-8")

    assert not [name for name in SEEDED if f"import {name}\n" not in text]


def problems_in(folder: Path) -> str:
    """Say which files are no Python, or name what does not exist: any test would notice such a bug unseeing."""
    lint = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "E9,F821,F823"]
    done = subprocess.run([*lint, "--output-format", "concise", folder], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""
