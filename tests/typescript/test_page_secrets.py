"""G7: the script of the approver's page masks what the terminal masks, to the character."""

import json
import shutil
from pathlib import Path

import allowly_authority

VECTORS = Path(__file__).parents[1] / "vectors" / "secrets.json"
ASSETS = Path(allowly_authority.__file__).parent / "web" / "page" / "assets"
PROGRAM = """
import { readFileSync } from "node:fs";
import { secretRanges } from "./secrets.js";
const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(vectors.map(({ pieces }) => secretRanges(pieces.join("")))));
"""


def test_the_page_masks_what_the_terminal_masks(twin, tmp_path: Path) -> None:
    for name in ("secrets.js", "text.js"):
        shutil.copy(ASSETS / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "run.js").write_text(PROGRAM)

    done = twin.run([*twin.node, "run.js", str(VECTORS)], tmp_path, 30)

    assert done.returncode == 0, done.stdout
    vectors = json.loads(VECTORS.read_text("utf-8"))
    assert json.loads(done.stdout) == [vector["masked"] for vector in vectors]
