"""A device with passkeys, in software: real ES256 keys, CBOR and signatures (WebAuthn level 2, "none" attestation).

What a browser does between page and device is here too: it writes `clientDataJSON` with the page's origin. Every part
can be made wrong, which is what attackers do.
"""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
AAGUID = bytes(16)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Key:
    """One passkey on the device."""

    rp_id: str
    user_handle: bytes
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int = 0

    def cose(self) -> bytes:
        """The public key as COSE_Key (RFC 9053): EC2, ES256, P-256."""
        numbers = self.private.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        return bytes(cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y}))


@dataclass
class Device:
    """An authenticator and the browser it is in. `verifies` says whether it knows its person, `counts` its uses."""

    origin: str = "http://localhost:8000"
    verifies: bool = True
    counts: bool = True
    keys: list[Key] = field(default_factory=list)

    def create(self, options: dict[str, Any], **wrong: Any) -> dict[str, Any]:
        """`navigator.credentials.create`."""
        key = Key(options["rp"]["id"], unb64(options["user"]["id"]))
        self.keys.append(key)
        data = self._data(wrong.get("rp_id", key.rp_id), key, ATTESTED)
        data += AAGUID + struct.pack(">H", len(key.id)) + key.id + key.cose()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"], wrong)),
            "attestationObject": b64(bytes(attestation)),
            "transports": ["internal", "hybrid", "something-of-tomorrow"],
        }
        return {**self._named(key), "response": response}

    def get(self, options: dict[str, Any], key: Key | None = None, **wrong: Any) -> dict[str, Any]:
        """`navigator.credentials.get`, with the newest key that fits unless another is named."""
        allowed = {unb64(one["id"]) for one in options.get("allowCredentials", [])}
        fitting = [one for one in self.keys if one.rp_id == options["rpId"] and (not allowed or one.id in allowed)]
        key = key or fitting[-1]
        if self.counts:
            key.count += 1
        data = self._data(wrong.get("rp_id", key.rp_id), key)
        said = self._client_data("webauthn.get", options["challenge"], wrong)
        signed = data + hashlib.sha256(said).digest()
        signature = key.private.sign(signed, ec.ECDSA(hashes.SHA256()))
        response = {
            "clientDataJSON": b64(said),
            "authenticatorData": b64(data),
            "signature": b64(wrong.get("signature", signature)),
            "userHandle": b64(wrong.get("user_handle", key.user_handle)),
        }
        return {**self._named(key), "response": response}

    def _data(self, rp_id: str, key: Key, more: int = 0) -> bytes:
        flags = USER_PRESENT | (USER_VERIFIED if self.verifies else 0) | more
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + struct.pack(">I", key.count)

    def _client_data(self, kind: str, challenge: str, wrong: dict[str, Any]) -> bytes:
        said = {
            "type": wrong.get("kind", kind),
            "challenge": wrong.get("challenge", challenge),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": False,
        }
        return json.dumps(said).encode()

    def _named(self, key: Key) -> dict[str, Any]:
        return {
            "id": b64(key.id),
            "rawId": b64(key.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
        }
