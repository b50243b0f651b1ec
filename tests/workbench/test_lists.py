"""Lists of a server's: tools, resources, prompts; and how far they are read."""

from types import SimpleNamespace

import anyio
import pytest

from allowly_harness.workbench.catalogue import get_prompt, read_catalogue, read_resource
from allowly_harness.workbench.paging import MAX_ENTRIES, MAX_PAGES, read_pages
from allowly_harness.workbench.templates import expand, variables_of
from allowly_harness.workbench.tools import ToolEntry, read_tools, same_but_for_case

pytestmark = pytest.mark.anyio


async def test_tools_carry_title_schema_and_hints(open_session, text_of):
    async with open_session() as session:
        tools = await read_tools(session)

    add = tools.entries[0]
    assert (add.name, add.title, tools.problem) == ("add", "Add two", "")
    assert add.required == {"a"}
    assert "integer" in text_of(add.schema_sections())
    assert [one.name for one in tools.entries if one.matches("TWO add")] == ["add"]


async def test_a_list_that_never_ends_is_read_up_to_a_limit(page):
    asked = []

    async def endless(params):
        asked.append(params)
        return page("a", cursor="more")

    listing = await read_pages(endless, lambda one: one.tools)

    assert len(asked) == MAX_PAGES
    assert (len(listing.entries), listing.problem) == (MAX_PAGES, f"only the first {MAX_PAGES} pages are listed")


async def test_a_huge_page_is_cut():
    async def huge(params):
        return SimpleNamespace(tools=range(MAX_ENTRIES + 7), next_cursor=None)

    listing = await read_pages(huge, lambda one: one.tools)

    assert len(listing.entries) == MAX_ENTRIES
    assert "only the first 5,000" in listing.problem


async def test_what_came_before_the_limit_of_time_is_kept(page):
    async def slow(params):
        if params is None:
            return page("first", cursor="next")
        return await anyio.sleep_forever()

    with anyio.fail_after(20):
        listing = await read_pages(slow, lambda one: one.tools, seconds=0.05)

    assert [tool.name for tool in listing.entries] == ["first"]
    assert "did not come" in listing.problem


async def test_a_first_page_that_never_comes_is_an_error():
    async def never(params):
        await anyio.sleep_forever()

    with anyio.fail_after(20), pytest.raises(TimeoutError):
        await read_pages(never, lambda one: one.tools, seconds=0.05)


async def test_a_broken_second_page_keeps_the_first(page):
    async def breaking(params):
        if params is None:
            return page("first", cursor="next")
        raise RuntimeError("gone")

    listing = await read_pages(breaking, lambda one: one.tools)

    assert [tool.name for tool in listing.entries] == ["first"]
    assert "page 2" in listing.problem


def test_names_that_differ_in_case_only_are_found():
    tools = [ToolEntry(name) for name in ("send", "SEND", "read", "straße", "STRASSE")]

    assert same_but_for_case(tools) == (("send", "SEND"), ("straße", "STRASSE"))


async def test_resources_templates_and_prompts_are_listed_and_read(open_session, text_of):
    async with open_session() as session:
        found = await read_catalogue(session)
        inbox = await read_resource(session, "mail://inbox")
        logo = await read_resource(session, "mail://logo")
        reply = await get_prompt(session, "draft_reply", {"to": "ada"})

    assert {one.uri for one in found.resources.entries} == {"mail://inbox", "mail://logo"}
    assert [one.variables for one in found.templates.entries] == [("folder", "number")]
    assert found.templates.entries[0].schema["required"] == ["folder", "number"]
    assert [(one.name, one.required) for one in found.prompts.entries] == [("draft_reply", ("to",))]
    assert "\\x1b]0;owned\\x07two" in text_of(inbox)
    assert "image/png" in text_of(logo)
    assert "Write to ada, kind. \\u{202e}" in text_of(reply)


async def test_a_server_without_resources_lists_none():
    class NoSuchMethod(Exception):
        code = -32601

    class Session:
        async def nothing(self, *, params=None):
            raise NoSuchMethod

        async def broken(self, *, params=None):
            raise RuntimeError("gone \x1b[2J")

        list_resources = list_resource_templates = nothing
        list_prompts = broken

    found = await read_catalogue(Session())

    assert (found.resources.entries, found.resources.problem) == ((), "")
    assert found.prompts.problem == "RuntimeError: gone \\x1b[2J"


VALUES = {
    "count": "one",
    "path": "/foo/bar",
    "hello": "Hello World!",
    "half": "50%",
    "x": "1024",
    "y": "768",
    "empty": "",
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        # RFC 6570, sections 3.2.2 to 3.2.9 (without lists and maps; `%` is kept in reserved expansion here).
        ("{hello}", "Hello%20World%21"),
        ("{half}", "50%25"),
        ("O{empty}X", "OX"),
        ("{x,hello,y}", "1024,Hello%20World%21,768"),
        ("{path:3}", "%2Ffo"),
        ("{+path}/here", "/foo/bar/here"),
        ("{+hello}", "Hello%20World!"),
        ("{#x,hello,y}", "#1024,Hello%20World!,768"),
        ("X{.x,y}", "X.1024.768"),
        ("{/x,path:2}", "/1024/%2Ff"),
        ("{;x,y,empty}", ";x=1024;y=768;empty"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{?missing}", ""),
        ("{x*}", "1024"),
    ],
)
def test_templates_are_filled_in_as_the_rfc_says(template, expected):
    assert expand(template, VALUES) == expected


@pytest.mark.parametrize("template", ["{", "}", "{a", "{a b}", "{}", "{|a}", "{a:0}", "{{a}}", "a" * 9_000, "{a}" * 61])
def test_what_is_no_template_is_refused(template):
    with pytest.raises(ValueError, match="template"):
        expand(template, {})


def test_variables_are_named_once():
    assert variables_of("{a}/{b}/{a}{?c,d*}") == ("a", "b", "c", "d")
