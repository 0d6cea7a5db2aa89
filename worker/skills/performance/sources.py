"""Where performance data is: a database that one SELECT reads, or an HR service over HTTP."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from dingda.skill import Backend, BackendConfigError, BackendProtocolError, Bounds, Databases, Http

HR = Backend("绩效系统")
SERVICE = HR.name
BOUNDS = Bounds()
"""What the database may be asked."""
MOST_ROWS = 3
"""Periods that are shown at the most, the newest first."""

QUERY = """
SELECT period, score, grade, rank_in_dept, dept_size, comment
FROM employee_performance
WHERE userid = :staff_id AND status = 'published' AND (:period = '' OR period = :period)
ORDER BY updated_at DESC
"""
"""For the table of docs/skills/performance.md."""

Row = Mapping[str, Any]


def check_query(query: str) -> str:
    """Check that a query is one that may be run for somebody's question.

    Raises:
        ValueError: saying what it must be instead.
    """
    from sqlalchemy import text  # noqa: PLC0415 - slow to import, and often there is no database
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415

    statement = query.strip().rstrip(";").rstrip()
    if not statement.upper().startswith(("SELECT", "WITH")) or ";" in statement:
        raise ValueError("must be one SELECT")
    try:
        binds = set(text(statement).compile().params)
    except ArgumentError:
        raise ValueError("must be one SELECT with named parameters") from None
    if "staff_id" not in binds or not binds <= {"staff_id", "period"}:
        raise ValueError("must select by :staff_id, and may by :period ('' for any), nothing else")
    return statement


async def read_table(
    databases: Databases,
    url: str,
    query: str,
    *,
    staff_id: str,
    period: str,
    bounds: Bounds = BOUNDS,
) -> Sequence[Row]:
    """Read somebody's rows with the operator's query.

    Args:
        databases: reads them.
        url: SQLAlchemy's URL.
        query: as `check_query` left it.
        staff_id: whose.
        period: a `Period.key`; "" for the newest.
        bounds: what the database may be asked.

    Raises:
        BackendError: if they can't be read.
    """
    from sqlalchemy import text  # noqa: PLC0415 - as above

    statement = text(query)
    given = {"staff_id": staff_id, "period": period}
    values = {name: given[name] for name in statement.compile().params}
    return await databases.fetch(SERVICE, url, statement, values, limit=MOST_ROWS, bounds=bounds)


async def read_service(
    http: Http, url: str, token: str, *, staff_id: str, period: str, backend: Backend = HR
) -> Sequence[Row]:
    """Read somebody's rows from an HR service: `GET url?userid=…&period=…&limit=…`.

    It answers `{"items": [{"period": …, "score": …}, …]}`, the newest first; 404 for nobody.

    Raises:
        BackendError: if it can't be asked, refuses us, or answers something else.
    """
    response = await http.json(
        backend,
        "GET",
        url,
        params={"userid": staff_id, "period": period, "limit": MOST_ROWS},
        headers={"authorization": f"Bearer {token}"} if token else None,
        # What is looked up for a person is shared with nobody, however equal the question.
        shared=False,
    )
    # A page of HTML is a web server's 404 for a wrong address, not the service's for nobody.
    if response.status == HTTPStatus.NOT_FOUND and response.data is not None:
        return []
    if response.status != HTTPStatus.OK:
        raise BackendConfigError(SERVICE, f"HTTP {response.status}")
    items = response.data.get("items") if isinstance(response.data, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BackendProtocolError(SERVICE, "no list of items")
    return items[:MOST_ROWS]
