"""Plain hosts, which know nothing of approvals, and what they answer to forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import anyio
import fastmcp
import mcp
import pytest
from mcp_types import ElicitRequestFormParams, ElicitResult, InputRequiredResult

from allowly_authority import AuthorityUnavailable

KEY = "allowly-approval"


class Host:
    """The person at a plain host, one that knows nothing of approvals: answers each form, and remembers it.

    Args:
        answers: One for each form, the last one for all others: a dictionary is sent, a word is the action.
    """

    def __init__(self, *answers: dict[str, Any] | str) -> None:
        self.answers = answers or ("cancel",)
        self.forms: list[ElicitRequestFormParams] = []

    async def __call__(self, *given: Any) -> ElicitResult:
        self.forms.append(next(form for form in given if isinstance(form, ElicitRequestFormParams)))
        answer = self.answers[min(len(self.forms), len(self.answers)) - 1]
        if isinstance(answer, str):
            return ElicitResult(action=answer)
        return ElicitResult(action="accept", content=answer)

    def client(self, server: Any, **options: Any) -> Any:
        """A client of `server` whose forms are answered here, of the library that fits the server."""
        library = fastmcp if isinstance(server, fastmcp.FastMCP) else mcp
        return library.Client(server, **self.options(library), **options)

    def options(self, library: Any) -> dict[str, Any]:
        """What a client of `library` is made with."""
        return {"elicitation_handler" if library is fastmcp else "elicitation_callback": self}


@pytest.fixture
def person() -> type[Host]:
    return Host


class Told:
    """The real client, which notes the answers that it reports and can be broken.

    Attributes:
        broken: "settling" and "checking" fail as if the authority were gone, "a bug" raises what nobody
            expects, "another call" checks each time something that was never asked about.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.answers: list[tuple[str, bool]] = []
        self.broken = ""

    async def check(self, *, resource: str | None = None, **check: Any) -> Any:
        self._fail("checking")
        if self.broken == "another call":
            resource = f"{resource}{len(self.answers)}"
        return await self.client.check(resource=resource, **check)

    async def settle_confirmation(self, nonce: str, *, approved: bool, **more: Any) -> Any:
        self._fail("settling")
        if self.broken == "a bug":
            raise KeyError(f"secret {nonce}")
        self.answers.append((nonce, approved))
        return await self.client.settle_confirmation(nonce, approved=approved, **more)

    def _fail(self, moment: str) -> None:
        if self.broken == moment:
            raise AuthorityUnavailable("gone", kind="connect", sent=False)


@dataclass
class Asking:
    """Makes guards that ask through the client.

    Attributes:
        told: The authority for guards whose test looks at it, or breaks it.
    """

    bench: Any
    told: Told

    def __call__(self, **options: Any) -> Any:
        return self.bench.guard(ask_client=True, **options)


@pytest.fixture
def asking(bench: Any) -> Asking:
    return Asking(bench, Told(bench.authority.client))


class ByHand:
    """Sends the legs of a call one by one, from a host that could show forms."""

    def __init__(self, server: Any) -> None:
        self._client = Host().client(server)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.__aexit__(*error)

    async def leg(
        self, user: str, asked: InputRequiredResult | str | None = None, answer: Any = None, **call: Any
    ) -> Any:
        """Send one leg: a first one, or one with an answer to what was asked.

        Args:
            user: Whose call it is.
            asked: The result that asked, or a state of the test's own making.
            answer: What the form is sent with, or all responses as `responses`.
            call: Other arguments than the usual ones, and `tool`.
        """
        continuation: dict[str, Any] = {}
        if asked is not None:
            responses = call.pop("responses", {KEY: {"action": "accept", "content": answer}})
            state = asked if isinstance(asked, str) else asked.request_state
            continuation = {"input_responses": responses, "request_state": state}
        tool = call.pop("tool", "send")
        arguments = {"user_id": user, **({"text": "5"} if tool == "send" else {}), **call}
        with anyio.fail_after(10):
            return await self._client.session.call_tool(tool, arguments, allow_input_required=True, **continuation)


@pytest.fixture
def by_hand() -> type[ByHand]:
    return ByHand
