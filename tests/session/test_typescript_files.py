"""A server that is a TypeScript file: what was built of it, what runs it as it is, and a sentence otherwise."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.servers import names_file, parse_server

Programs = Callable[..., None]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "my project"
    (folder / "src").mkdir(parents=True)
    return folder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Have nothing on the path but these programs; each says its version."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def have(**versions: str) -> None:
        for name, version in versions.items():
            program = folder / name
            program.write_text(f"#!{shutil.which('sh', path=os.defpath)}\necho {version}\n")
            program.chmod(0o700)

    have(node="v20.20.2")
    return have


def written(path: Path, *, at: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (at, at))
    return path


def settings(folder: Path, text: str) -> None:
    (folder / "tsconfig.json").write_text(text)


@pytest.mark.parametrize(
    ("said", "source", "built"),
    [
        ('{"compilerOptions": {"rootDir": "src", "outDir": "dist"}}', "src/mail.ts", "dist/mail.js"),
        ('{"compilerOptions": {"rootDir": ".", "outDir": "./dist/"}}', "src/mail.ts", "dist/src/mail.js"),
        ('{"compilerOptions": {"outDir": "dist"}}', "src/mail.ts", "dist/mail.js"),
        ('{"compilerOptions": {"outDir": "dist"}}', "mail.mts", "dist/mail.mjs"),
        ('{"compilerOptions": {"outDir": "../out"}}', "a/b/mail.cts", "../out/a/b/mail.cjs"),
        ('{ // "x"\n "compilerOptions": {/* , */ "outDir": "d//i", }, }', "mail.ts", "d/i/mail.js"),
        ("{}", "src/mail.ts", "src/mail.js"),
        ("no JSON", "src/mail.ts", "src/mail.js"),
        ("[" * 100_000, "src/mail.ts", "src/mail.js"),
        ('{"compilerOptions": {"outDir": 7}}', "src/mail.ts", "src/mail.js"),
    ],
)
def test_the_built_file_is_what_runs(project, programs, said: str, source: str, built: str) -> None:
    settings(project, said)
    path, twin = written(project / source, at=1), written(project / built, at=2)

    spec = parse_server(str(path))

    assert (spec.command[0], Path(spec.command[1]).resolve()) == ("node", twin.resolve())
    assert (spec.info.name, spec.info.configured) == ("mail", str(path))
    assert names_file(str(path))


def test_a_file_without_settings_of_a_compiler_may_have_its_built_file_beside_it(project, programs) -> None:
    path = written(project / "mail.ts")
    twin = written(project / "mail.js")

    assert parse_server(str(path)).command == ("node", str(twin))


def test_a_built_file_that_is_older_than_its_source_is_not_run(project, programs) -> None:
    path = written(project / "mail.ts", at=2)
    written(project / "mail.js", at=1)

    with pytest.raises(ConfigurationError, match=r"is newer than its built file .*mail\.js'; build it again"):
        parse_server(str(path))


def test_without_a_built_file_tsx_runs_the_source(project, programs) -> None:
    path = written(project / "src" / "mail.ts")
    programs(tsx="1")

    command = parse_server(str(path)).command

    assert (Path(command[0]).name, command[1]) == ("tsx", str(path))


def test_the_projects_own_tsx_comes_first(project, programs) -> None:
    path = written(project / "src" / "mail.ts")
    own = written(project / "node_modules" / ".bin" / "tsx")
    own.chmod(0o700)
    programs(tsx="1")

    assert parse_server(str(path)).command == (str(own), str(path))


@pytest.mark.parametrize("version", ["v22.18.0", "v22.19.1", "v23.6.0", "v24.0.0", "v100.0.0"])
def test_a_node_that_leaves_types_out_runs_the_source(project, programs, version: str) -> None:
    path = written(project / "mail.ts")
    programs(node=version)

    assert parse_server(str(path)).command == ("node", str(path))


@pytest.mark.parametrize("version", ["v20.20.2", "v22.17.9", "v23.5.0", "v9.0.0", "none"])
def test_otherwise_a_sentence_says_what_to_do(project, programs, version: str) -> None:
    path = written(project / "mail.ts")
    programs(node=version)

    with pytest.raises(ConfigurationError, match=r"is TypeScript, and no built file of it was found; build it, name"):
        parse_server(str(path))


def test_without_any_node_the_sentence_is_the_same(project, programs, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    path = written(project / "mail.ts")

    with pytest.raises(ConfigurationError, match="install tsx"):
        parse_server(str(path))


def test_a_file_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(ConfigurationError, match="there is no file"):
        parse_server("missing.ts")
