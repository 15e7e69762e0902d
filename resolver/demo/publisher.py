"""A publisher's web server: the landing pages that handles of the sample network lead to, and their metadata.

Metadata come in the form that the visitor's program accepts, which is what DOI content negotiation ends at.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

__all__ = ["Publisher"]


class Publisher:
    """Serves ``/articles/<doi>`` for people and ``/metadata/<doi>`` for programs."""

    def __init__(self, articles: Mapping[str, Mapping[str, Any]]) -> None:
        """Prepare.

        Args:
            articles: CSL items by DOI.
        """
        self._articles = articles
        self._runner: web.AppRunner | None = None

    async def start(self, address: str, port: int) -> None:
        """Begin to serve."""
        app = web.Application()
        app.router.add_get("/articles/{doi:.+}", self._landing_page)
        app.router.add_get("/metadata/{doi:.+}", self._metadata)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, address, port).start()

    async def close(self) -> None:
        """Stop."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _landing_page(self, request: web.Request) -> web.Response:
        item = self._find(request)
        title = html.escape(item["title"])
        page = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
        return web.Response(text=f"{page}<p>{html.escape(item['abstract'])}</p>", content_type="text/html")

    async def _metadata(self, request: web.Request) -> web.Response:
        item = self._find(request)
        accepted = request.headers.get("Accept", "")
        for media_type, write in _FORMATS.items():
            if media_type in accepted:
                return web.Response(text=write(item), content_type=media_type, headers={"Vary": "Accept"})
        raise web.HTTPNotAcceptable(text=f"offered: {', '.join(_FORMATS)}\n")

    def _find(self, request: web.Request) -> Mapping[str, Any]:
        item = self._articles.get(request.match_info["doi"])
        if item is None:
            raise web.HTTPNotFound(text="no such article\n")
        return item


def _csl(item: Mapping[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False)


def _bibtex(item: Mapping[str, Any]) -> str:
    authors = " and ".join(f"{author['family']}, {author['given']}" for author in item["author"])
    year = item["issued"]["date-parts"][0][0]
    fields = {"title": item["title"], "author": authors, "year": year, "doi": item["DOI"]}
    written = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@article{{demo{year},\n{written}\n}}\n"


def _ris(item: Mapping[str, Any]) -> str:
    authors = "".join(f"AU  - {author['family']}, {author['given']}\n" for author in item["author"])
    year = item["issued"]["date-parts"][0][0]
    return f"TY  - JOUR\nTI  - {item['title']}\n{authors}PY  - {year}\nDO  - {item['DOI']}\nER  - \n"


_FORMATS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "application/vnd.citationstyles.csl+json": _csl,
    "application/x-bibtex": _bibtex,
    "application/x-research-info-systems": _ris,
}
