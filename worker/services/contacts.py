"""DingTalk's address book, for skills: people, their managers and departments.

Sources: DingTalk's pages on topapi/v2/user/get, topapi/v2/department/get and contact/users/search.
A person is identified by userid alone: names are not unique, and anybody may choose a nickname.
"""

from collections.abc import Mapping
from typing import Any

from dingda.worker.errors import BackendProtocolError
from dingda.worker.services.access_token import OPENAPI, OpenAPIRefusedError
from dingda.worker.services.address_book import Person
from dingda.worker.services.openapi import OpenAPI, openapi_attempts

_MAX_FOUND = 20
_NOT_FOUND = frozenset({"33012", "60121", "60003"})
"""The errcodes for no such userid, user or department."""


class Contacts:
    """An organisation's `AddressBook`, read through DingTalk's OpenAPI.

    Args:
        openapi: of the application in whose name it is read.
    """

    def __init__(self, openapi: OpenAPI) -> None:
        self._openapi = openapi

    async def person(self, staff_id: str) -> Person | None:
        """Look a person up by userid; None if the organisation has no such person.

        Raises:
            BackendError: if DingTalk can't be reached, or returns no usable response.
        """
        fields = await self._call_oapi("/topapi/v2/user/get", {"userid": staff_id})
        if fields is None:
            return None
        result = fields.get("result")
        if not isinstance(result, dict):
            raise BackendProtocolError(OPENAPI.name, "user/get answers without a result")
        # The direct manager is optional.
        return Person(
            staff_id=staff_id,
            name=str(result.get("name") or ""),
            manager_staff_id=_userid(result.get("manager_userid") or ""),
            title=str(result.get("title") or ""),
            department_ids=_integers(result.get("dept_id_list")),
        )

    async def department(self, department_id: int) -> str:
        """Return the name of a department; "" if there is none of that id.

        Raises:
            BackendError: if DingTalk can't be reached, or rejects the call.
        """
        fields = await self._call_oapi("/topapi/v2/department/get", {"dept_id": department_id})
        result = fields.get("result") if fields else None
        return str(result.get("name") or "") if isinstance(result, dict) else ""

    async def find(self, name: str) -> list[str]:
        """Return the userids of the people with a name, at most twenty.

        Raises:
            BackendError: if DingTalk can't be reached, or rejects the call.
        """
        query = {"queryWord": name, "offset": 0, "size": _MAX_FOUND, "fullMatchField": 1}
        async for attempt in openapi_attempts():
            with attempt:
                fields = await self._openapi.call("POST", "/v1.0/contact/users/search", query)
        return _userids(fields)

    async def _call_oapi(self, path: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Call the older API; None: not found."""
        async for attempt in openapi_attempts():
            with attempt:
                try:
                    return await self._openapi.call_oapi(path, body)
                except OpenAPIRefusedError as error:
                    if error.code in _NOT_FOUND:
                        return None
                    raise
        raise AssertionError("stamina ends with a response or an exception")


def _userids(fields: Mapping[str, Any]) -> list[str]:
    """The userids found; a response without a list is an error, not an empty result."""
    found = fields.get("list", [] if fields.get("totalCount") == 0 else None)
    if not isinstance(found, list):
        raise BackendProtocolError(OPENAPI.name, "users/search answers without a list")
    return [_userid(staff_id) for staff_id in found]


def _integers(value: object) -> tuple[int, ...]:
    return tuple(each for each in value if type(each) is int) if isinstance(value, list) else ()


def _userid(value: object) -> str:
    if not isinstance(value, str):
        raise BackendProtocolError(OPENAPI.name, "a userid that is no text")
    return value
