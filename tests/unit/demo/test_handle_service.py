"""What a server of the demo answers, message by message."""

from __future__ import annotations

import pytest

from resolver.demo.handle_service import HandleService, RecordStore
from resolver.demo.keys import make_key
from resolver.errors import SettingsError, SignatureError
from resolver.model.handle import Handle
from resolver.model.record import Permission
from resolver.model.site import responsible_server
from resolver.protocol.bodies import (
    Body,
    ChallengeResponse,
    ErrorResponse,
    OtherBody,
    ReferralResponse,
    ResolutionRequest,
    ResolutionResponse,
    SiteInfoRequest,
    SiteInfoResponse,
)
from resolver.protocol.codes import OpCode, OpFlag, ResponseCode
from resolver.protocol.envelope import HIGHEST_VERSION, Envelope, ProtocolVersion
from resolver.protocol.matching import check_answer
from resolver.protocol.message import Header, Message, decode_message, encode_message
from resolver.protocol.signing import public_key_of, verify_message
from tests.fakes import EPOCH, FakeClock, record_of, service_value, site_at, site_value, text_value, url_value

SITE = site_at("192.0.2.1")
DELEGATED = site_at("192.0.2.9")
NAMESPACE = '<n><template delimiter="@"><foreach><value/></foreach></template></n>'


def store() -> RecordStore:
    hidden = url_value("https://intranet.example/", permissions=Permission.ADMIN_READ)
    secret = text_value(2, "HS_SECKEY", "x", permissions=0)
    return RecordStore(
        [
            record_of("10.1/abc"),
            record_of("10.1/hidden", hidden),
            record_of("10.1/secret", text_value(1, "URL", "x"), secret),
            record_of("0.NA/10.1", site_value(SITE)),
            record_of("0.NA/10.2", site_value(DELEGATED, value_type="HS_SITE.PREFIX")),
            record_of("0.NA/10.3", site_value(DELEGATED, value_type="HS_NA_DELEGATE")),
            record_of("0.NA/10.4", service_value("0.SERV/4", value_type="HS_SERV.PREFIX")),
            record_of("0.NA/10.5", text_value(1, "HS_NAMESPACE", NAMESPACE)),
            record_of("10.5/base"),
        ]
    )


def server(**options: object) -> HandleService:
    chosen = {"site": SITE, "homed": ("10.1", "10.5", "0.NA"), "clock": FakeClock()} | options
    return HandleService(store(), **chosen)  # type: ignore[arg-type]


def ask(
    service: HandleService,
    body: Body | str,
    flags: OpFlag = OpFlag.PUBLIC_ONLY,
    *,
    opcode: OpCode = OpCode.RESOLUTION,
    suggested: ProtocolVersion = HIGHEST_VERSION,
) -> Message:
    """Ask a server, and check that what it says is an answer."""
    asked = ResolutionRequest(body) if isinstance(body, str) else body
    request = Message(Envelope((2, 3), 4711, 0, suggested), Header(opcode, op_flags=flags), asked)
    octets = encode_message(request)
    answered = decode_message(service.answer(octets))
    check_answer(request, octets, answered, EPOCH)
    return answered


@pytest.mark.parametrize("handle", ["10.1/abc", "10.1/ABC"])
def test_values(handle: str) -> None:
    """A record is found in any case, and comes under the name that was asked for."""
    told = ask(server(), handle)
    assert told.body == ResolutionResponse(handle, record_of("10.1/abc").values)
    assert told.header.op_flags & OpFlag.AUTHORITATIVE


def test_mirrors_say_so() -> None:
    """A server of a mirror does not call its answers authoritative."""
    told = ask(server(site=site_at("192.0.2.1", primary=False)), "10.1/abc")
    assert not told.header.op_flags & OpFlag.AUTHORITATIVE


