"""`allowly-harness policy`, as a user runs it, and the page about it, whose every block is run."""

import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path

import fastmcp
import pytest
from click.testing import CliRunner, Result

from allowly_harness.cli.policy import policy
from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Subject
from allowly_middleware.policy import parse_policy
from allowly_middleware.policy.conditions import OPERATORS
from allowly_middleware.policy.documents import validate

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
SHOP = EXAMPLES / "policy_shop.toml"
PAGE = (DOCS / "policy.md").read_text()
BROKEN = '[tools]\n"mail.send" = "alow"\n"mail" = "deny"\n'
TOOLS = {
    "tools": [
        {"name": "send", "annotations": {"readOnlyHint": True}},
        {"name": "read", "annotations": None},
        {"name": "wipe\x1b[2J"},
    ]
}


def run(*words: str) -> Result:
    return CliRunner().invoke(policy, words, standalone_mode=False)


@pytest.fixture
def write(tmp_path: Path):
    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    return write


def block(language: str, start: str) -> str:
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if start in text]
    assert len(found) == 1
    return found[0]


def test_a_file_that_is_right_is_said_to_be() -> None:
    done = run("check", str(SHOP))

    assert (done.return_value, done.stdout) == (0, "")
    assert "can be used: 10 rules, 0 errors, 0 warnings." in done.stderr


def test_a_broken_file_is_shown_with_its_lines(write) -> None:
    file = write("policy.toml", BROKEN)

    done = run("check", file)

    assert done.return_value == 2
    assert done.stdout.splitlines() == [
        f'{file}:2: error: "alow" is no effect [POLICY_INVALID_EFFECT]',
        '    write "allow", "confirm", "escalate to NAME" or "deny"',
        f'{file}:3: error: "mail" names no tool [POLICY_INVALID_PATTERN]',
        "    write 'mail.*' for all of a server, or '*.mail'",
    ]
    assert "cannot be used: 2 errors, 0 warnings." in done.stderr


def test_findings_come_as_one_document(write) -> None:
    file = write("policy.toml", BROKEN)

    done = run("check", file, "--json")

    document = json.loads(done.stdout)
    assert (done.return_value, document["ok"], document["file"]) == (2, False, file)
    assert [(one["code"], one["line"], one["path"]) for one in document["diagnostics"]] == [
        ("POLICY_INVALID_EFFECT", 2, "tools.mail.send.effect"),
        ("POLICY_INVALID_PATTERN", 3, "tools.mail"),
    ]


@pytest.mark.parametrize("command", [["check"], ["explain", "mail.send"]])
def test_a_file_that_cannot_be_read_is_no_policy(command: list[str], tmp_path: Path) -> None:
    done = run(command[0], str(tmp_path / "none.toml"), *command[1:])

    assert done.return_value == 2
    assert "cannot be read: No such file" in done.stdout


def test_warnings_do_not_fail(write) -> None:
    done = run("check", write("policy.toml", '[tools]\n"*.*" = "allow"\n'))

    assert done.return_value == 0
    assert "warning: allows every tool of every server" in done.stdout


def test_patterns_are_held_against_a_list_of_tools(write) -> None:
    file = write("policy.toml", '[tools]\n"mail.send" = "confirm"\n"mail.sned" = "deny"\n')
    tools = write("tools.json", json.dumps(TOOLS))

    done = run("check", file, "--tools", tools)

    assert done.return_value == 0
    assert done.stdout.splitlines() == [
        f"{file}:3: warning: mail.sned fits none of the 3 tools [POLICY_MATCHES_NOTHING]",
        "    look at its spelling, or take it away",
        "for nobody in particular:",
        "  mail.send      confirm (line 2)",
        "  mail.read      deny (the default)",
        "  mail.wipe\\x1b[2J  deny (the default)",
    ]


def test_a_list_is_for_whom_it_is_wanted(write) -> None:
    file = write("policy.toml", '[groups.staff.tools]\n"mail.send" = { effect = "allow", when.to = "x" }\n')
    tools = write("tools.json", json.dumps(TOOLS["tools"]))

    done = run("check", file, "--tools", tools, "--as", "ada", "--group", "staff", "--json")

    assert json.loads(done.stdout)["tools"][0] == {
        "tool": "mail.send",
        "says": "allow",
        "line": 2,
        "depends_on_arguments": True,
    }


def test_a_list_of_which_the_server_is_not_clear_needs_its_name(write) -> None:
    file = write("policy.toml", '[tools]\n"*.send" = "confirm"\n')
    tools = write("tools.json", json.dumps(TOOLS))

    assert run("check", file, "--tools", tools).return_value == 2
    assert "post.send" in run("check", file, "--tools", tools, "--server", "post").stdout
    named = write("named.json", json.dumps({**TOOLS, "server": "letters"}))
    assert "letters.send" in run("check", file, "--tools", named).stdout


@pytest.mark.parametrize("text", ["{}", "[1]", '{"tools": [{"title": "x"}]}', "null", '{"result": {}}'])
def test_what_is_no_list_of_tools_is_refused(text: str, write) -> None:
    done = run("check", str(SHOP), "--tools", write("tools.json", text), "--server", "shop")

    assert done.return_value == 2
    assert "holds no list of tools" in done.stderr


SERVER = """
from mcp.server import MCPServer

server = MCPServer("mail")


@server.tool()
def read_mail() -> str:
    return ""


@server.tool()
def send_mail() -> str:
    return ""


server.run()
"""


def test_patterns_are_held_against_a_server(write) -> None:
    """A process, because starting the server that is named is the point."""
    file = write("policy.toml", 'default = "confirm"\n[tools]\n"*.read_*" = "allow"\n"*.sned" = "deny"\n')

    done = run("check", file, "--tools", write("server.py", SERVER))

    assert done.return_value == 0
    assert "*.sned fits none of the 2 tools" in done.stdout
    assert "server.read_mail  allow (line 3)" in done.stdout
    assert "server.send_mail  confirm (the default)" in done.stdout


def test_it_is_said_which_line_decides() -> None:
    done = run("explain", str(SHOP), "shop.refund", "--arguments", '{"amount": 900}')

    assert done.return_value == 0
    assert done.stdout.replace(str(SHOP), "policy_shop.toml") == block("text", "shop.refund: escalate to finance")
    assert "--arguments '{\"amount\": 900}'" in block("sh", "policy explain")


def test_an_explanation_comes_as_one_document(write) -> None:
    arguments = write("arguments.json", '{"to": ["a@customers.example", "b@evil.example"]}')

    done = run("explain", str(SHOP), "mail.send", "--arguments", f"@{arguments}", "--json")

    document = json.loads(done.stdout)
    assert (document["effect"], document["server"], document["target"]) == ("deny", "mail", "send")
    assert document["rules"][0]["details"] == ['unless to.* matches "*@customers.example": cannot be told']
    assert "evil" not in done.stdout


def test_the_server_may_be_left_out_where_there_is_just_one(write) -> None:
    file = write("policy.toml", '[tools]\n"mail.send" = "confirm"\n')

    assert run("explain", file, "send").stdout.startswith("mail.send: confirm")


def test_without_a_file_the_policy_here_is_explained(write, tmp_path, monkeypatch) -> None:
    write("policy.toml", SHOP.read_text())
    monkeypatch.chdir(tmp_path)

    assert run("explain", "shop.refund").stdout == run("explain", "policy.toml", "shop.refund").stdout


