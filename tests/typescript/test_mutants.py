"""Seeded bugs: each guarantee of the TypeScript gate is broken on purpose, and the package's tests must notice."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
SECONDS = 120


@dataclass(frozen=True)
class Mutant:
    """Texts that stand in a source file exactly once, what they become, and which tests must fail then."""

    path: str
    old: str
    new: str
    killer: str
    also: tuple[str, str, str] | None = None

    @property
    def patches(self) -> list[tuple[str, str, str]]:
        return [(self.path, self.old, self.new), *([self.also] if self.also else [])]


MUTANTS = {
    "G10 a check that failed opens the tool": Mutant(
        "gate.ts",
        "        return unavailable(fallbackReason(error));",
        "        return { allowed: true, grant };",
        "faults",
    ),
    "G10 a bug below the gate opens the tool": Mutant(
        "gate.ts",
        '      return unavailable("fallback_closed_error");\n    }\n    switch',
        "      return { allowed: true, grant };\n    }\n    switch",
        "gate",
    ),
    "G10 no deadline": Mutant(
        "gate.ts", 'limit.abort(new AuthorityError("timeout"));', "void limit; void AuthorityError;", "gate"
    ),
    "G5 a deny is allowed": Mutant(
        "gate.ts", '      case "deny":\n', '      case "deny": return { allowed: true, grant };\n', "attach"
    ),
    "G7 what a callback throws is told": Mutant(
        "gate.ts", "`a callback ended in ${kindOf(error)}", "`a callback ended in ${String(error)}", "gate"
    ),
    "G2 the caller's own arguments reach the tool": Mutant(
        "dispatch.ts", "    own = frozen(copied(given ?? {}));", "    own = given ?? {};", "attach"
    ),
    "G2 the caller's own request reaches the tool": Mutant(
        "dispatch.ts",
        "{ ...shared, method: TOOL_CALL, params: { ...((shared.params ?? {}) as Named) } };",
        "shared;",
        "attacks",
    ),
    "G2 a zero with a sign reaches the tool": Mutant(
        "facts.ts", "return value === 0 ? 0 : value;", "return value;", "attacks"
    ),
    "the user is taken from a prototype": Mutant(
        "gate.ts", 'own(facts.arguments, "user_id")', 'facts.arguments["user_id"]', "attacks"
    ),
    "what is asked is taken from a prototype": Mutant(
        "facts.ts", "Object.assign(Object.create(null) as CheckInput, check)", "check", "attacks"
    ),
    "G2 a wrapping handler may change the call": Mutant(
        "verdicts.ts", "&& grant.argumentsJson === argumentsJson", "&& grant.argumentsJson !== null", "wrapped"
    ),
    "G4 a granted run may be repeated": Mutant(
        "dispatch.ts",
        "    const earlier = this.#granted.get(signal);\n    this.#granted.delete(signal);",
        "    const earlier = this.#granted.get(signal);",
        "wrapped",
    ),
    "a handler for the rest is not guarded": Mutant(
        "dispatch.ts",
        "(fallback === undefined ? undefined : stage.guarded(fallback, ({ method }) => method === TOOL_CALL)),",
        "fallback,",
        "attach",
    ),
    "the table may be exchanged": Mutant(
        "dispatch.ts",
        'Object.defineProperty(dispatcher, "_requestHandlers", { ...fixed, value: handlers });',
        "",
        "attach",
    ),
    "a server of an unknown make is taken for guarded": Mutant(
        "dispatch.ts", "  return asked.includes(TOOL_CALL);", "  return asked.length >= 0;", "attach"
    ),
    "a cancelled call runs": Mutant(
        "gate.ts",
        '  signal.addEventListener("abort", cancel, { once: true });\n',
        "  void cancel;\n",
        "attach",
        also=("dispatch.ts", "    signal.throwIfAborted();\n", ""),
    ),
    "G9 a nonce for another decision is taken": Mutant(
        "replies.ts", '(confirmNonce !== null) !== (decision === "confirm") || ', "", "vectors"
    ),
    "G9 an answer about somebody else counts": Mutant(
        "replies.ts", 'fields["authorization_id"] !== authorizationId || ', "", "vectors"
    ),
    "G9 the last of two equal names wins": Mutant(
        "strict-json.ts", "if (Object.hasOwn(members, name)) {", "if (name === undefined) {", "vectors"
    ),
    "a rounded number is run": Mutant(
        "gate.ts", "return isExact(value) ? canonicalJson(value) : null;", "return canonicalJson(value);", "vectors"
    ),
    "names are sorted by locale": Mutant(
        "binding.ts", "    .sort()\n", "    .sort((a, b) => a.localeCompare(b))\n", "vectors"
    ),
    "http to any computer": Mutant(
        "addresses.ts", "if (!secure && !isThisComputer(host)) {", 'if (!secure && host === "") {', "vectors"
    ),
    "a repetition under another key": Mutant(
        "gate.ts", "idempotencyKey: grant.key };", "idempotencyKey: freshKey() };", "gate"
    ),
    "a leg keeps its place after it was decided": Mutant(
        "gate.ts", "      if (!decided) {", "      {", "continuations"
    ),
    "a place is taken twice": Mutant(
        "continuations.ts",
        "        return place.key;",
        "        this.put(leg, place.key);\n        return place.key;",
        "continuations",
    ),
    "a call without a user is looked up": Mutant(
        "gate.ts",
        "    if (!isName(userId)) {",
        '    if (typeof userId !== "string") {',
        "gate",
    ),
}


def test_no_mutant_survives_by_itself(twin, tmp_path) -> None:
    """The unchanged package passes in the same place, so that what fails there fails because it was broken."""
    package = _copy(twin, tmp_path)

    for killer in sorted({mutant.killer for mutant in MUTANTS.values()}):
        assert _tested(twin, package, killer).returncode == 0


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_killed(twin, tmp_path, name: str) -> None:
    mutant = MUTANTS[name]
    package = _copy(twin, tmp_path)
    for path, old, new in mutant.patches:
        source = package / "src" / path
        text = source.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} holds {text.count(old)} times: {old!r}"
        source.write_text(text.replace(old, new), encoding="utf-8")

    lenient = ["--noUnusedLocals", "false", "--noUnusedParameters", "false"]
    built = twin.run([*twin.npm, "exec", "--", "tsc", "-p", ".", *lenient], package, SECONDS)
    tested = _tested(twin, package, mutant.killer)

    assert built.returncode == 0, built.stdout
    assert tested.returncode == 1, "it survived"
    assert "pass 0" not in tested.stdout, "it breaks everything"


def _copy(twin, tmp_path: Path) -> Path:
    """Return a copy of the package that finds the vectors where it looks for them."""
    package = tmp_path / "middleware" / "typescript"
    package.mkdir(parents=True)
    for name in ("package.json", "tsconfig.json"):
        shutil.copy(twin.built / name, package)
    for name in ("src", "tests", "examples", "dist"):
        shutil.copytree(twin.built / name, package / name)
    (package / "node_modules").symlink_to(twin.built / "node_modules")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "vectors").symlink_to(ROOT / "tests" / "vectors")
    return package


def _tested(twin, package: Path, killer: str) -> subprocess.CompletedProcess[str]:
    return twin.run([*twin.node, "--test", f"dist/tests/{killer}.test.js"], package, SECONDS)
