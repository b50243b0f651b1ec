"""Changed arguments and text in place of the tool, on the line and in the person's own editor."""

import json
import stat
import sys
from pathlib import Path

import anyio
import pytest

from allowly_harness.approvers.chat.editor import EditorFailed, edit_file_with, editor_command
from allowly_harness.protocol.models import Answer, AnswerKind, ToolInfo

pytestmark = pytest.mark.anyio

SCHEMA = {"type": "object", "properties": {"to": {"type": "string"}, "copies": {"type": "integer"}}, "required": ["to"]}


@pytest.fixture
def editor(tmp_path):
    """Make an editor of a Python script, which is given the file's name as its last argument."""

    def make(code: str) -> tuple[str, ...]:
        script = tmp_path / "editor.py"
        script.write_text(f"import os, sys, pathlib\npath = pathlib.Path(sys.argv[-1])\n{code}\n")
        return (sys.executable, str(script))

    return make


@pytest.fixture
def asked(terminal, question):
    """Ask about a call whose tool has a schema, and type while it is asked."""

    async def ask(typed: list[tuple[str, str]], **options) -> Answer:
        request = question(tool=ToolInfo("send_email", input_schema=SCHEMA))
        answers = []

        async def answer() -> None:
            answers.append(await terminal.approver(**options).ask(request))

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(answer)
                for shown, keys in typed:
                    await terminal.then(shown)
                    terminal.type(keys)
        return answers[0]

    return ask


SEND = "send | edit | edit NAME=text | back:"


async def test_arguments_are_changed_on_the_line_compared_and_sent(asked, terminal):
    answer = await asked([("left ", "edit to=bob copies=2\r"), ("it fits", ""), (SEND, "send\r")])

    assert answer == Answer.edit({"to": "bob", "copies": 2})
    assert "bob" in terminal.text
    assert "Sent with your arguments, for a fresh decision." in terminal.text


async def test_going_back_changes_nothing(asked):
    answer = await asked([("left ", "edit to=bob\r"), (SEND, "back\r"), ("still open", "deny\r")])

    assert answer.kind is AnswerKind.DENY


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("edit copies=many", "must be an integer"),
        ("edit copies:=1.5", "does not fit"),
        ("edit to=ada@example.com", "as they were"),
        ("edit nonsense", "each argument is"),
        ("edit to:={", "not JSON"),
    ],
)
async def test_what_is_wrong_with_a_change_is_said_and_it_cannot_be_sent(asked, typed, said):
    answer = await asked(
        [
            ("left ", f"{typed}\r"),
            (said, ""),
            (SEND, "send\r"),
            ("nothing to send", ""),
            (SEND, "nonsense\r"),
            ("Type send", ""),
            (SEND, "edit to=bob\r"),
            (SEND, "send\r"),
        ]
    )

    assert answer.arguments is not None
    assert answer.arguments["to"] == "bob"


async def test_without_an_editor_the_json_is_changed_in_several_lines(asked):
    answer = await asked(
        [
            ("left ", "edit\r"),
            ("Alt-Enter", "\x7f" * 60 + '{"to":\r"bob"}\x1b\r'),
            (SEND, "send\r"),
        ]
    )

    assert answer == Answer.edit({"to": "bob"})


async def test_the_editor_is_given_a_private_file_that_is_gone_afterwards(asked, editor, tmp_path):
    notes = tmp_path / "notes"
    command = editor(
        f"seen = [str(path), oct(path.stat().st_mode), oct(path.parent.stat().st_mode), path.read_text()]\n"
        f"pathlib.Path({str(notes)!r}).write_text('\\n'.join(seen))\n"
        'path.write_text(\'{"to": "bob"}\')'
    )
    answer = await asked([("left ", "edit\r"), (SEND, "send\r")], edit_file=edit_file_with(command))

    name, mode, folder_mode, *text = notes.read_text().split("\n")
    assert answer == Answer.edit({"to": "bob"})
    assert (stat.S_IMODE(int(mode, 8)), stat.S_IMODE(int(folder_mode, 8))) == (0o600, 0o700)
    assert json.loads("\n".join(text)) == {"to": "ada@example.com"}
    assert not Path(name).parent.exists()


