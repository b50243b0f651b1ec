"""The server that the pipeline's tests put it in front of, in three kinds: every operation, and each run noted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastmcp import FastMCP
from mcp.server import MCPServer, Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)

KINDS = ("fastmcp", "mcpserver", "lowlevel")
ERAS = ("legacy", "auto")
Run = Callable[[str, dict[str, Any]], None]

_INPUT = {"type": "object", "properties": {"text": {"type": "string"}}}
_OUTPUT = {"type": "object", "properties": {"length": {"type": "integer"}}, "required": ["length"]}


def build(kind: str, run: Run, name: str = "github") -> Any:
    """Make a server of `kind`; `run` notes each entry of a tool, a resource, a prompt and a completion.

    Tools: `search_code` (read-only), `create_issue`, `measure` (with an output schema), `delete_repo`
    (destructive), `research_x`, `fails`. Resources: `info://about`, `file://{path}`. Prompts: `greet`.
    """
    return {"fastmcp": _fastmcp, "mcpserver": _mcpserver, "lowlevel": _lowlevel}[kind](run, name)


def _decorate(server: Any, run: Run, **no_schema: Any) -> None:
    read_only, destructive = ToolAnnotations(read_only_hint=True), ToolAnnotations(destructive_hint=True)

    async def search_code(text: str = "") -> str:
        run("search_code", {"text": text})
        return f"found {text}"

    async def create_issue(text: str = "") -> str:
        run("create_issue", {"text": text})
        return f"created {text}"

    async def delete_repo(text: str = "") -> str:
        run("delete_repo", {"text": text})
        return f"deleted {text}"

    async def research_x(text: str = "") -> str:
        run("research_x", {"text": text})
        return "researched"

    async def measure(text: str = "") -> dict[str, int]:
        run("measure", {"text": text})
        return {"length": len(text)}

    server.tool(annotations=read_only, **no_schema)(search_code)
    server.tool(**no_schema)(create_issue)
    server.tool(annotations=destructive, **no_schema)(delete_repo)
    server.tool(**no_schema)(research_x)
    server.tool()(measure)

    @server.resource("info://about")
    async def about() -> str:
        run("about", {})
        return "about us"

    @server.resource("file://{path}")
    async def file(path: str) -> str:
        run("file", {"path": path})
        return f"content of {path}"

    async def greet(who: str = "") -> str:
        run("greet", {"who": who})
        return f"Hello {who}"

    server.prompt()(greet)


def _fastmcp(run: Run, name: str) -> FastMCP:
    from fastmcp.exceptions import ToolError

    server = FastMCP(name)
    _decorate(server, run, output_schema=None)

    @server.tool(output_schema=None)
    async def fails(text: str = "") -> str:
        run("fails", {"text": text})
        raise ToolError("the disk is full")

    @server.completion
    async def complete(ref: Any, argument: Any, context: Any) -> list[str]:
        run("complete", {"value": argument.value})
        return [f"{argument.value}da"]

    return server


def _mcpserver(run: Run, name: str) -> MCPServer:
    from mcp.server.mcpserver.exceptions import ToolError

    server = MCPServer(name, log_level="ERROR")
    _decorate(server, run, structured_output=False)

    @server.tool(structured_output=False)
    async def fails(text: str = "") -> str:
        run("fails", {"text": text})
        raise ToolError("the disk is full")

    @server.completion()
    async def complete(ref: Any, argument: Any, context: Any) -> Completion:
        run("complete", {"value": argument.value})
        return Completion(values=[f"{argument.value}da"])

    return server


def _lowlevel(run: Run, name: str) -> Server[Any]:  # noqa: C901 - eight handlers, one after another
    answers = {"search_code": "found", "create_issue": "created", "delete_repo": "deleted", "research_x": "researched"}
    hints = {
        "search_code": ToolAnnotations(read_only_hint=True),
        "delete_repo": ToolAnnotations(destructive_hint=True),
    }

    async def list_tools(ctx: Any, params: Any) -> ListToolsResult:
        named = [
            Tool(name=tool, input_schema=_INPUT, annotations=hints.get(tool), output_schema=None)
            for tool in (*answers, "fails")
        ]
        return ListToolsResult(tools=[*named, Tool(name="measure", input_schema=_INPUT, output_schema=_OUTPUT)])

    async def call_tool(ctx: Any, params: CallToolRequestParams) -> CallToolResult:
        text = (params.arguments or {}).get("text", "")
        run(params.name, {"text": text})
        if params.name == "measure":
            return CallToolResult(content=_text(f'{{"length":{len(text)}}}'), structured_content={"length": len(text)})
        if params.name == "fails":
            return CallToolResult(content=_text("the disk is full"), is_error=True)
        return CallToolResult(content=_text(f"{answers[params.name]} {text}".strip()))

    async def list_resources(ctx: Any, params: Any) -> ListResourcesResult:
        return ListResourcesResult(resources=[Resource(uri="info://about", name="about")])

    async def list_templates(ctx: Any, params: Any) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[ResourceTemplate(uri_template="file://{path}", name="file")]
        )

    async def read_resource(ctx: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
        run("about" if str(params.uri) == "info://about" else "file", {})
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text="about us")])

    async def list_prompts(ctx: Any, params: Any) -> ListPromptsResult:
        return ListPromptsResult(prompts=[Prompt(name="greet")])

    async def get_prompt(ctx: Any, params: GetPromptRequestParams) -> GetPromptResult:
        who = (params.arguments or {}).get("who", "")
        run("greet", {"who": who})
        content = TextContent(type="text", text=f"Hello {who}")
        return GetPromptResult(messages=[PromptMessage(role="user", content=content)])

    async def complete(ctx: Any, params: CompleteRequestParams) -> CompleteResult:
        run("complete", {"value": params.argument.value})
        return CompleteResult(completion=Completion(values=[f"{params.argument.value}da"]))

    server: Server[Any] = Server(name)
    for method, params_type, handler in (
        ("tools/list", PaginatedRequestParams, list_tools),
        ("tools/call", CallToolRequestParams, call_tool),
        ("resources/list", PaginatedRequestParams, list_resources),
        ("resources/templates/list", PaginatedRequestParams, list_templates),
        ("resources/read", ReadResourceRequestParams, read_resource),
        ("prompts/list", PaginatedRequestParams, list_prompts),
        ("prompts/get", GetPromptRequestParams, get_prompt),
        ("completion/complete", CompleteRequestParams, complete),
    ):
        server.add_request_handler(method, params_type, handler)
    return server


def _text(text: str) -> list[TextContent]:
    return [TextContent(type="text", text=text)]
