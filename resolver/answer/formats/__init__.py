"""The record in other forms than a page, each in a small module of its own, all from one neutral view."""

from __future__ import annotations

from resolver.answer.formats.choice import FORMATS, Format, choose_format
from resolver.answer.formats.view import RecordView, view_record

__all__ = ["FORMATS", "Format", "RecordView", "choose_format", "view_record"]