@pytest.mark.parametrize(
    ("handle", "flags", "code"),
    [
        ("10.1/none", OpFlag.PUBLIC_ONLY, ResponseCode.HANDLE_NOT_FOUND),
        ("10.9/x", OpFlag.PUBLIC_ONLY, ResponseCode.NOT_RESPONSIBLE),
        ("10.1/hidden", OpFlag.PUBLIC_ONLY, ResponseCode.VALUES_NOT_FOUND),
        ("10.1/hidden", OpFlag(0), ResponseCode.AUTHENTICATION_NEEDED),
        ("10.1/secret", OpFlag(0), ResponseCode.INSUFFICIENT_PERMISSIONS),
        ("10.1/secret", OpFlag.PUBLIC_ONLY, ResponseCode.SUCCESS),
        ("10.1", OpFlag.PUBLIC_ONLY, ResponseCode.SUCCESS),
        ("0.na/10.1", OpFlag.PUBLIC_ONLY, ResponseCode.SUCCESS),
        ("10.5/base@x", OpFlag.PUBLIC_ONLY, ResponseCode.SUCCESS),
        ("10.5/none@x", OpFlag.PUBLIC_ONLY, ResponseCode.HANDLE_NOT_FOUND),
    ],
)
def test_codes(handle: str, flags: OpFlag, code: ResponseCode) -> None:
    """Each situation has the code that deployed servers answer."""
    assert ask(server(), handle, flags).code is code


def test_filters() -> None:
    """Types and indexes choose among the values; where nothing is chosen, the code says so."""
    assert ask(server(), ResolutionRequest("10.1/abc", (1,))).code is ResponseCode.SUCCESS
    assert ask(server(), ResolutionRequest("10.1/abc", (7,))).code is ResponseCode.VALUES_NOT_FOUND
    assert ask(server(), ResolutionRequest("10.1/abc", (), ("EMAIL",))).code is ResponseCode.VALUES_NOT_FOUND


@pytest.mark.parametrize("prefix", ["10.2.1", "10.2.1.1", "10.3.1", "10.4.1"])
def test_derived_prefixes_are_referred(prefix: str) -> None:
    """Derived prefixes that are not registered are somebody else's, as far as anybody was named for them."""
    told = ask(server(), f"0.NA/{prefix}")
    assert told.code is ResponseCode.PREFIX_REFERRAL
    assert isinstance(told.body, ReferralResponse)
    assert [value.type for value in told.body.values or ()] == [
        {"2": "HS_SITE.PREFIX", "3": "HS_NA_DELEGATE", "4": "HS_SERV.PREFIX"}[prefix[3]]
    ]


def test_nobody_is_referred_who_does_not_want_it() -> None:
    """A client that forbids referrals, or that does not know them, is told that the handle does not exist."""
    not_found = ResponseCode.HANDLE_NOT_FOUND
    assert ask(server(), "0.NA/10.2.1", OpFlag.DO_NOT_REFER).code is not_found
    assert ask(server(), "0.NA/10.2.1", suggested=(2, 9)).code is not_found
    assert ask(server(), "0.NA/10.2.1", suggested=(2, 10)).code is ResponseCode.PREFIX_REFERRAL
    assert ask(server(), "0.NA/10.1.1").code is not_found


def test_moved_handles_are_referred() -> None:
    """Handles of a prefix that has moved are with another service, even those that are still here."""
    to = ReferralResponse("0.SERV/NEW")
    moved = server(refers={"10.1": to})
    told = ask(moved, "10.1/abc")
    assert (told.code, told.body) == (ResponseCode.SERVICE_REFERRAL, to)
    assert ask(moved, "10.1/abc", OpFlag.DO_NOT_REFER).code is ResponseCode.SUCCESS
    assert ask(moved, "10.5/base").code is ResponseCode.SUCCESS


def test_each_server_of_a_site_keeps_its_share() -> None:
    """A server refuses handles that the hash gives to its neighbour."""
    site = site_at("192.0.2.1", "192.0.2.2")
    both = [server(site=site, position=position) for position in (0, 1)]
    mine = site.servers.index(responsible_server(site, Handle("10.1/abc")))  # type: ignore[arg-type]
    assert ask(both[mine], "10.1/abc").code is ResponseCode.SUCCESS
    told = ask(both[1 - mine], "10.1/abc")
    assert (told.code, told.body) == (
        ResponseCode.NOT_RESPONSIBLE,
        ErrorResponse("Request was hashed incorrectly"),
    )


