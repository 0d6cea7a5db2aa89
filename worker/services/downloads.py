"""Downloads from DingTalk's storage: from known hosts alone, bounded in bytes, memory and time.

A presigned URL is asked for as it is, without the token or anything that its signature does not
hold (field reports: a Content-Type makes the storage answer 403).
"""

from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from urllib.parse import urlsplit

from yarl import URL

from dingda.shared.dingtalk.media_hosts import MediaHosts
from dingda.shared.errors import InvalidOriginError
from dingda.shared.runtime.egress import Egress
from dingda.shared.texts import FILE_TOO_LARGE
from dingda.worker.errors import BackendConfigError, BackendUnavailableError, RefusalError
from dingda.worker.services.backend import Backend
from dingda.worker.services.backend_client import BackendClient
from dingda.worker.services.http_client import Http
from dingda.worker.services.http_message import ResponseTooLargeError
from dingda.worker.services.media_memory import MAX_FILE_BYTES, MediaMemory, Room
from dingda.worker.services.public_addresses import PublicAddresses

STORAGE = Backend("钉钉文件服务", at_once=20, timeout_s=20.0, max_bytes=MAX_FILE_BYTES)


class Downloads:
    """A worker's downloads of what people sent.

    Args:
        http: its client connects to public addresses alone, see `create_download_client`.
        hosts: where it may download from.
        memory: bounds what skills hold of it.
    """

    def __init__(self, http: Http, hosts: MediaHosts, memory: MediaMemory | None = None) -> None:
        self._http = http
        self._hosts = hosts
        self._memory = memory or MediaMemory()

    def room(self) -> AbstractAsyncContextManager[Room]:
        """Memory for one file; see `MediaMemory.room`."""
        return self._memory.room(STORAGE.name)

    async def fetch(self, url: str) -> bytes:
        """Download from a URL that DingTalk told.

        Raises:
            RefusalError: if there is more than `MAX_FILE_BYTES` of it.
            BackendConfigError: if the URL leads to an unknown host.
            BackendError: if the storage can't be reached in time, or has it no longer.
        """
        try:
            checked = self._hosts.checked(url)
        except InvalidOriginError as error:
            raise BackendConfigError(STORAGE.name, f"a download from elsewhere: {error}") from None
        try:
            response = await self._http.content(STORAGE, URL(checked, encoded=True), retries=1)
        except ResponseTooLargeError:
            raise RefusalError(FILE_TOO_LARGE.format(megabytes=MAX_FILE_BYTES >> 20)) from None
        if response.status != HTTPStatus.OK:
            raise BackendUnavailableError(STORAGE.name, f"HTTP {response.status}")
        return response.body


def create_download_client(egress: Egress, hosts: MediaHosts) -> BackendClient:
    """A client that connects to public addresses alone, to the proxy, and to what is named.

    Behind a proxy it is the proxy that looks names up: what it may reach is its own rule.
    """
    proxy = urlsplit(egress.proxy_url).hostname
    trusted = hosts.hosts_named | ({proxy} if proxy else frozenset())
    return BackendClient(egress, PublicAddresses(trusted))
