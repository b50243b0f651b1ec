"""Servers of every kind with every operation, and one client for all of them."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import fastmcp
import mcp
import pytest
from mcp_types import PromptReference


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


served = _load(Path(__file__).with_name("served.py"))


class Client:
    """The same calls for the clients of both libraries. Results are those of the SDK."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.is_fastmcp = isinstance(inner, fastmcp.Client)

    async def call(self, tool: str, arguments: dict[str, Any] | None = None, /, **more: Any) -> Any:
        arguments = more if arguments is None else arguments
        with anyio.fail_after(10):
            if self.is_fastmcp:
                return await self.inner.call_tool_mcp(tool, arguments)
            return await self.inner.call_tool(tool, arguments)

    async def tools(self) -> list[Any]:
        return await self._listed("list_tools", "tools")

    async def resources(self) -> list[Any]:
        return await self._listed("list_resources", "resources")

    async def templates(self) -> list[Any]:
        return await self._listed("list_resource_templates", "resource_templates")

    async def prompts(self) -> list[Any]:
        return await self._listed("list_prompts", "prompts")

    async def read(self, uri: str) -> Any:
        with anyio.fail_after(10):
            if self.is_fastmcp:
                return await self.inner.read_resource_mcp(uri)
            return await self.inner.read_resource(uri)

    async def prompt(self, name: str, arguments: dict[str, str] | None = None) -> Any:
        with anyio.fail_after(10):
            if self.is_fastmcp:
                return await self.inner.get_prompt_mcp(name, arguments)
            return await self.inner.get_prompt(name, arguments)

    async def complete(self, value: str) -> Any:
        ref, argument = PromptReference(type="ref/prompt", name="greet"), {"name": "who", "value": value}
        with anyio.fail_after(10):
            if self.is_fastmcp:
                return (await self.inner.complete_mcp(ref, argument)).completion
            return (await self.inner.complete(ref, argument)).completion

    async def _listed(self, method: str, attribute: str) -> list[Any]:
        with anyio.fail_after(10):
            if self.is_fastmcp:
                return list(await getattr(self.inner, method)())
            return list(getattr(await getattr(self.inner, method)(), attribute))

    async def every_operation(self) -> dict[str, Any]:
        """Make one request of each kind; what raised stands for its result."""
        requests = {
            "tool:call": lambda: self.call("search_code", text="x"),
            "tools:list": self.tools,
            "resources:list": self.resources,
            "resource-templates:list": self.templates,
            "resource:read": lambda: self.read("info://about"),
            "prompts:list": self.prompts,
            "prompt:get": lambda: self.prompt("greet", {"who": "Ada"}),
            "completion:complete": lambda: self.complete("a"),
        }
        results: dict[str, Any] = {}
        for operation, request in requests.items():
            try:
                results[operation] = await request()
            except mcp.MCPError as error:
                results[operation] = error
        return results


@dataclass
class Bench:
    """One server of one kind, with the runs of what it serves."""

    kind: str
    name: str = "github"
    runs: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    server: Any = None

    def __post_init__(self) -> None:
        self.server = served.build(self.kind, self.note, self.name)

    def note(self, tool: str, arguments: dict[str, Any]) -> None:
        self.runs.append((tool, arguments))

    @property
    def ran(self) -> list[str]:
        return [tool for tool, _ in self.runs]

    @asynccontextmanager
    async def client(self, era: str = "legacy", **options: Any) -> AsyncIterator[Client]:
        library = fastmcp if self.kind == "fastmcp" else mcp
        async with library.Client(self.server, mode=era, **options) as inner:
            yield Client(inner)


@pytest.fixture(params=served.KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def bench(kind: str) -> Bench:
    """A server of every kind in turn."""
    return Bench(kind)


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench
