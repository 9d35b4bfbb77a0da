"""Ed25519 keys (RFC 8032) in hex: 64 digits each. Public keys live in Git, the private one in the secrets backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.values import digest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def generate() -> tuple[str, str]:
    """A new pair: (private, public), both in hex."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return key.private_bytes_raw().hex(), key.public_key().public_bytes_raw().hex()


def public_of(private: str) -> str:
    """The public key that belongs to a private one. Raises ValueError, without the key in its text."""
    return _load(private).public_key().public_bytes_raw().hex()


def key_id(public: str) -> str:
    """What people call a key: the first 16 hex digits of the SHA-256 of its 32 bytes. Raises ValueError."""
    return digest(_bytes(public, "public"))[:16]


def sign(private: str, message: bytes) -> str:
    """The signature in hex (128 digits). Raises ValueError when the key is not 64 hex digits."""
    return _load(private).sign(message).hex()


def signed_by(public: str, message: bytes, signature: str) -> bool:
    """Whether the signature over the message is by this key. Anything malformed is not."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = bytes.fromhex(signature)
        Ed25519PublicKey.from_public_bytes(_bytes(public, "public")).verify(raw, message)
    except (InvalidSignature, ValueError):
        return False
    return raw.hex() == signature  # `fromhex` reads blanks and capitals too, and one signature has one form


def _load(private: str) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(_bytes(private, "private"))


def _bytes(text: str, which: str) -> bytes:
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) != 32 or text != data.hex():
        raise ValueError(
            f"the {which} key is not an Ed25519 key: 64 lower-case hex digits, as `drillyard evidence keygen` prints"
        )
    return data
