"""The part of the simulator's API that keeps what was said, shows it again, or forgets it.

GET    /api/transcript         Transcript: everything that is remembered
POST   /api/transcript         shows a transcript in the chat; ?send=1 sends its messages again
DELETE /api/messages           forgets what the bot is done with
"""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dingda.simulator.dingtalk.change_notifier import ChangeNotifier
from dingda.simulator.dingtalk.record import Record
from dingda.simulator.dingtalk.simulation import Simulation
from dingda.simulator.dingtalk.transcript import (
    Entry,
    FindCard,
    Transcript,
    began_at,
    records_of,
    transcript_of,
)
from dingda.simulator.http.api_requests import (
    as_api_errors,
    check_is_open,
    found,
    read_body,
    read_flag,
)
from dingda.simulator.http.delivery import Delivery

_REPLY_WITHIN_S = 20.0
"""How long a message waits for the reply to the one before it."""


def transcript_routes(
    dingtalk: Simulation, delivery: Delivery, changes: ChangeNotifier, find_card: FindCard
) -> list[BaseRoute]:
    """Build the routes.

    Args:
        dingtalk: the simulation.
        delivery: sends the messages of a transcript.
        changes: announces what is shown or forgotten.
        find_card: finds a card by its outTrackId.
    """
    endpoints = _Endpoints(dingtalk, delivery, changes, find_card)
    return [
        Route("/api/transcript", endpoints.show, methods=["GET"]),
        Route("/api/transcript", endpoints.load, methods=["POST"]),
        Route("/api/messages", endpoints.clear, methods=["DELETE"]),
    ]


class _Endpoints:
    def __init__(
        self,
        dingtalk: Simulation,
        delivery: Delivery,
        changes: ChangeNotifier,
        find_card: FindCard,
    ) -> None:
        self._dingtalk = dingtalk
        self._find_card = find_card
        self._delivery = delivery
        self._changes = changes

    async def show(self, _: Request) -> Response:
        records = self._dingtalk.records.since(0)
        transcript = replace(
            transcript_of(records, self._find_card),
            began=began_at(records),
            host=self._dingtalk.host,
        )
        return Response(
            transcript.to_json(),
            media_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="transcript.json"'},
        )

    async def load(self, request: Request) -> Response:
        is_sent = read_flag(request, "send")
        transcript = await read_body(request, Transcript.from_json)
        records = await (self._send_all(transcript) if is_sent else self._show_all(transcript))
        return Response(Record.list_to_json(records), media_type="application/json")

    async def clear(self, _: Request) -> Response:
        self._dingtalk.clear()
        await self._changes.announce()
        return JSONResponse({"kept": len(self._dingtalk.records.since(0))})

    async def _show_all(self, transcript: Transcript) -> list[Record]:
        records = records_of(transcript, now_ms=self._dingtalk.now_ms())
        for record in records:
            self._dingtalk.records.put(record)
        await self._changes.announce()
        return records

    async def _send_all(self, transcript: Transcript) -> list[Record]:
        said = [each for each in transcript.messages if not each.pushed]
        return [await self._send(each) for each in said]

    async def _send(self, entry: Entry) -> Record:
        """Send one message, and wait for the reply: the next may answer a question in it."""
        check_is_open(self._changes)
        with as_api_errors():
            msg_id = await self._deliver(entry)
        await self._delivery.wait_until_settled(msg_id, wait_s=_REPLY_WITHIN_S)
        return found(self._dingtalk.record(msg_id))

    async def _deliver(self, entry: Entry) -> str:
        if entry.raw_body is None:
            return await self._delivery.say(entry.said)
        callback = self._dingtalk.send_raw(entry.raw_body, verbatim=entry.verbatim is not None)
        await self._delivery.deliver(callback)
        return callback.msg_id
