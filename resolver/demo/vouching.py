"""The chain of trust of a demo network: keys, certificates up to ``0.0/0.0``, and signatures of records.

``trust.json`` lists them. Nothing of it outlives the network: keys are made and everything is signed anew at
each start, so that the certificates of one network mean nothing in another.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from resolver.demo.record_store import RecordStore
from resolver.errors import SettingsError
from resolver.model.record import HandleRecord, HandleValue
from resolver.protocol.json_sites import key_to_json
from resolver.protocol.signing import PrivateKey, public_key_of
from resolver.trust.chain import CERTIFICATE_TYPE, SIGNATURE_TYPE, value_digest
from resolver.trust.jws import write_jws

__all__ = ["digests_claim", "vouch"]

DAY_S = 86_400
DEFAULT_DAYS = (-1, 365)
"""From when to when what is signed holds, in days from now."""


def vouch(
    shown: Mapping[str, Any], stores: Sequence[RecordStore], keys: Mapping[str, PrivateKey], now: float
) -> None:
    """Put certificates and signatures into the records they belong to.

    Args:
        shown: the content of ``trust.json``.
        stores: hold the records.
        keys: by name.
        now: seconds since 1970.

    Raises:
        SettingsError: a handle or a key that does not exist.
    """
    try:
        for certificate in shown.get("certificates", ()):
            store, record = _find(stores, certificate["handle"])
            key = key_to_json(public_key_of(keys[certificate["key"]]))
            claims = {"publicKey": key, "perms": certificate["permissions"]}
            value = _signed(certificate, CERTIFICATE_TYPE, certificate["subject"], claims, keys, now)
            store.put(HandleRecord(record.handle, (*record.values, value)))
        for signature in shown.get("signatures", ()):
            store, record = _find(stores, signature["handle"])
            claims = digests_claim(record.values)
            value = _signed(signature, SIGNATURE_TYPE, record.handle, claims, keys, now)
            store.put(HandleRecord(record.handle, (*record.values, value)))
        for change in shown.get("changed_since", ()):
            _change(stores, change)
    except (KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"trust.json: {error!r}") from error


def digests_claim(values: Sequence[HandleValue]) -> dict[str, Any]:
    """Return the claim of an HS_SIGNATURE that lists values with their digests."""
    listed = [
        {"index": value.index, "digest": base64.b64encode(value_digest(value, "SHA-256")).decode()}
        for value in values
        if value.type != SIGNATURE_TYPE
    ]
    return {"digests": {"alg": "SHA-256", "digests": listed}}


def _signed(
    shown: Mapping[str, Any],
    value_type: str,
    subject: str,
    claims: Mapping[str, Any],
    keys: Mapping[str, PrivateKey],
    now: float,
) -> HandleValue:
    first, last = shown.get("days", DEFAULT_DAYS)
    dates = {"iat": int(now), "nbf": int(now + first * DAY_S), "exp": int(now + last * DAY_S)}
    signed = write_jws(
        {"iss": shown["issuer"], "sub": subject, **dates, **claims}, keys[shown["signed_with"]]
    )
    return HandleValue(shown["index"], value_type, signed, timestamp=int(now))


def _change(stores: Sequence[RecordStore], shown: Mapping[str, Any]) -> None:
    """Change a value after it was signed."""
    store, record = _find(stores, shown["handle"])
    values = (
        replace(value, data=shown["data"].encode()) if value.index == shown["index"] else value
        for value in record.values
    )
    store.put(HandleRecord(record.handle, tuple(values)))


def _find(stores: Sequence[RecordStore], handle: str) -> tuple[RecordStore, HandleRecord]:
    for store in stores:
        record = store.get(handle)
        if record is not None:
            return store, record
    raise SettingsError(f"trust.json: there is no record of {handle}")
