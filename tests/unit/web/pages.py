"""Views in which every field holds the same text, and payloads that try to break out of a page."""

from __future__ import annotations

import itertools
from dataclasses import fields
from functools import cache
from html.parser import HTMLParser
from typing import Any

from resolver.answer.explain import Verdict, Weighed
from resolver.answer.facts import Fact
from resolver.answer.formats import FORMATS
from resolver.answer.listing import ValueView
from resolver.answer.summary import Summary
from resolver.answer.tombstone import Tombstone
from resolver.model.handle import Handle
from resolver.model.record import Reference
from resolver.resolution.trace import TraceEntry
from resolver.web.explanation import Decision, Explanation, Memory, ServerView, SiteView
from resolver.web.problems import Problem
from resolver.web.qr import draw_qr
from resolver.web.render import Caching, Renderer, template_folders
from resolver.web.waterfall import draw_waterfall

NEVER = Caching(None, 0)
NOW = 1_800_000_000.25

_WHOLE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<script>alert(1)//",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<<script>alert(1);//<</script>",
    "<script\x0c>alert(1)</script>",
    "<script\n>alert(1)</script\n>",
    "<script/x>alert(1)</script>",
    "<\x00script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</noscript><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<!--<img src=x onerror=alert(1)>-->",
    "<!DOCTYPE html><body onload=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<svg><a xlink:href=javascript:alert(1)><text>x</text></a></svg>",
    "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=javascript:alert(1)></object>",
    "<embed src=//evil.example/x.swf>",
    "<applet code=x></applet>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<form action=//evil.example><input name=hdl></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<img src=x onerror=alert(1)>",
    "<img src=`x` onerror=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<details open ontoggle=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "<plaintext>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "&#x3c;script&#x3e;alert(1)",
    "&amp;lt;script&amp;gt;",
    "\\x3cscript\\x3ealert(1)",
    "\\u003cscript\\u003ealert(1)",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\u2039script\u203aalert(1)",
    "\xbcscript\xbealert(1)\xbc/script\xbe",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " \x01javascript:alert(1)",
    "java\tscript:alert(1)",
    "java\nscript:alert(1)",
    "javascript&colon;alert(1)",
    "&#106;avascript:alert(1)",
    "vbscript:msgbox(1)",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "view-source:https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example\\x",
    'https://evil.example/" onclick="alert(1)',
    "{{7*7}}",
    "{{ config.__class__ }}",
    "{% include 'layout.html' %}",
    "{# comment #}",
    "${7*7}",
    "#{7*7}",
    "<%= 7*7 %>",
    "x\r\nSet-Cookie: a=b\r\n\r\n<script>alert(1)</script>",
    "\u202e<script>alert(1)</script>\u202c",
    "\u2028<script>\u2029",
    "\ufeff<script>alert(1)</script>",
    "<script>alert(1)</script>@example.org",
    "a@example.org?subject=<script>",
    'a@example.org" onclick="alert(1)',
]

# Out of an attribute, and into one of its own.
_OPENERS = ['"', "'", "`", "", '">', "'>", " ", "/", "\t", '\x00"', '\\"', "&quot;", "&#34;"]
_ATTRIBUTES = ["onmouseover=alert(1) x=", "autofocus onfocus=alert(1) ", "style=x:expression(alert(1)) "]

PAYLOADS = [*_WHOLE, *map("".join, itertools.product(_OPENERS, _ATTRIBUTES))]

HARMLESS = "plain"


def renderer(**wishes: Any) -> Renderer:
    """Return a renderer with our templates."""
    given = {
        "site_name": "Handle resolver",
        "base_url": "",
        "contact": "",
        "version": "1",
        "clock": lambda: NOW,
        **wishes,
    }
    return Renderer(template_folders(given.pop("templates", None)), **given)


@cache
def _lasting_renderer(base_url: str) -> Renderer:
    """Return a renderer that has compiled its templates before."""
    return renderer(site_name=HARMLESS, contact=HARMLESS, base_url=base_url)


def value_views(text: str) -> list[ValueView]:
    """Return values of every shape that a page knows, with ``text`` wherever there is a text."""
    plain: dict[str, Any] = {field.name: None for field in fields(ValueView)} | {
        "index": 1,
        "type": text,
        "type_name": text,
        "facts": (),
        "warning": text,
        "ttl": text,
        "changed": text,
        "changed_exactly": text,
        "permissions": text,
        "references": (Reference(text, 1), Reference(text, -1)),
    }
    facts = (
        Fact(text, text, more=text),
        Fact(text, text, handle=text),
        Fact(text, text, uri=f"https://example.org/{text}"),
    )
    return [
        ValueView(**plain | {"text": text}),
        ValueView(**plain | {"text": text, "type_handle": text}),
        ValueView(**plain | {"text": text, "handle": text}),
        ValueView(**plain | {"text": text, "uri": f"https://example.org/{text}"}),
        ValueView(**plain | {"facts": facts}),
        ValueView(**plain | {"octets": text}),
    ]


