"""From an answer to an HTTP response: pages through Jinja2, records as JSON, and the headers of both."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, nodes, pass_context
from jinja2.runtime import Context
from markupsafe import Markup
from msgspec import Struct
from msgspec.structs import replace

from resolver.answer.record_json import write_json
from resolver.answer.visible import visible_text
from resolver.errors import SettingsError
from resolver.web.identifiers import encode_handle
from resolver.web.languages import ENGLISH, Language, Reader, choose_language, find_languages
from resolver.web.problems import PROBLEM_TYPE, Problem, problem_json

__all__ = ["CACHING", "Caching", "Renderer", "template_folders"]

HTML = "text/html"
JSON_TYPE = "application/json"
JAVASCRIPT = "application/javascript"

_COMMON_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
    "X-Content-Type-Options": "nosniff",
    "Server": "handle-resolver",
}
_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; "
        # The form leads to where the handle leads: browsers apply this to redirects of a form as well.
        "form-action 'self' http: https:"
    ),
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
STALE_MAX_AGE_S = 30

# What lets a template do more than its own text says.
_REACHING_OUT = (
    *(nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.CallBlock),
    *(nodes.FilterBlock, nodes.ContextReference, nodes.ScopedEvalContextModifier, nodes.EvalContextModifier),
    *(nodes.Macro, nodes.Block, nodes.AssignBlock),  # what they show can be had as a text, and changed
)

_BY_CHANCE = frozenset({"random", "lipsum"})
"""What shows something else each time."""

# Names and colons only: what stands in Host goes into links, and comes from the visitor.
_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


class Caching(Struct, frozen=True):
    """How long, and by whom, an answer may be kept."""

    expires_at: float | None
    """Seconds since 1970; ``None`` if it must not be kept at all."""
    max_age_s: float
    """At most this long."""
    stale: bool = False
    vary: tuple[str, ...] = ()
    """The request headers that were looked at."""
    is_personal: bool = False
    """Whether the same answer may be wrong for the next visitor."""

    def until(self, expires_at: float) -> Caching:
        """Return the same, but no longer than ``expires_at``."""
        if self.expires_at is None or expires_at >= self.expires_at:
            return self
        return replace(self, expires_at=expires_at)

    def varying(self, *headers: str, personal: bool = False) -> Caching:
        """Return the same for an answer that depends on request headers, or on who asks."""
        return replace(
            self, vary=tuple(dict.fromkeys((*self.vary, *headers))), is_personal=self.is_personal or personal
        )

    def headers(self, now: float) -> dict[str, str]:
        """Return the headers that say so."""
        headers = {"Vary": ", ".join(self.vary)} if self.vary else {}
        if self.expires_at is None:
            return {**headers, "Cache-Control": "no-store"}
        if self.stale:
            scope = "private, " if self.is_personal else ""
            return {
                **headers,
                "Cache-Control": f"{scope}max-age={0 if self.is_personal else STALE_MAX_AGE_S}",
                "Warning": '110 - "Response is Stale"',
                "Expires": formatdate(now + (0 if self.is_personal else STALE_MAX_AGE_S), usegmt=True),
            }
        if self.is_personal:
            return {**headers, "Cache-Control": "private, max-age=0", "Expires": formatdate(now, usegmt=True)}
        left = max(0, int(min(self.expires_at - now, self.max_age_s)))
        return {
            **headers,
            "Cache-Control": f"public, max-age={left}",
            "Expires": formatdate(int(now) + left, usegmt=True),
        }


CACHING: web.ResponseKey[Caching] = web.ResponseKey("caching", Caching)
"""What a response says about how long it may be kept."""


def _told(caching: Caching, response: web.Response) -> web.Response:
    response[CACHING] = caching
    return response


def template_folders(override: Path | None) -> list[Path]:
    """Return the folders in which templates and static files are looked for, the operator's first.

    Installed, they lie within the package; in a checkout, beside it.
    """
    package = Path(str(files("resolver")))
    inside = package / "templates"
    shipped = inside if inside.is_dir() else package.parent / "templates"
    return [*([override] if override else []), shipped]


class Renderer:
    """Makes responses. One for each app."""

    def __init__(
        self,
        folders: list[Path],
        *,
        site_name: str,
        base_url: str,
        contact: str,
        version: str,
        clock: Callable[[], float],
    ) -> None:
        self.languages = find_languages(folders)
        """By code."""
        self._environment = Environment(
            loader=FileSystemLoader(folders),
            extensions=["jinja2.ext.i18n"],
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.version = version
        """Of this software."""
        self.root = base_url
        """Before the paths of links to this resolver; empty if they are relative."""
        self._clock = clock
        self._environment.globals.update(
            site_name=site_name, root=base_url, contact=contact, version=version, handle_path=encode_handle
        )
        self._environment.filters.update(visible=visible_text, say=_say, isolated=_isolated)
        self._environment.globals["link"] = self._link
        self._environment.policies["ext.i18n.trimmed"] = True
        # Put in by the extension, which mypy does not know of.
        install: Callable[..., None] = vars(self._environment)["install_gettext_callables"]
        install(_gettext, _ngettext, newstyle=True)

    def prepare(self) -> None:
        """Read all templates and catalogues, so that a mistake shows now, and no page waits for it; any thread may.

        Raises:
            SettingsError: a template or a catalogue cannot be read.
        """
        for language in self.languages.values():
            language.prepare()
        for name in self._environment.list_templates(extensions=["html"]):
            try:
                self._environment.get_template(name)
            except TemplateError as error:
                raise SettingsError(f"template {name}: {error}") from error

    def only_shows(self, template: str, name: str) -> bool:
        """Whether all that a template does with ``name`` is to show it, so that nothing else depends on it."""
        loader = self._environment.loader
        if loader is None:
            return False
        tree = self._environment.parse(loader.get_source(self._environment, template)[0])
        if any(True for _ in tree.find_all(_REACHING_OUT)) or any(
            node.recursive for node in tree.find_all(nodes.For)
        ):
            return False
        names = {node.name for node in tree.find_all(nodes.Name)} | {
            node.name for node in tree.find_all(nodes.Filter)
        }
        if names & _BY_CHANCE:
            return False
        shown = {id(node) for output in tree.find_all(nodes.Output) for node in output.nodes}
        return all(id(node) in shown for node in tree.find_all(nodes.Name) if node.name == name)

    # --- links -------------------------------------------------------------------------------------------

    def base_url(self, scheme: str, host: str | None) -> str:
        """Return the address of this resolver as links use it: the configured one, else that of the request.

        Without either, or with a host that is no name, an empty text, so that links are relative.
        """
        if self.root:
            return self.root
        return f"{scheme}://{host}" if host and _HOST.fullmatch(host) else ""

    @pass_context
    def _link(self, context: Context, path: str, query: str = "") -> str:
        """Return the address of a page of ours, which goes on in the language that was asked for."""
        named = context.resolve("named_language")
        words = "&".join(word for word in (query, f"lang={named}" if named else "") if word)
        return f"{self.root}{path}{f'?{words}' if words else ''}"

    # --- answers -----------------------------------------------------------------------------------------

    def redirect(
        self,
        status: int,
        uri: str,
        caching: Caching,
        *,
        headers: Mapping[str, str] | None = None,
        metas: Sequence[tuple[str, str]] = (),
    ) -> web.Response:
        """Send the visitor to ``uri``, with a small page for those whose program does not follow."""
        view = {"uri": uri, "metas": metas}
        return self.page(
            "redirect.html", view, caching, status=status, headers={**(headers or {}), "Location": uri}
        )

    def octets(
        self,
        content: bytes,
        content_type: str,
        caching: Caching,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Give something in a form of its own."""
        all_headers = {**_COMMON_HEADERS, **caching.headers(self._clock()), **(headers or {})}
        return _told(
            caching, web.Response(body=content, headers={**all_headers, "Content-Type": content_type})
        )

    def problem_page(
        self,
        problem: Problem,
        view: Mapping[str, Any],
        caching: Caching,
        headers: Mapping[str, str] | None = None,
        *,
        reader: Reader | None = None,
    ) -> web.Response:
        """Show why there is no answer."""
        all_headers = {**dict(problem.headers), **(headers or {})}
        shown = {"problem": problem, **view}
        return self.page(
            "problem.html", shown, caching, reader=reader, status=problem.status, headers=all_headers
        )

    def problem_json(
        self,
        problem: Problem,
        caching: Caching,
        *,
        asked: str | None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> web.Response:
        """Tell a program why there is no answer (RFC 9457)."""
        shown = problem_json(problem, asked, **more)
        all_headers = {**dict(problem.headers), **(headers or {})}
        response = self.json(shown, caching, status=problem.status, headers=all_headers)
        response.headers["Content-Type"] = PROBLEM_TYPE
        return response

    def json(
        self,
        shown: Mapping[str, Any] | Sequence[Any],
        caching: Caching,
        *,
        status: int = 200,
        pretty: bool = False,
        callback: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Give JSON, or JavaScript that calls ``callback`` with it."""
        octets = write_json(shown, pretty=pretty)
        content_type = JSON_TYPE
        if callback is not None:
            octets = callback.encode() + b"(" + octets + b");"
            content_type = JAVASCRIPT
        all_headers = {**_COMMON_HEADERS, **caching.headers(self._clock()), **(headers or {})}
        response = web.Response(
            body=octets,
            status=status,
            headers={**all_headers, "Content-Type": f"{content_type};charset=UTF-8"},
        )
        return _told(caching, response)

    def headers(self, caching: Caching) -> dict[str, str]:
        """Return the headers of an answer whose body somebody else writes."""
        return {**_COMMON_HEADERS, **caching.headers(self._clock())}

    def empty(self, status: int, headers: Mapping[str, str]) -> web.Response:
        """Answer without a body."""
        return web.Response(status=status, headers={**_COMMON_HEADERS, **headers})

    def page(
        self,
        template: str,
        view: Mapping[str, Any],
        caching: Caching,
        *,
        reader: Reader | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Show a page, in the language of its reader; in English if nothing is known of that."""
        language, is_named = ENGLISH, True
        if reader is not None:
            language, is_named = choose_language(reader, self.languages)
        given = dict(headers or {})
        looked_at = [name.strip() for name in given.pop("Vary", "").split(",") if name.strip()]
        caching = caching.varying(*looked_at, *(() if is_named else ("Accept-Language",)))
        own = {
            "language": language,
            "languages": tuple(self.languages.values()),
            "named_language": language.code if reader is not None and is_named else "",
            "query": None if reader is None else reader.query,
        }
        text = self._environment.get_template(template).render({**own, **view})
        response = web.Response(
            body=text.encode("utf-8", "replace"),
            status=status,
            headers={
                **_COMMON_HEADERS,
                **_PAGE_HEADERS,
                **caching.headers(self._clock()),
                **given,
                "Content-Language": language.code,
                "Content-Type": f"{HTML}; charset=utf-8",
            },
        )
        return _told(caching, response)


# --- what templates can do -----------------------------------------------------------------------------------


def _language(context: Context) -> Language:
    language = context.resolve("language")
    return language if isinstance(language, Language) else ENGLISH


def _isolated(text: str) -> Markup:
    """Keep a handle or an address in one piece among words that run from right to left."""
    return Markup('<bdi dir="ltr">{}</bdi>').format(text)


@pass_context
def _say(context: Context, text: str) -> str:
    return _language(context).say(text)


@pass_context
def _gettext(context: Context, words: str) -> str:
    return _language(context).gettext(words)


@pass_context
def _ngettext(context: Context, singular: str, plural: str, number: int) -> str:
    return _language(context).ngettext(singular, plural, number)
