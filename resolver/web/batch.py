"""Many handles in one request: ``POST /api/handles``, answered line by line as each answer arrives.

Some lookups run side by side; whoever has an answer writes it, and waits while the visitor does not read. So
nothing piles up here, and no further lookup begins before there is room for its answer. A visitor who leaves
ends the waiting, not the lookups: others may be waiting for them too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from resolver.answer.record_json import error_json, write_json
from resolver.errors import InvalidHandleError, ResolverError
from resolver.protocol.codes import ResponseCode
from resolver.resolution.toll import charge
from resolver.web.api import Api
from resolver.web.identifiers import strip_labels
from resolver.web.parse import BadRequestError, Parameters, parameters_from_json, read_query
from resolver.web.problems import internal_problem, problem_of
from resolver.web.render import Caching, Renderer
from resolver.web.visit import Visit, within_time

__all__ = ["MAX_HANDLES", "Batches", "read_batch"]

logger = logging.getLogger(__name__)

MAX_HANDLES = 1000
MAX_BODY_OCTETS = 4 * 1024 * 1024
"""A thousand handles of the greatest length, and what JSON adds."""

LOOKUPS_AT_ONCE = 16
HEAD_START_S = 0.005
"""Of the first lookup: its line comes sooner if not all of them are prepared before any is answered."""

PATIENCE_S = 60.0
"""Time after which no further lookup begins; what is left over is answered with "busy"."""

NDJSON = "application/x-ndjson"


class Batches:
    """Answers with many records, on one host."""

    def __init__(self, api: Api, renderer: Renderer) -> None:
        self._api = api
        self._renderer = renderer

    async def answer(
        self,
        visit: Visit,
        headers: Mapping[str, str],
        note: Callable[[Visit, str, int, float], None],
    ) -> web.StreamResponse:
        """Answer with one line for each handle in the body, in the order in which answers arrive.

        Args:
            visit: brings the body.
            headers: sent beside those that every answer has.
            note: told of each handle, with the response code of its line and the seconds it took.

        Raises:
            BadRequestError: the body is no such list.
            TooManyRequestsError: the visitor may not ask for so much now.
        """
        visit.endpoint = "batch"
        octets = await within_time(visit.request.clone(client_max_size=MAX_BODY_OCTETS).read())
        handles, parameters = read_batch(octets, visit.parameters)
        charge("batch")
        response = web.StreamResponse(
            headers={
                **self._renderer.headers(Caching(None, 0)),
                **headers,
                "Content-Type": NDJSON,
                # nginx would keep the lines until it has enough of them; it does not pass this on.
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(visit.request)
        stream = _Stream(visit.request, response)
        loop = asyncio.get_running_loop()
        waiting = iter(handles)
        ends_at = loop.time() + PATIENCE_S

        async def work(number: int) -> None:
            if number:
                await asyncio.sleep(HEAD_START_S)
            for text in waiting:
                if stream.is_closed:
                    return
                began = loop.time()
                line = await self._line(text, parameters) if began < ends_at else _left_over(text)
                note(visit, line["handle"], line["responseCode"], loop.time() - began)
                await stream.write(line)

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(min(LOOKUPS_AT_ONCE, len(handles))):
                    group.create_task(work(number))
            await response.write_eof()
        except* ConnectionError:
            logger.debug("visitor left before the end of a batch request_id=%s", visit.request_id)
        return response

    async def _line(self, asked: str, parameters: Parameters) -> dict[str, Any]:
        text = strip_labels(asked).lstrip("/")
        try:
            _, line = await self._api.describe(read_query(text, parameters, for_api=True))
        except InvalidHandleError as error:
            line = error_json(ResponseCode.INVALID_HANDLE, str(error), text)
        except ResolverError as error:
            problem = problem_of(error)
            line = error_json(problem.code, problem.what, text)
        except Exception:
            # The status is sent already, so that this cannot become a 500 for all of them.
            logger.exception("request failed handle=%r", asked)
            line = error_json(ResponseCode.ERROR, internal_problem().what, text)
        return line if text == asked else {**line, "asked": asked}


class _Stream:
    """The answer while it is written, by one after the other."""

    def __init__(self, request: web.Request, response: web.StreamResponse) -> None:
        self._request = request
        self._response = response
        self._turn = asyncio.Lock()

    @property
    def is_closed(self) -> bool:
        """Whether nobody reads any more."""
        return self._request.transport is None or self._request.transport.is_closing()

    async def write(self, line: dict[str, Any]) -> None:
        """Write a line as soon as it is its turn, and wait for a visitor who reads slowly.

        Raises:
            ConnectionError: nobody reads any more.
        """
        async with self._turn:
            await self._response.write(write_json(line) + b"\n")
        # What comes from memory never waits, and a thousand of them would keep everybody else waiting.
        await asyncio.sleep(0)


def _left_over(text: str) -> dict[str, Any]:
    return error_json(ResponseCode.SERVER_BUSY, "the others took too long; ask for this one again", text)


def read_batch(octets: bytes, parameters: Parameters) -> tuple[Sequence[str], Parameters]:
    """Read the body of a batch: its handles, and the parameters that count for all of them.

    Args:
        octets: of the body.
        parameters: from the query string; they count before those of the body.

    Raises:
        BadRequestError: not JSON, without a list of handles, with too many, or with one that is no text.
    """
    try:
        content = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequestError("the body of the request is no JSON") from error
    handles = content.get("handles") if isinstance(content, dict) else None
    if not isinstance(handles, list) or not handles:
        raise BadRequestError(
            'the body must be an object with handles: {"handles": ["20.500.12345/abc"]}',
            code=ResponseCode.INVALID_HANDLE,
        )
    if len(handles) > MAX_HANDLES:
        raise BadRequestError(f"{len(handles)} handles are asked for, at most {MAX_HANDLES} may be")
    if not all(isinstance(handle, str) for handle in handles):
        raise BadRequestError("each handle must be text", code=ResponseCode.INVALID_HANDLE)
    parameters |= parameters_from_json({name: value for name, value in content.items() if name != "handles"})
    # A mistake in them is told at once, not in every line.
    read_query("0.NA/0.NA", parameters, for_api=True)
    return handles, parameters
