"""What comes out of a request: a reply in the words of the protocol, or a refusal that fits the operation.

Handlers see one kind of reply on every kind of server. A reply that nobody looks at is handed on as the
framework made it, so that passing one through costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, cast

from allowly_middleware.pipeline.operations import Operation

POLICY_DENIED: Final = -32030
"""The JSON-RPC code of a refusal, for operations that have no error result of their own."""

INTERNAL_ERROR: Final = -32603
"""The JSON-RPC code for a handler that failed."""

DECISION_META_KEY: Final = "allowly-middleware/decision"
"""The `_meta` key of a refused call, and the content of `error.data` for the other operations."""

GUIDANCE_META_KEY: Final = "allowly-middleware/guidance"
"""The `_meta` key of injected guidance, on results other than those of tools."""

LIST_FIELDS: Final[Mapping[Operation, str]] = {
    Operation.TOOLS_LIST: "tools",
    Operation.RESOURCES_LIST: "resources",
    Operation.RESOURCE_TEMPLATES_LIST: "resourceTemplates",
    Operation.PROMPTS_LIST: "prompts",
}
"""Where the items of a list stand in its result."""

RefusedBy = Literal["policy", "middleware", "person", "limit", "approval", "error"]


class Continue(Enum):
    """The type of `CONTINUE`."""

    CONTINUE = "continue"


CONTINUE: Final = Continue.CONTINUE
"""What a handler returns that has nothing against a request and nothing to add: the chain goes on."""


class NextCalledTwiceError(RuntimeError):
    """A handler went on twice; the second time nothing was run."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was not answered as it asked.

    Attributes:
        message: For the model and for people. It reaches the client.
        by: Who refused.
        reason: A machine code.
        code: The JSON-RPC code, where the operation has no error result of its own.
        payload: The decision in the documented shape, where there is one: it is what the client of a tool receives.
        told: What else the client is told: retry times, the id and address of a pending approval.
        named: Whether the handler named the code itself (`ctx.fail`), so that tool results carry it, too.
        entered: Whether the tool, or whatever answers the operation, had been entered before.
    """

    message: str
    by: RefusedBy = "middleware"
    reason: str = "denied_by_middleware"
    code: int = POLICY_DENIED
    payload: Mapping[str, Any] | None = None
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    named: bool = False
    entered: bool = False

    @property
    def decision(self) -> dict[str, Any]:
        """What a client is told besides the message."""
        phase = "after_tool" if self.entered else "before_tool"
        return {"decision": "deny", "by": self.by, "reason": self.reason, "phase": phase, **self.told}

    @property
    def tool_result(self) -> dict[str, Any]:
        """The refusal as the result of a tool call."""
        meta: dict[str, Any] = {DECISION_META_KEY: self.decision}
        if self.named:
            meta["error"] = {"code": self.code, "message": self.message}
        text = self.message if self.payload is None or "decision" not in self.payload else json.dumps(self.payload)
        result: dict[str, Any] = {"content": [text_block(text)], "isError": True, "_meta": meta}
        if self.payload is not None:
            result["structuredContent"] = dict(self.payload)
        return result


class Reply:
    """The answer to one request.

    Args:
        operation: What was asked for.
        native: The answer as the framework made it; `None` for one that was made here.
        dump: Writes `native` in the words of the protocol.
        data: The answer in the words of the protocol, if it is at hand already.
        refusal: Why it is a refusal; `None` for an answer.
        error: The framework's own exception that `data` stands for.
        asking: Whether the server asks its client for input; `None` where only the data tells.
        state: With it, the state that the next leg will bring back.
    """

    __slots__ = ("_asking", "_data", "_dump", "_state", "error", "native", "operation", "refusal")

    def __init__(
        self,
        operation: Operation,
        native: Any = None,
        dump: Callable[[Any], dict[str, Any]] | None = None,
        *,
        data: dict[str, Any] | None = None,
        refusal: Refusal | None = None,
        error: Exception | None = None,
        asking: bool | None = None,
        state: str | None = None,
    ) -> None:
        self.operation = operation
        self.native = native
        self.refusal = refusal
        self.error = error
        self._dump = dump
        self._data = data
        self._asking = asking
        self._state = state

    @property
    def data(self) -> dict[str, Any]:
        """The result as it goes over the wire, with the protocol's own names. It may be changed in place."""
        if self._data is None:
            self._data = {} if self._dump is None else self._dump(self.native)
        return self._data

    @property
    def was_changed(self) -> bool:
        """Whether `data` says something else than the framework's own answer."""
        if self._data is None:
            return False
        return self._dump is None or self._dump(self.native) != self._data

    @property
    def is_error(self) -> bool:
        """Whether it says that the request failed."""
        return self.refusal is not None or self.data.get("isError") is True

    @property
    def asks_for_input(self) -> bool:
        """Whether the server asks its client for input before it goes on."""
        if self._data is None and self._asking is not None:
            return self._asking
        return self.data.get("resultType") == "input_required"

    @property
    def request_state(self) -> str | None:
        """With a question to the client, the state that the next leg will bring back."""
        if self._data is None and self._asking is not None:
            return self._state
        state = self.data.get("requestState")
        return state if isinstance(state, str) else None

    @property
    def text(self) -> str:
        """The text blocks of a tool's result, one below the other."""
        if self.refusal is not None:
            return self.refusal.message
        blocks = self.data.get("content")
        texts = [block.get("text") for block in blocks if isinstance(block, dict)] if isinstance(blocks, list) else []
        return "\n".join(text for text in texts if isinstance(text, str))

    @property
    def structured(self) -> Any:
        """The structured content of a tool's result; `None` where it has none."""
        return self.data.get("structuredContent")

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items of a list; empty for every other operation. The list may be changed in place."""
        name = LIST_FIELDS.get(self.operation)
        if name is None or self.refusal is not None:
            return []
        listed = self.data.get(name)
        if not isinstance(listed, list):
            # Nothing else is a list that anybody could look through.
            listed = self.data[name] = []
        return cast("list[dict[str, Any]]", listed)

    def keep(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the items of a list for which `wanted` is false."""
        name = LIST_FIELDS.get(self.operation)
        if name is not None and self.refusal is None:
            self.data[name] = [item for item in self.items if wanted(item)]

    def add_guidance(self, texts: list[str]) -> None:
        """Add words for the calling model; an error keeps its own text in front of them.

        Tools carry them as text blocks, everything else in `_meta`. A reply that asks for input or is the error
        of another operation carries none.
        """
        if self.operation is Operation.TOOL_CALL:
            content = self.data.get("content")
            if not self.asks_for_input and isinstance(content, list):
                self.data["content"] = [*content, *map(text_block, texts)]
        elif self.refusal is None:
            meta = self.data.get("_meta")
            kept = dict(cast("Mapping[str, Any]", meta)) if isinstance(meta, Mapping) else {}
            self.data["_meta"] = kept | {GUIDANCE_META_KEY: texts}

    def __repr__(self) -> str:
        state = "refused" if self.refusal is not None else "answered"
        return f"<Reply {self.operation} {state}>"


def refused(operation: Operation, refusal: Refusal) -> Reply:
    """Return the reply that a refusal is, for any operation."""
    data = refusal.tool_result if operation is Operation.TOOL_CALL else None
    return Reply(operation, data=data, refusal=refusal)


def text_block(text: str) -> dict[str, Any]:
    """Return a text as a block of a tool's content."""
    return {"type": "text", "text": text}