@pytest.mark.parametrize(
    ("only", "missing"),
    [("shop.refund", "there is no policy.toml here; name the file"), (str(SHOP), "name the tool behind the file")],
)
def test_what_is_missing_beside_one_word_is_said(tmp_path, monkeypatch, only, missing) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(policy, ["explain", only])

    assert done.exit_code == 2
    assert f"{missing}: policy explain" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["shop.*"],
        ["refund"],
        ["a__b"],
        ["shop.refund", "--group", "x"],
        ["shop.refund", "--as", " "],
        ["shop.refund", "--arguments", "[]"],
        ["shop.refund", "--arguments", '{"a": 1, "a": 2}'],
        ["shop.refund", "--arguments", "@missing.json"],
        ["shop.refund", "--metadata", "{}"],
    ],
)
def test_what_is_no_question_is_refused(words: list[str]) -> None:
    done = CliRunner().invoke(policy, ["explain", str(SHOP), *words])

    assert done.exit_code == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_options_for_a_list_go_with_a_list() -> None:
    assert CliRunner().invoke(policy, ["check", str(SHOP), "--server", "x"]).exit_code == 2


def test_the_page_shows_the_whole_file() -> None:
    assert block("toml", 'name = "shop"') == SHOP.read_text()
    assert validate(SHOP.read_bytes(), name="policy_shop") == ()


def page_calls() -> list[tuple[str, str]]:
    table = PAGE.partition("| call | what happens |\n|---|---|\n")[2].partition("\n\n")[0]
    return [tuple(cell.strip() for cell in row.strip("| ").split(" | ")) for row in table.splitlines()]  # type: ignore[misc]


@pytest.mark.parametrize(("call", "happens"), page_calls())
def test_the_calls_of_the_page_end_as_it_says(call: str, happens: str) -> None:
    words = shlex.split(call.strip("`"))

    done = run("explain", str(SHOP), *words)

    assert done.stdout.splitlines()[0].split(": ", 1)[1] == happens.partition(":")[0].strip("`")


def test_the_page_names_every_comparison_and_every_code() -> None:
    codes = set(
        re.findall(r"POLICY_[A-Z_]+", (DOCS.parent / "middleware/allowly_middleware/policy/diagnostics.py").read_text())
    )

    assert all(f"`{name}`" in PAGE for name in OPERATORS)
    assert all(f"`{code}`" in PAGE for code in codes)


def page_patterns() -> list[str]:
    table = PAGE.partition("| pattern | fits |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("pattern", page_patterns())
def test_the_patterns_of_the_page_are_patterns(pattern: str) -> None:
    text = f"[tools]\n{json.dumps(pattern)} = 'deny'\n"

    assert tomllib.loads(text)
    assert parse_policy(text).diagnostics == ()


def example(name: str):
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_policy_in_python_says_what_the_file_says() -> None:
    module = example("policy_python")
    file = parse_policy(SHOP.read_bytes()).or_raise("shop")

    names = ["list_orders", "refund", "drop_all", "note_add", "other"]

    assert module.usable(names) == ["list_orders", "refund", "note_add", "other"]
    for subject in (ANONYMOUS, Subject("ada", frozenset({"support"}))):
        for name in names:
            for arguments in ({}, {"amount": 900}, {"amount": 5}):
                facts = CallFacts(Operation.TOOL_CALL, "shop", name, arguments, subject=subject)
                ours, theirs = module.policies.evaluate(facts), file.evaluate(facts)
                assert (ours.effect, ours.approver) == (theirs.effect, theirs.approver)


@pytest.mark.anyio
async def test_the_server_of_the_page_hides_and_denies_what_its_file_denies(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(SHOP.read_text())
    path.chmod(0o600)
    server = example("policy_file").attach(str(path))

    async with fastmcp.Client(server) as client:
        listed = [tool.name for tool in await client.list_tools()]
        orders = await client.call_tool("list_orders")
        dropped = await client.call_tool("drop_orders", raise_on_error=False)

    assert listed == ["list_orders"]
    assert orders.data == ["A-1", "A-2"]
    assert dropped.is_error
    assert "The policy does not allow this." in dropped.content[0].text