def test_site_info_and_other_operations() -> None:
    """A server describes itself, and refuses what it was not made for."""
    told = ask(server(), SiteInfoRequest(), opcode=OpCode.GET_SITE_INFO)
    assert told.body == SiteInfoResponse(SITE)
    refused = ask(server(), OtherBody(b""), opcode=OpCode.CREATE_HANDLE)
    assert refused.code is ResponseCode.OPERATION_NOT_SUPPORTED


@pytest.mark.parametrize("octets", [b"", b"x" * 20, bytes(100), b"\xff" * 600])
def test_nonsense_is_answered(octets: bytes) -> None:
    """Octets that are no request get a protocol error, and are not counted as a request."""
    service = server()
    assert decode_message(service.answer(octets)).code is ResponseCode.PROTOCOL_ERROR
    assert service.requests == []


@pytest.mark.parametrize("kind", ["RSA", "DSA-1024", "DSA-2048"])
@pytest.mark.parametrize("version", [(2, 5), (2, 6), (2, 7), (2, 8), (2, 9), (2, 10), (2, 11)])
def test_answers_are_signed(kind: str, version: ProtocolVersion) -> None:
    """Whoever asks for certified answers gets a signature as that version and that key have it."""
    key = make_key(kind)
    service = server(site=site_at("192.0.2.1", protocol_version=version), key=key)
    request = Message(
        Envelope((2, 3), 4711, 0),
        Header(OpCode.RESOLUTION, op_flags=OpFlag.CERTIFIED | OpFlag.REQUEST_DIGEST),
        ResolutionRequest("10.1/abc"),
    )
    octets = service.answer(encode_message(request))
    told = decode_message(octets)
    assert told.envelope.version == version
    assert told.request_digest is not None
    assert told.credential is not None
    strong = version >= ((2, 7) if kind == "RSA" else (2, 11))
    assert told.credential.digest_algorithm == ("SHA-256" if strong else "SHA1")
    verify_message(octets, told, public_key_of(key))
    with pytest.raises(SignatureError):
        verify_message(octets, told, public_key_of(make_key(kind)))


def test_nothing_is_signed_unasked() -> None:
    """Without the flag, without a key, or told not to, a server does not sign."""
    service = server(key=make_key("DSA-1024"))
    assert ask(service, "10.1/abc").credential is None
    assert ask(server(), "10.1/abc", OpFlag.CERTIFIED).credential is None
    assert ask(service, "10.1/abc", OpFlag.CERTIFIED).credential is not None
    service.behaviour.unsigned = True
    assert ask(service, "10.1/abc", OpFlag.CERTIFIED).credential is None


@pytest.mark.parametrize("code", [code for code in ResponseCode if code is not ResponseCode.NONE])
def test_any_code_can_be_ordered(code: ResponseCode) -> None:
    """Told to answer with a code, a server does so in a message that can be read."""
    service = server()
    service.behaviour.code = code
    told = ask(service, "10.1/abc")
    assert told.code is code
    kinds = {1: ResolutionResponse, 302: ReferralResponse, 303: ReferralResponse, 402: ChallengeResponse}
    assert isinstance(told.body, kinds.get(code, ErrorResponse))


def test_backup_before_2_5() -> None:
    """A server from before 2.5 that is being backed up says so with 303, which meant nothing else then."""
    service = server(site=site_at("192.0.2.1", protocol_version=(2, 4)))
    service.behaviour.code = ResponseCode.SERVER_BACKUP
    told = ask(service, "10.1/abc")
    assert (told.header.response_code, told.code) == (303, ResponseCode.SERVER_BACKUP)


def test_unknown_kinds_of_keys() -> None:
    """A key of another kind than there is, is refused by name."""
    with pytest.raises(SettingsError, match="'EC' is none of RSA, DSA-1024, DSA-2048"):
        make_key("EC")
