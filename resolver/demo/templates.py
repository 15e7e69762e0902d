"""Records that a server makes up by the template of a prefix (``<template>`` in HS_NAMESPACE).

Only servers do this; a resolver sees the values and cannot tell. The delimiter of the template divides a
handle into a base, whose record may exist, and an extension, from which the template makes the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from resolver.errors import MessageFormatError
from resolver.model.handle import Handle
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.xml import Element, parse_xml

__all__ = ["compute_values"]

MAX_REFERENCES = 10
"""Templates that may refer to one another."""

DEFAULT_TTL_S = 86_400

_TRUE = frozenset({"1", "yes", "true"})
_SUBSTITUTED = re.compile(r"\\(.)|\$\{(\w+)(?:\[(\d+)\])?\}|\$(\d)", re.DOTALL)

GetRecord = Callable[[str], HandleRecord | None]


class _NotFound(Exception):  # noqa: N818 - no error: what a template may decide
    """The template says that there is no such handle."""


def compute_values(handle: Handle, prefix_record: HandleRecord, get: GetRecord) -> tuple[HandleValue, ...]:
    """Return the values that the template of a prefix gives a handle; none if there is no such handle.

    Args:
        handle: not registered itself.
        prefix_record: of its prefix.
        get: finds the records of this server.
    """
    namespace = _namespace(prefix_record.values)
    outer = _templates(namespace)
    delimiter = outer[0].get("delimiter") if outer else None
    if not delimiter:
        return ()
    start = handle.text.find(delimiter, len(handle.prefix))
    if start < 0:
        return ()
    base = handle.text[:start]
    record = get(base)
    values = record.values if record is not None else ()
    templates = _templates(_namespace(values)) or outer
    computation = _Computation(
        values,
        get,
        {"handle": handle.text, "base": base, "extension": handle.text[start + len(delimiter) :]},
    )
    try:
        for template in templates:
            computation.run_template(template, MAX_REFERENCES)
    except _NotFound:
        return ()
    return tuple(computation.produced)


def _namespace(values: Sequence[HandleValue]) -> Element | None:
    for value in sorted(values, key=lambda value: value.index):
        if value.type == "HS_NAMESPACE":
            with suppress(MessageFormatError):
                return parse_xml(value.data)
    return None


def _templates(namespace: Element | None) -> list[Element]:
    return [] if namespace is None else [child for child in namespace if child.tag == "template"]


@dataclass
class _Computation:
    """What a template has to do with, and what it has made."""

    base_values: Sequence[HandleValue]
    get: GetRecord
    variables: dict[str, str]
    matches: dict[str, re.Match[str]] = field(default_factory=dict)
    produced: list[HandleValue] = field(default_factory=list)
    original: HandleValue | None = None
    """The value of the base that a ``foreach`` is at."""

    def run_template(self, template: Element, references_left: int) -> None:
        """Carry out a template, or the one it refers to."""
        reference = template.get("ref")
        if reference is None:
            self.run(template)
            return
        index, _, handle = reference.partition(":")
        record = self.get(handle) if references_left else None
        try:
            value = next(value for value in record.values if str(value.index) == index) if record else None
            referred = parse_xml(value.data) if value is not None else None
        except (StopIteration, MessageFormatError):
            referred = None
        if referred is None:
            raise _NotFound
        self.run_template(referred, references_left - 1)

    def run(self, parent: Element) -> None:
        """Carry out what stands inside an element, in order."""
        condition = True
        for element in parent:
            match element.tag:
                case "value":
                    self.produce(element)
                case "foreach":
                    for value in self.base_values:
                        self.original = value
                        data = value.data.decode("utf-8", "replace")
                        self.variables |= {"index": str(value.index), "type": value.type, "data": data}
                        self.run(element)
                    self.original = None
                case "if":
                    condition = self.holds(element)
                    if condition:
                        self.run(element)
                case "else":
                    if not condition:
                        self.run(element)
                case "notfound":
                    raise _NotFound
                case "def":
                    self.define(element)
                case _:
                    continue

    def produce(self, element: Element) -> None:
        """Add a value: in a ``foreach`` what is not said is copied, elsewhere type and data have to be said."""
        original = self.original
        value_type = self.attribute(element, "type") or (original.type if original else "")
        said = self.attribute(element, "data")
        if said is None and (element.text or "").strip():
            said = self.substitute((element.text or "").strip())
        data = said.encode() if said is not None else original.data if original else None
        if not value_type or data is None:
            return
        index = original.index if original else 1
        wanted = self.attribute(element, "index")
        if original and wanted and wanted.isascii() and wanted.isdecimal():
            index = int(wanted)
        used = {value.index for value in self.produced}
        while index in used:
            index += 1
        ttl = original.ttl if original else DEFAULT_TTL_S
        self.produced.append(HandleValue(index, value_type, data, ttl=ttl))

    def holds(self, element: Element) -> bool:
        """Return whether the condition of an ``if`` is met."""
        name = element.get("value", "")
        text = self.variables[name] if name in self.variables else self.substitute(name)
        expression = element.get("expression", "")
        if element.get("test", "equals") == "matches":
            try:
                found = re.fullmatch(expression, text, re.IGNORECASE)
            except re.error:
                found = None
            if found is not None:
                self.matches[element.get("parameter", name)] = found
            met = found is not None
        else:
            met = text.lower() == self.substitute(expression).lower()
        return met != (element.get("negate", "").lower() in _TRUE)

    def define(self, element: Element) -> None:
        """Give a name to the data of the first value that is made inside."""
        inner = _Computation(
            self.base_values, self.get, dict(self.variables), dict(self.matches), original=self.original
        )
        inner.run(element)
        name = element.get("parameter")
        if name and inner.produced:
            self.variables[name] = inner.produced[0].data.decode("utf-8", "replace")

    def attribute(self, element: Element, name: str) -> str | None:
        """Return an attribute with its variables filled in."""
        text = element.get(name)
        return None if text is None else self.substitute(text)

    def substitute(self, text: str) -> str:
        """Fill variables and groups of matches into a text; unknown ones are empty."""
        return _SUBSTITUTED.sub(self._substituted, text)

    def _substituted(self, found: re.Match[str]) -> str:
        quoted, name, group, digit = found.groups()
        if quoted is not None:
            return str(quoted)
        if digit is not None or name.isdecimal():
            return self._group("extension", int(digit if digit is not None else name))
        return self._group(name, int(group)) if group is not None else self.variables.get(name, "")

    def _group(self, name: str, number: int) -> str:
        match = self.matches.get(name)
        try:
            return "" if match is None else match.group(number) or ""
        except IndexError:
            return ""
