"""The names under which an authority may be spoken to: what stands in `Host`.

A web page can make a browser send requests to this computer under any name that its author points here (DNS
rebinding). So only names that a user of this authority would type are accepted.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

EVERY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound


class OwnHosts:
    """This computer, the address that was bound, and the names of the certificate where there is one.

    Args:
        listening_on: The host that was bound. Where that is every address, any plain address is accepted:
            rebinding needs a name.
        certified: Names and addresses of the certificate, perhaps with `*` for their first label.
    """

    def __init__(self, listening_on: str, certified: Iterable[str] = ()) -> None:
        self._listening_on = listening_on.lower()
        self.certify(certified)

    def certify(self, names: Iterable[str]) -> None:
        """Take the names of a new certificate in the place of the old one's."""
        self._certified = frozenset(name.lower() for name in names)

    def include(self, header: str) -> bool:
        """Tell whether the value of a `Host` header names this authority."""
        name = without_port(header).lower()
        if name in {"localhost", self._listening_on} or name in self._certified:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return f"*.{name.partition('.')[2]}" in self._certified
        return address.is_loopback or self._listening_on in EVERY_ADDRESS


def without_port(host: str) -> str:
    """Return the name or address in a `Host` header."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
