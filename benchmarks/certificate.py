"""TLS on this machine: a certificate for 127.0.0.1, and `python -m` for processes that trust it.

`python -m benchmarks.certificate <bundle> <module> ...` runs a module that takes the bundle for
certifi's. The worker reads certificates from nowhere else, and not from the environment, so that
nothing but a change of its code can make it trust a stranger. That is right, and so this is one.
"""

import datetime as dt
import ipaddress
import runpy
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_HOST = "127.0.0.1"
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a server that is trusted on this machine alone."""

    server: Path
    """Its certificate and its key."""
    bundle: Path
    """The certificates that everybody trusts, and this one."""

    def trusted(self, module: str) -> tuple[str, ...]:
        """The command line, less Python itself, that runs a module which trusts the server."""
        return ("-m", __name__, str(self.bundle), module)


def a_certificate(folder: Path) -> Certificate:
    """Make a certificate for 127.0.0.1 that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _HOST)])
    address = x509.IPAddress(ipaddress.ip_address(_HOST))
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = Certificate(folder / "server.pem", folder / "bundle.pem")
    certificate.server.write_bytes(private + public)
    certificate.bundle.write_bytes(Path(certifi.where()).read_bytes() + public)
    return certificate


def client_context() -> ssl.SSLContext:
    """The client's side of TLS: it trusts certifi's bundle, or what was put in its place."""
    return ssl.create_default_context(cafile=certifi.where())


def server_context(pem: Path) -> ssl.SSLContext:
    """The server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


def main() -> None:
    """Run a module as `python -m` does, with a bundle in place of certifi's."""
    bundle, module = sys.argv[1:3]
    certifi.where = lambda: bundle
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