async def test_bad_json_from_the_editor_is_said_with_its_place(asked, editor, terminal):
    command = editor('path.write_text(\'{"to": "bob",\\n oops}\')')
    answer = await asked(
        [("left ", "edit\r"), ("line 2, column 2", ""), (SEND, "back\r"), ("still open", "deny\r")],
        edit_file=edit_file_with(command),
    )

    assert answer.kind is AnswerKind.DENY


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.exit(3)", "exit code 3"),
        ("path.unlink()", "No such file"),
        ("path.unlink(); os.mkfifo(path)", "no ordinary file"),
        ("path.write_bytes(b'\\xff\\xfe')", "not UTF-8"),
        ("path.write_text('x' * 5_000_000)", "larger than"),
    ],
)
async def test_an_editor_that_fails_changes_nothing_and_says_why(editor, code, said):
    edit = edit_file_with(editor(code))
    assert edit is not None

    with anyio.fail_after(10), pytest.raises(EditorFailed, match=said):
        await edit("{}", ".json")


async def test_an_editor_that_is_not_there_is_said():
    edit = edit_file_with(("/nonexistent/editor",))
    assert edit is not None

    with pytest.raises(EditorFailed, match="cannot be started"):
        await edit("{}", ".json")


async def test_an_editor_that_never_ends_is_ended(editor):
    edit = edit_file_with(
        editor("import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_DFL)\ntime.sleep(60)"), seconds=0.3
    )
    assert edit is not None

    with anyio.fail_after(10), pytest.raises(EditorFailed, match="was ended"):
        await edit("{}", ".json")


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"VISUAL": "code --wait", "EDITOR": "vi"}, ("code", "--wait")),
        ({"VISUAL": "", "EDITOR": "vi"}, ("vi",)),
        ({"EDITOR": "'unfinished"}, ()),
        ({}, ()),
    ],
)
def test_the_editor_is_the_persons_own(environ, command):
    assert editor_command(environ) == command


async def test_the_model_is_answered_instead_of_the_tool(asked):
    assert await asked([("left ", "answer Ask Grace first.  Twice.\r")]) == Answer.respond("Ask Grace first.  Twice.")


@pytest.mark.parametrize(("typed", "said"), [("answer", "answer TEXT"), ("answer " + "x" * 501, "500 characters")])
async def test_an_answer_of_no_or_too_many_letters_is_not_sent(asked, typed, said):
    answer = await asked([("left ", f"{typed}\r"), (said, ""), ("Nothing was decided", "deny\r")])

    assert answer.kind is AnswerKind.DENY


async def test_an_edited_call_is_asked_about_afresh_with_the_change(chat, mail):
    async with chat() as terminal:
        terminal.type("/call send_email to=ada\r")
        await terminal.then("left ")
        terminal.type("edit to=bob\r")
        await terminal.then("send |")
        terminal.type("send\r")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved, edited")

    assert mail.ran == [("send_email", {"to": "bob"})]


async def test_a_tool_is_called_with_what_was_written_in_the_editor(chat, mail, editor):
    command = editor("path.write_text(path.read_text().replace('\"\"', '\"bob\"'))")
    async with chat(edit_file=edit_file_with(command)) as terminal:
        terminal.type("/edit send_email\r")
        await terminal.then("left ")
        terminal.type("approve k7\r")
        await terminal.then("#1 send_email  approved")

    assert mail.ran == [("send_email", {"to": "bob"})]


async def test_a_dangerous_call_wants_its_word(chat, mail):
    async with chat(dangerous=("delete_*",)) as terminal:
        terminal.type("/call delete_mailbox address=ada\r")
        await terminal.then("approve k7 delete | deny")
        terminal.type("approve k7\r")
        await terminal.then("Name what it does, too: approve k7 delete")
        terminal.type("approve k7 remove\r")
        await terminal.then("Name what it does, too: approve k7 delete")
        assert mail.ran == []
        terminal.type("approve k7 delete\r")
        await terminal.then("#1 delete_mailbox  approved")

    assert mail.ran == [("delete_mailbox", {"address": "ada"})]


async def test_a_question_mark_lists_the_answers(asked, terminal):
    await asked([("left ", "?\r"), ("run this call once", ""), ("view secrets", "deny\r")])
