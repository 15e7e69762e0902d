"""The numbers of the protocol (RFC 3652 sections 2.2.2 and 2.3). Unknown ones get a name, since newer servers exist."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import Self

__all__ = ["MessageFlag", "OpCode", "OpFlag", "ResponseCode"]


class _OpenCode(IntEnum):
    """An enumeration that makes up a member, such as ``RC_777``, for a number it does not know."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int) or not 0 <= value <= 0xFFFF_FFFF:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_ = f"{cls._unknown_prefix()}_{value}"
        unknown._value_ = value
        return unknown

    @classmethod
    def _unknown_prefix(cls) -> str:
        return cls.__name__.upper()

    @classmethod
    def of(cls, number: int) -> Self:
        """Return the member for a number, made up if need be; faster than to call the class."""
        member = cls._value2member_map_.get(number)
        return cls(number) if member is None else member  # type: ignore[return-value]  # typed as Enum

    @property
    def is_known(self) -> bool:
        """Whether the number is one this package has a name for."""
        return self._value_ in type(self)._value2member_map_


class OpCode(_OpenCode):
    """What a message asks for."""

    RESERVED = 0
    RESOLUTION = 1
    GET_SITE_INFO = 2
    CREATE_HANDLE = 100
    DELETE_HANDLE = 101
    ADD_VALUE = 102
    REMOVE_VALUE = 103
    MODIFY_VALUE = 104
    LIST_HANDLES = 105
    LIST_DERIVED_PREFIXES = 106
    CHALLENGE_ANSWER = 200
    VERIFY_CHALLENGE = 201
    HOME_PREFIX = 300
    UNHOME_PREFIX = 301
    LIST_HOMED_PREFIXES = 302
    SESSION_SETUP = 400
    SESSION_TERMINATE = 401
    SESSION_EXCHANGE_KEY = 402
    NEXT_TRANSACTION_ID = 1000
    RETRIEVE_TRANSACTIONS = 1001
    DUMP_HANDLES = 1002
    BACKUP_SERVER = 1003

    @classmethod
    def _unknown_prefix(cls) -> str:
        return "OC"


class ResponseCode(_OpenCode):
    """How a request ended."""

    NONE = 0
    """Not a response."""
    SUCCESS = 1
    ERROR = 2
    SERVER_BUSY = 3
    PROTOCOL_ERROR = 4
    OPERATION_NOT_SUPPORTED = 5
    RECURSION_LIMIT = 6
    SERVER_BACKUP = 7
    HANDLE_NOT_FOUND = 100
    HANDLE_EXISTS = 101
    INVALID_HANDLE = 102
    VALUES_NOT_FOUND = 200
    VALUE_EXISTS = 201
    INVALID_VALUE = 202
    OUT_OF_DATE_SITE_INFO = 300
    NOT_RESPONSIBLE = 301
    SERVICE_REFERRAL = 302
    PREFIX_REFERRAL = 303
    INVALID_ADMIN = 400
    INSUFFICIENT_PERMISSIONS = 401
    AUTHENTICATION_NEEDED = 402
    AUTHENTICATION_FAILED = 403
    INVALID_CREDENTIAL = 404
    AUTHENTICATION_TIMEOUT = 405
    AUTHENTICATION_ERROR = 406
    SESSION_TIMEOUT = 500
    SESSION_FAILED = 501
    INVALID_SESSION_KEY = 502
    NEED_RSA_KEY = 503
    INVALID_SESSION_SETUP = 504
    SESSION_REPLAY = 505

    @classmethod
    def _unknown_prefix(cls) -> str:
        return "RC"


class MessageFlag(IntFlag):
    """Flags of the envelope, as they stand in its third octet."""

    COMPRESSED = 0x80
    ENCRYPTED = 0x40
    TRUNCATED = 0x20


class OpFlag(IntFlag):
    """Flags of the header; the low twenty bits mean nothing."""

    AUTHORITATIVE = 0x8000_0000
    CERTIFIED = 0x4000_0000
    ENCRYPT = 0x2000_0000
    RECURSIVE = 0x1000_0000
    CACHE_CERTIFY = 0x0800_0000
    CONTINUOUS = 0x0400_0000
    KEEP_CONNECTION = 0x0200_0000
    PUBLIC_ONLY = 0x0100_0000
    REQUEST_DIGEST = 0x0080_0000
    OVERWRITE = 0x0040_0000
    MINT_SUFFIX = 0x0020_0000
    DO_NOT_REFER = 0x0010_0000

    @classmethod
    def defined(cls, bits: int) -> OpFlag:
        """Return the flags among ``bits`` that mean something."""
        flags = cls._value2member_map_.get(bits & 0xFFF0_0000)
        return cls(bits & 0xFFF0_0000) if flags is None else flags  # type: ignore[return-value]  # typed as Enum
