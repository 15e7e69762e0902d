"""Signatures of messages: what exactly is signed in which version, signing and verifying (RFC 3652 section 2.2.4).

``cryptography`` does the arithmetic; which keys and digests are good enough is decided here. SHA-1 with
DSA-1024 has to be, since most servers of the registry sign with nothing else.

Whoever has a signature in hand imports this module, and not before: ``cryptography`` takes 30 ms and 10 MiB, which
the start of a resolver need not wait for.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from resolver.errors import MessageFormatError, SignatureError
from resolver.model.keys import DhPublicKey, DsaPublicKey, PublicKey, RsaPublicKey
from resolver.protocol.envelope import Envelope, is_older
from resolver.protocol.keys import encode_public_key
from resolver.protocol.message import Credential, Message, header_and_body
from resolver.protocol.wire import write_u32

__all__ = [
    "PUBLIC_KEY_CREDENTIALS",
    "PrivateKey",
    "encoded_key_of_certificate",
    "make_signature",
    "public_key_of",
    "sign_message",
    "signed_octets",
    "verify_message",
    "verify_signature",
]

PrivateKey = rsa.RSAPrivateKey | dsa.DSAPrivateKey

PUBLIC_KEY_CREDENTIALS = ("HS_SIGNED", "HS_DSAPUBKEY")

MIN_RSA_BITS = 1024
MIN_DSA_BITS = 1024

# MD5 is in the protocol and not here: it can be forged.
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "SHA-256": hashes.SHA256(),
    "SHA256": hashes.SHA256(),
    "SHA-1": hashes.SHA1(),  # noqa: S303 - deployed servers of protocol 2.10 sign with it
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
    "SHA1": hashes.SHA1(),  # noqa: S303
}


def signed_octets(octets: bytes, message: Message) -> bytes:
    """Return what the signature of a message covers; the part before header and body depends on the version.

    Args:
        octets: the whole message as it arrived.
        message: the same, decoded.
    """
    counter = message.credential.session_counter if message.credential else 0
    return _signed_prefix(message.envelope, counter) + header_and_body(octets)


def _signed_prefix(envelope: Envelope, session_counter: int) -> bytes:
    version, suggested = envelope.version, envelope.suggested_version
    ids = write_u32(envelope.session_id) + write_u32(envelope.request_id)
    if is_older(version, (2, 6)):
        return b""
    if version == (2, 6):
        # A defect that peers of this version share: two octets of the session id, then the counter.
        return bytes(version) + ids[:2] + write_u32(session_counter) + bytes(6)
    if version == (2, 7):
        return bytes(version) + ids + write_u32(session_counter)
    return bytes((*version, *suggested)) + ids + write_u32(session_counter)


def verify_message(octets: bytes, message: Message, key: PublicKey) -> None:
    """Check that the server that owns ``key`` has signed the message.

    Raises:
        SignatureError: it is not signed, not with a public key, too weakly, or the signature is wrong.
    """
    credential = message.credential
    if credential is None:
        raise SignatureError("the answer is not signed")
    if credential.type not in PUBLIC_KEY_CREDENTIALS:
        raise SignatureError(f"the answer carries a {credential.type!r} and no signature with a public key")
    try:
        signed = signed_octets(octets, message)
    except MessageFormatError as error:
        raise SignatureError(str(error)) from error
    verify_signature(key, credential.digest_algorithm, signed, credential.signature)


def verify_signature(key: PublicKey, digest_algorithm: str, signed: bytes, signature: bytes) -> None:
    """Check a signature: RSA by PKCS #1 version 1.5, DSA as a DER sequence.

    Raises:
        SignatureError: an algorithm that is not accepted, a key that is too short, or a wrong signature.
    """
    digest = _DIGESTS.get(digest_algorithm.upper())
    if digest is None:
        raise SignatureError(f"signatures with {digest_algorithm!r} are not accepted")
    try:
        match key:
            case RsaPublicKey(exponent, modulus):
                if key.bits < MIN_RSA_BITS:
                    raise SignatureError(f"an RSA key of {key.bits} bits is too short")
                rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(
                    signature, signed, padding.PKCS1v15(), digest
                )
            case DsaPublicKey(q, p, g, y):
                if key.bits < MIN_DSA_BITS:
                    raise SignatureError(f"a DSA key of {key.bits} bits is too short")
                numbers = dsa.DSAPublicNumbers(y, dsa.DSAParameterNumbers(p, q, g))
                numbers.public_key().verify(signature, signed, digest)
            case DhPublicKey():
                raise SignatureError("a Diffie-Hellman key signs nothing")
    except InvalidSignature as error:
        raise SignatureError("the signature is wrong") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError(f"the key cannot be used: {error}") from error


def sign_message(octets: bytes, message: Message, key: PrivateKey) -> Credential:
    """Return the credential for a message, as deployed servers choose its digest.

    Args:
        octets: the message encoded without a credential.
        message: the same.
        key: the server's.
    """
    version = message.envelope.version
    strong = not is_older(version, (2, 11)) or (
        isinstance(key, rsa.RSAPrivateKey) and not is_older(version, (2, 7))
    )
    name = "SHA-256" if strong else "SHA1"
    return Credential("HS_SIGNED", name, make_signature(key, name, signed_octets(octets, message)))


def make_signature(key: PrivateKey, digest_algorithm: str, signed: bytes) -> bytes:
    """Return what ``verify_signature`` accepts.

    Args:
        key: RSA or DSA.
        digest_algorithm: one that is accepted, such as ``SHA-256``.
        signed: the octets to sign.
    """
    digest = _DIGESTS[digest_algorithm]
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(signed, padding.PKCS1v15(), digest)
    return key.sign(signed, digest)


def encoded_key_of_certificate(certificate: bytes) -> bytes:
    """Return the key of an X.509 certificate as a site record has it; empty if it is neither RSA nor DSA.

    Args:
        certificate: in DER.
    """
    try:
        key = load_der_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        return b""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return encode_public_key(RsaPublicKey(numbers.e, numbers.n))
    if isinstance(key, dsa.DSAPublicKey):
        dsa_numbers = key.public_numbers()
        parameters = dsa_numbers.parameter_numbers
        return encode_public_key(DsaPublicKey(parameters.q, parameters.p, parameters.g, dsa_numbers.y))
    return b""


def public_key_of(key: PrivateKey) -> PublicKey:
    """Return the public half of a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return RsaPublicKey(numbers.e, numbers.n)
    dsa_numbers = key.public_key().public_numbers()
    parameters = dsa_numbers.parameter_numbers
    return DsaPublicKey(parameters.q, parameters.p, parameters.g, dsa_numbers.y)
