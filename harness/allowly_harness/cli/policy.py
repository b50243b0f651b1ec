"""`allowly-harness policy`: is a policy file right, and what does it say of a call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from allowly_harness.cli.documents import json_text
from allowly_harness.cli.exits import ExitCode, fail, say
from allowly_harness.cli.options import POLICY_FILE, complete_server

if TYPE_CHECKING:
    from allowly_harness.cli.tool_lists import ToolList
    from allowly_middleware.pipeline import CallFacts, Subject
    from allowly_middleware.policy import Diagnostic, Explanation, ParsedPolicy, Verdict

OPERATIONS = ("tool:call", "resource:read", "prompt:get")


@click.group(short_help="Check a policy file, and ask what it says of a call.")
def policy() -> None:
    """Check a policy file of a guarded server, and ask what it says of a call.

    Nothing is called, asked or counted.
    """


@policy.command(short_help="Say what is wrong with a policy file, with its lines.")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--tools",
    metavar="LIST|SERVER",
    shell_complete=complete_server,
    help="Hold the patterns against these tools: the answer to tools/list in a file that ends in .json, or a server, "
    "which is started for it.",
)
@click.option("--server", "name", metavar="NAME", help="What the policy calls the server of --tools.")
@click.option("--as", "subject", metavar="SUBJECT", help="For whom.  [default: nobody in particular]")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group that the subject is in. Repeatable.")
@click.option("--trust-project", is_flag=True, help="Start a server that the project configures without asking.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def check(
    file: str,
    tools: str | None,
    name: str | None,
    subject: str | None,
    groups: Sequence[str],
    trust_project: bool,
    as_json: bool,
) -> int:
    """Say what is wrong, or looks wrong, with the policy FILE.

    \b
    allowly-harness policy check policy.toml
    allowly-harness policy check policy.toml --tools demo:mail

    With an error a policy is not used at all; with warnings it is, and says what it says. With --tools each
    tool is listed with what the policy says of it.

    The exit code is 0 without errors, and 2 with them.
    """
    from allowly_harness.cli.naming import code_of
    from allowly_harness.protocol.errors import ConfigurationError

    if tools is None and (name is not None or subject is not None or groups):
        raise click.UsageError("--server, --as and --group go with --tools")
    caller = _subject(subject, groups, None, None)
    parsed = _read(file)
    listed: ToolList | None = None
    if tools is not None and parsed.policies is not None:
        from allowly_harness.cli.tool_lists import read_tool_list

        try:
            given = read_tool_list(tools, name, parsed.policies, trust_project=trust_project)
        except ConfigurationError as error:
            return fail(str(error), code_of(error))
        if isinstance(given, int):
            return given
        listed = given
    found = _all_findings(parsed, listed)
    errors = sum(one.severity == "error" for one in found)
    if as_json:
        document = {"file": file, "ok": not errors, "diagnostics": [one.as_json() for one in found]}
        _print_json(
            document if listed is None else {**document, "tools": list(_tool_documents(parsed, listed, caller))}
        )
    else:
        _print_lines(_finding_lines(file, found))
        _print_lines(_tool_lines(parsed, listed, caller) if listed is not None else ())
        say(_summary(file, parsed, errors, len(found) - errors))
    return int(ExitCode.USAGE if errors else ExitCode.DONE)


@policy.command(short_help="Say what a policy file says of a call, and which line decides.")
@click.argument("file", type=click.Path(dir_okay=False), metavar="[FILE]")
@click.argument("tool", required=False, metavar="TOOL")
@click.option(
    "--arguments", metavar="OBJECT", help="The arguments: a JSON object, or @FILE. Without, all are possible."
)
@click.option("--as", "subject", metavar="SUBJECT", help="Who calls.  [default: nobody in particular]")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="A group that the subject is in. Repeatable.")
@click.option("--tenant", metavar="NAME", help="The organisation that the subject belongs to.")
@click.option("--metadata", metavar="OBJECT", help="What is known of the subject: a JSON object, or @FILE.")
@click.option("--annotations", metavar="OBJECT", help="The tool's annotations, as the server lists them.")
@click.option(
    "--operation",
    type=click.Choice(OPERATIONS),
    default=OPERATIONS[0],
    show_default=True,
    help="What is asked for; for another than a tool, TOOL is SERVER.URI or SERVER.PROMPT.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def explain(
    file: str,
    tool: str | None,
    arguments: str | None,
    subject: str | None,
    groups: Sequence[str],
    tenant: str | None,
    metadata: str | None,
    annotations: str | None,
    operation: str,
    as_json: bool,
) -> int:
    """Say what the policy FILE says of a call of TOOL, which line decides, and what else matches.

    TOOL is SERVER.NAME, as in the file; the server may be left out where the file names just one.
    Without FILE it is policy.toml, here.

    \b
    allowly-harness policy explain shop.refund
    allowly-harness policy explain policy.toml shop.refund
    allowly-harness policy explain policy.toml shop.refund --arguments '{"amount": 500}' \\
        --as ada --group support

    The exit code is 0 whatever the policy says, and 2 for a file that cannot be used.
    """
    from allowly_middleware.pipeline import CallFacts, Operation
    from allowly_middleware.policy import explain as explained

    file, tool = _file_and_tool(file, tool)
    parsed = _read(file)
    if parsed.policies is None:
        _print_lines(_finding_lines(file, [one for one in parsed.diagnostics if one.severity == "error"]))
        return fail(f"{file} cannot be used", ExitCode.USAGE)
    server, target = _target(tool, parsed)
    facts = CallFacts(
        Operation(operation),
        server,
        target,
        None if arguments is None else _object(arguments, "--arguments"),
        {} if annotations is None else _object(annotations, "--annotations"),
        _subject(subject, groups, tenant, metadata),
    )
    explanation = explained(parsed.policies, facts)
    if as_json:
        _print_json({"server": server, "target": target, "operation": operation, **explanation.as_json()})
    else:
        _print_lines(_explanation_lines(file, facts, explanation))
    return int(ExitCode.DONE)


def _file_and_tool(first: str, second: str | None) -> tuple[str, str]:
    from pathlib import Path

    if second is not None:
        return first, second
    if first.endswith(".toml") or Path(first).is_file():
        raise click.UsageError(f"name the tool behind the file: policy explain {first} TOOL")
    if not Path(POLICY_FILE).is_file():
        raise click.UsageError(f"there is no {POLICY_FILE} here; name the file: policy explain FILE {first}")
    return POLICY_FILE, first


def _read(file: str) -> ParsedPolicy:
    from pathlib import Path

    from allowly_middleware.policy import ParsedPolicy, PolicyFileError, parse_policy, read_policy_file

    try:
        return parse_policy(read_policy_file(file), name=Path(file).stem)
    except PolicyFileError as error:
        return ParsedPolicy(None, error.diagnostics)


def _all_findings(parsed: ParsedPolicy, listed: ToolList | None) -> Sequence[Diagnostic]:
    from allowly_middleware.policy.checking import findings_for
    from allowly_middleware.policy.diagnostics import in_order

    if parsed.policies is None or listed is None:
        return parsed.diagnostics
    return in_order([*parsed.diagnostics, *findings_for(parsed.policies.policies, listed.tools)])


def _finding_lines(file: str, found: Sequence[Diagnostic]) -> Iterator[str]:
    for one in found:
        place = file if one.line is None else f"{file}:{one.line}"
        yield f"{place}: {one.severity}: {one.message} [{one.code}]"
        if one.hint:
            yield f"    {one.hint}"


def _summary(file: str, parsed: ParsedPolicy, errors: int, warnings: int) -> str:
    from allowly_harness.display.sanitize import plain

    counted = f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if parsed.policies is None:
        return plain(f"{file} cannot be used: {counted}.")
    rules = sum(len(policy.rules) for policy in parsed.policies.policies)
    return plain(f"{file} can be used: {rules} rule{'s' * (rules != 1)}, {counted}.")


def _tool_lines(parsed: ParsedPolicy, listed: ToolList, caller: Subject) -> Iterator[str]:
    rows = list(_tool_documents(parsed, listed, caller))
    yield f"for {'nobody in particular' if caller.id is None else caller.id}:"
    width = max((len(row["tool"]) for row in rows), default=0)
    for row in rows:
        by = "the default" if row["line"] is None else f"line {row['line']}"
        depends = ", depends on the arguments" if row["depends_on_arguments"] else ""
        yield f"  {row['tool']:<{width}}  {row['says']} ({by}{depends})"


def _tool_documents(parsed: ParsedPolicy, listed: ToolList, caller: Subject) -> Iterator[dict[str, Any]]:
    from allowly_middleware.pipeline import CallFacts, Operation

    if parsed.policies is None:
        return
    for tool in listed.tools:
        annotations = listed.annotations.get(tool.name, {})
        facts = CallFacts(Operation.TOOL_CALL, tool.server, tool.name, annotations=annotations, subject=caller)
        verdict = parsed.policies.evaluate(facts, arguments_known=False)
        yield {
            "tool": f"{tool.server}.{tool.name}",
            "says": _said(verdict),
            "line": verdict.rule.line if verdict.rule is not None else None,
            "depends_on_arguments": bool(verdict.depends),
        }


def _explanation_lines(file: str, facts: CallFacts, explanation: Explanation) -> Iterator[str]:
    verdict = explanation.verdict
    yield f"{facts.server}.{facts.target}: {_said(verdict)}"
    yield f"  {verdict.message}"
    width = max((len(one.role) for one in explanation.rules), default=len("decides"))
    if verdict.rule is None:
        yield f"  {'decides':<{width}}  the default ({verdict.reason})"
    for one in explanation.rules:
        yield f"  {one.role:<{width}}  {file}:{one.ref.line}  {one.ref.name} = {one.ref.says}"
        yield from (f"  {'':<{width}}    {detail}" for detail in one.details)
    if verdict.depends:
        yield "  Without --arguments, this is the best that any arguments can get."
    if verdict.shadowed is not None:
        yield f"  If what is only tried were in force: {_said(verdict.shadowed)}."


def _said(verdict: Verdict) -> str:
    from allowly_middleware.policy.rules import written_effect

    return written_effect(verdict.effect, verdict.approver)


def _target(tool: str, parsed: ParsedPolicy) -> tuple[str, str]:
    from allowly_harness.cli.tool_lists import only_server
    from allowly_middleware.pipeline import Pattern, PatternError

    server = only_server(parsed.policies) if parsed.policies is not None else None
    try:
        pattern = Pattern.parse(tool)
    except PatternError as error:
        if server is None or "." in tool:
            raise click.BadParameter(str(error), param_hint="TOOL") from None
        return server, tool
    if pattern.server.literal is None or pattern.name.literal is None:
        raise click.BadParameter("name one tool, without stars", param_hint="TOOL")
    return pattern.server.literal, pattern.name.literal


def _subject(name: str | None, groups: Sequence[str], tenant: str | None, metadata: str | None) -> Subject:
    from allowly_middleware.pipeline import ANONYMOUS, Subject

    if name is None:
        if groups or tenant is not None or metadata is not None:
            raise click.UsageError("--group, --tenant and --metadata say more of the subject that --as names")
        return ANONYMOUS
    known = {} if metadata is None else _object(metadata, "--metadata")
    try:
        return Subject(name, frozenset(groups), known, tenant=tenant)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--as") from None


def _object(text: str, option: str) -> dict[str, Any]:
    from allowly_harness.cli.tool_lists import read_json

    value = read_json(text.removeprefix("@") if text.startswith("@") else None, text, option)
    if not isinstance(value, dict):
        raise click.BadParameter("it must be one JSON object", param_hint=option)
    return value


def _print_lines(lines: Iterator[str] | Sequence[str]) -> None:
    from allowly_harness.display.sanitize import plain

    for line in lines:
        click.echo(plain(line))


def _print_json(document: Any) -> None:
    click.echo(json_text(document, indent=2))
