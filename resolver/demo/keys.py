"""Keys and certificates that the demo makes for itself at each start; they protect nothing else."""

from __future__ import annotations

import datetime
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.x509.oid import NameOID

from resolver.errors import SettingsError
from resolver.protocol.signing import PrivateKey

__all__ = ["make_key", "make_tls_context"]

RSA_BITS = 2048
CERTIFICATE_LIFETIME = datetime.timedelta(days=365)

# Finding parameters takes seconds, and they are no secret: drawn once, by OpenSSL, for this file.
_DSA_PARAMETERS = {
    "DSA-1024": (
        int(
            "ba2ba45238d2e1b176c0adddaf1f917861ebaef8a6ff8074a518c2da951d54ed465a2b512996ec6d381e114ec6"
            "58f12e1b0490ae96785ce6425393760e0d118f0abf08a11eb833cb0d8e68165119859fc825c5d3c775881b1cc9"
            "e8ba349969e2948c6a84ea87b3bb535d26673d46cef191b57dcd0cabd90c3350b3a2b4fb0a89",
            16,
        ),
        0x94EB52AB0E935F6993DEEBA808A1AB81A3C007D1,
        int(
            "33988ed5e191c2a1ef5fbc90e4061ea122c52443aeed7fb3713f82701772827f46e7a8adb30e9aa2e897132996"
            "13789b92c3d29a9977900d8703de157fdd21efbefb0eaa68af99f27ef3b5432953c726aa1960253921caaa6a18"
            "dac52243ca5f2e3bfc01ee870993592036e5c41c4f373d9334aa17015f2485a1d863654aee6e",
            16,
        ),
    ),
    "DSA-2048": (
        int(
            "f49ef86889c06f8cef0da158a463b76c14454f18c8ed3c0f9e7fd43353dde633ff166038e25938061c5d42f5a2"
            "85a9d605c5fcc3de45d8f0dbb7fa358b3377e4cbd2979c86ce5e76c6c6ada38204da674869b3d2a7f1ce375233"
            "479560f4d4f65da44de5b36251f1012d332fb9a0ddafa64112d9ef90ef87643ac945c36bb3ae958c406cf128c1"
            "1c23ece819352b4191a813e1c54c1635ac01dbfb4397557b384d372fd6c82f1fc835729aeb1ab7a96b91ee8b94"
            "d38a8687eb35e1f08c538b371c654780cbc30e84c5a50ef7e3f9ce2e88de5d8169bacc9341fcadb638b2715f0a"
            "94d3bb7505a34d183f3b1dd171ed65009cc4d6316ddb579c23ed4049588afb",
            16,
        ),
        0xA7B0F3E0608BAB24F3FA95F6D1284D4828A67910B8C2A0FC60CB16B1F6B44677,
        int(
            "cab5df1e1b6022f5d6af9a7d5ed7919a1863ede3aa6504a64c9d2f9d91c338216c9b343ddb4716af63978b8b0a"
            "6032d5d830be0c76277a8932d74ded383c1f267985346822e7851f72e11cf664557596351f1602f081e72f122e"
            "5ef4ed83af9e586151ebebd9e77ddde17e13fe44ab5873fcaef7e997b976be7fbef27f563b5ca16fd6db82f8a2"
            "9c51539f0c46d67afa156d6a50c27d525b2f8d8ba18dda4c6219185ee6ec6a5fe775c94879d79dbff4fc8c7c9a"
            "bf12f38b662a9320a98e779c9065d5387b302db6d8b4c693af5d9ec14e72bf1351d8c1a97a582463ec87002cea"
            "6dfcfbc8ce32232cc40e7ff2c10ecbf92ae576ddd77a5037218a1b9f3fcd42",
            16,
        ),
    ),
}


def make_key(kind: str) -> PrivateKey:
    """Return a new key: ``RSA``, ``DSA-1024`` (as most servers of the registry have it) or ``DSA-2048``.

    Raises:
        SettingsError: another kind.
    """
    if kind == "RSA":
        return rsa.generate_private_key(65537, RSA_BITS)
    if kind not in _DSA_PARAMETERS:
        raise SettingsError(f"key {kind!r} is none of RSA, {', '.join(_DSA_PARAMETERS)}")
    p, q, g = _DSA_PARAMETERS[kind]
    return dsa.DSAParameterNumbers(p, q, g).parameters().generate_private_key()


def make_tls_context(key: PrivateKey) -> ssl.SSLContext:
    """Return what a server needs for HTTPS: a certificate over its key, signed by itself.

    No TLS library takes DSA any more: a server with such a key shows a certificate over another one.
    """
    shown = key if isinstance(key, rsa.RSAPrivateKey) else rsa.generate_private_key(65537, RSA_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "handle server of the demo")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(shown.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + CERTIFICATE_LIFETIME)
        .sign(shown, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pem = serialization.Encoding.PEM
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads keys from files only
        path = Path(folder) / "server.pem"
        path.write_bytes(
            shown.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + certificate.public_bytes(pem)
        )
        context.load_cert_chain(path)
    return context
