"""An authority over TLS: only a certificate that is trusted counts, whatever the environment says."""

import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import mcp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytestmark = pytest.mark.anyio


class AllowsAll(BaseHTTPRequestHandler):
    """Allows whatever is asked."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        allow = {"decision": "allow", "reason": "r"}
        reply = json.dumps(
            {"authorization_id": asked["authorization_id"], "results": dict.fromkeys(asked["scopes"], allow)}
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "an authority")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "authority.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def base_url(certificate: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with HTTPServer(("127.0.0.1", 0), AllowsAll) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("trusts", "outcome"),
    [
        ({}, "fallback_closed_unreachable"),
        ({"NODE_TLS_REJECT_UNAUTHORIZED": "0", "NODE_NO_WARNINGS": "1"}, "fallback_closed_unreachable"),
        ({"NODE_EXTRA_CA_CERTS": "certificate"}, "sent to ada@example.com"),
    ],
    ids=["nothing", "everything, it says", "this certificate"],
)
async def test_only_a_trusted_certificate_counts(twin, certificate, base_url, trusts: Any, outcome: str) -> None:
    trusts = {name: str(certificate) if value == "certificate" else value for name, value in trusts.items()}
    env = twin.environment | {"ALLOWLY_BASE_URL": base_url, "ALLOWLY_KEY": "k", "ADAS_AUTHORIZATION": "auth"} | trusts
    command = twin.script("examples/guard-sdk2.js")
    program = mcp.StdioServerParameters(command=command[0], args=command[1:], env=env)

    with anyio.fail_after(60):
        async with mcp.Client(program) as client:
            result = await client.call_tool("send_email", {"to": "ada@example.com", "body": "hello"})

    assert outcome in result.content[0].text
