"""The hosts that a sent picture or file may be downloaded from.

DingTalk answers a downloadCode with a presigned URL of its storage, which peers saw on
`*.oss-cn-*.aliyuncs.com` and `*.dingtalk.com`, sometimes as http://.
"""

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

from dingda.shared.dingtalk.origin import origin_of
from dingda.shared.errors import InvalidOriginError

_DEFAULT_PORTS = (":80", ":443")


@dataclass(frozen=True, slots=True)
class MediaHosts:
    """Hosts that may be downloaded from.

    Args:
        domains: each with its subdomains; over TLS, and at public addresses alone.
        origins: exactly these, wherever they are: a storage in our own network, or a simulator.
            As `origin_of` spells them.
    """

    domains: tuple[str, ...] = ("dingtalk.com", "aliyuncs.com", "alicdn.com")
    origins: tuple[str, ...] = ()

    @classmethod
    def of(cls, names: Collection[str]) -> "MediaHosts":
        """Read them as an operator writes them: `dingtalk.com`, or `https://files.corp.example`.

        Raises:
            InvalidOriginError: if one is neither.
        """
        domains = tuple(name.lower() for name in names if "://" not in name)
        if any(origin_of(f"https://{domain}") != f"https://{domain}:443" for domain in domains):
            raise InvalidOriginError("a domain has no port and no path")
        origins = [name.rstrip("/") for name in names if "://" in name]
        if any(origin.count("/") > len("//") for origin in origins):
            raise InvalidOriginError("an origin has no path")
        return cls(domains, tuple(map(origin_of, origins)))

    @property
    def hosts_named(self) -> frozenset[str]:
        """The hosts of the origins, whose addresses may be any."""
        return frozenset(urlsplit(origin).hostname or "" for origin in self.origins)

    def checked(self, url: str) -> str:
        """Return a URL to download from; of a domain as https://, whichever scheme DingTalk wrote.

        A presigned URL's signature covers neither the scheme nor the port.

        Raises:
            InvalidOriginError: if the URL leads anywhere else.
        """
        origin = origin_of(url)
        if origin in self.origins:
            return url
        host = urlsplit(origin).hostname or ""
        if not any(host == each or host.endswith(f".{each}") for each in self.domains):
            raise InvalidOriginError("the host is none of DINGDA_MEDIA_HOSTS")
        if not origin.endswith(_DEFAULT_PORTS):
            raise InvalidOriginError("the port must be that of https://")
        return urlsplit(url)._replace(scheme="https", netloc=host).geturl()