def values_view(text: str, **changes: Any) -> dict[str, Any]:
    """Return what ``values.html`` shows, with every part of the page in use."""
    return {
        "handle": Handle(text),
        "values": value_views(text),
        "unreadable": (1, 2),
        "is_filtered": False,
        "total": 6,
        "aliases": [text, text],
        "is_prefix": False,
        "citation_url": f"https://hdl.handle.net/{text}",
        "changed": text,
        "answered_by": text,
        "age": text,
        "is_stale": True,
        "verification": {
            "answered_by": text,
            "is_trusted": False,
            "reason": text,
            "signers": (text, text),
            "valid_until": text,
        },
        "formats": FORMATS,
        "summary": Summary(
            text, text, (f"https://example.org/{text}", f"https://example.org/2/{text}"), 3, True
        ),
        "label": "hdl:",
        "qr": draw_qr("https://hdl.handle.net/20.500.12345/abc"),
        "prefix_contact": text,
        "asked_when": text,
        **changes,
    }


def problem_view(text: str) -> tuple[Problem, dict[str, Any]]:
    """Return what ``problem.html`` shows, with every part of the page in use."""
    problem = Problem(404, 100, text, text, whose=text, advice=(text, text))
    return problem, {"asked": text, "request_id": text, "prefix_contact": text, "suggestion": text}


def tombstone_view(text: str) -> dict[str, Any]:
    """Return what ``tombstone.html`` shows, with every part of the page in use."""
    places = (f"https://example.org/{text}", f"https://example.org/2/{text}")
    return {
        "handle": Handle(text),
        "tombstone": Tombstone(text, text, 1, places, places, places),
        "changed": text,
        "citation_url": f"https://hdl.handle.net/{text}",
        "prefix_contact": text,
    }


def explain_view(text: str) -> dict[str, Any]:
    """Return what ``explain.html`` shows, with every part of the page in use."""
    steps = (
        TraceEntry(0.0, 0.0, 1, f"0.NA/{text}", text),
        TraceEntry(0.001, 0.01, 1, f"0.NA/{text}", text, f"udp://{text}", text, 100),
        TraceEntry(0.02, 0.01, 0, text, text, f"udp://{text}", text, 0, succeeded=False),
    )
    server = ServerView(1, text, (f"udp://{text}",), True, steps[1:])
    sites = (SiteView(text, True, 1, (server, server)), SiteView("", False, 1, (server,)))
    verdicts: tuple[Verdict, ...] = ("chosen", "passed_over", "unusable")
    weighed = tuple(Weighed(text, verdict, text, text, text, ((text, text),)) for verdict in verdicts)
    it = Explanation(
        received=text,
        removed=text,
        handle=Handle(f"20.500.12345/{text}"),
        final=Handle(text),
        memory=Memory("fresh", text, NOW, 1.0, text),
        steps=steps,
        sites=sites,
        aliases=(text, text),
        values=3,
        contact=text,
        weighed=weighed,
        decision=Decision("redirect", 302, text, f"https://example.org/{text}"),
    )
    return {"it": it, "picture": draw_waterfall(steps)}


def all_pages(text: str, base_url: str = "https://hdl.example.org") -> dict[str, str]:
    """Return every page with ``text`` in every field that a stranger may fill."""
    own = _lasting_renderer(base_url)
    problem, view = problem_view(text)
    made = {
        "form": own.page("form.html", {"asked": text}, NEVER),
        "help": own.page("help.html", {}, NEVER),
        "values": own.page("values.html", values_view(text), NEVER),
        "prefix": own.page("values.html", values_view(text, is_prefix=True, is_stale=False), NEVER),
        "nothing": own.page("values.html", values_view(text, values=[]), NEVER),
        "filtered": own.page("values.html", values_view(text, values=[], is_filtered=True), NEVER),
        "tombstone": own.page("tombstone.html", tombstone_view(text), NEVER),
        "problem": own.problem_page(problem, view, NEVER),
        "explain": own.page("explain.html", explain_view(text), NEVER),
    }
    pages = {
        name: response.body.decode() for name, response in made.items() if isinstance(response.body, bytes)
    }
    assert len(pages) == len(made)
    return pages


class Skeleton(HTMLParser):
    """The elements of a page with their attributes, in order, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.links += [
            value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"}
        ]

    def handle_endtag(self, tag: str) -> None:
        """Note its end."""
        self.tags.append((f"/{tag}", ()))

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """Note a comment: our pages have none."""
        self.tags.append(("!--", ()))

    def handle_decl(self, decl: str) -> None:
        """Note a declaration."""
        self.tags.append(("!", (decl.lower(),)))

    def handle_pi(self, data: str) -> None:
        """Note an instruction: our pages have none."""
        self.tags.append(("?", ()))

    def unknown_decl(self, data: str) -> None:
        """Note anything else: our pages have none."""
        self.tags.append(("![", ()))
