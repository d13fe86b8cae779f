"""Identifiers, identity, devices and prekeys (PROTOCOL.md sections 1 to 3)."""

import base64
import re
from dataclasses import dataclass

from mnemonic import Mnemonic

from .blocks import (ZERO32, Refused, dh_public, hash_blake, kdf, kem_check, kem_keys, require, sign, sign_public, uint,
                     verify)
from .codec import ids, read_tlv, split, tlv

DAY_MS = 86_400_000
SUITES = (1, 2, 3)
PREFIXES = {"user": "user_", "device": "dev_", "conversation": "conv_", "event": "msg_"}
BIP39 = Mnemonic("english")


# -- identifiers -------------------------------------------------------------------------------------------------------

def device_id(signing_key, dh_key):
    return hash_blake("device id", signing_key, dh_key)


def direct_conversation(user, other):
    return hash_blake("direct conversation", min(user, other), max(user, other))


def notes_conversation(user):
    return hash_blake("notes conversation", user)


def id_text(what, value):
    """The text form of an identifier."""
    return PREFIXES[what] + base64.b32encode(value).decode().rstrip("=").lower()


def read_id_text(what, text):
    """The 32 bytes of a text form, which has one spelling only."""
    prefix = PREFIXES[what]
    require(text.startswith(prefix), "prefix of the identifier")
    body = text[len(prefix):]
    require(re.fullmatch("[a-z2-7]{52}", body), "letters of the identifier")
    value = base64.b32decode(body.upper() + "====")
    require(id_text(what, value) == text, "unused bits of the identifier")
    return value


# -- identity ----------------------------------------------------------------------------------------------------------

def words(entropy):
    return BIP39.to_mnemonic(entropy)


def read_words(text):
    """The entropy of 24 words."""
    words = text.lower().split()
    require(len(words) == 24, "not 24 words")
    try:
        return bytes(BIP39.to_entropy(words))
    except (ValueError, LookupError) as error:
        raise Refused("words or their checksum") from error


def identity_seed(entropy):
    """The identity's signing seed."""
    return kdf(b"", entropy, "identity", 32)


# -- device certificate ------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Certificate:
    """A device certificate which has been verified."""
    suites: int
    user: bytes
    signing_key: bytes
    dh_key: bytes
    created: int
    expires: int
    serial: int
    signed: bytes

    @property
    def device(self):
        return device_id(self.signing_key, self.dh_key)

    @property
    def hash(self):
        return hash_blake("device certificate", self.signed)

    def statement(self):
        return read_tlv(self.signed, SIGNED_TWICE)["statement"]


CERTIFICATE = [(1, "version", "u8"), (2, "suites", "u8"), (3, "user", 32), (4, "signing_key", 32), (5, "dh_key", 32),
               (6, "created", "u64"), (7, "expires", "u64"), (8, "serial", "u64")]
SIGNED = [(1, "statement", None), (2, "signature", 64)]
SIGNED_TWICE = SIGNED + [(3, "possession", 64)]


def issue_certificate(identity, signing_seed, dh_secret, suites, created, expires, serial):
    statement = tlv((1, b"\1"), (2, uint(suites, 1)), (3, sign_public(identity)), (4, sign_public(signing_seed)),
                    (5, dh_public(dh_secret)), (6, uint(created, 8)), (7, uint(expires, 8)), (8, uint(serial, 8)))
    return tlv((1, statement), (2, sign(identity, "device certificate", statement)),
               (3, sign(signing_seed, "device certificate possession", statement)))


def read_certificate(signed):
    form = read_tlv(signed, SIGNED_TWICE)
    f = read_tlv(form["statement"], CERTIFICATE)
    require(f.pop("version") == 1, "version of the certificate")
    require(f["suites"] in SUITES, "suites of the certificate")
    require(f["created"] < f["expires"] <= f["created"] + 366 * DAY_MS, "life of the certificate")
    verify(f["user"], "device certificate", form["statement"], form["signature"])
    verify(f["signing_key"], "device certificate possession", form["statement"], form["possession"])
    return Certificate(**f, signed=signed)


# -- device list -------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class DeviceList:
    """A device list which has been verified."""
    version: int
    user: bytes
    previous: bytes
    certificates: list
    revoked: list
    recovered: bool
    created: int
    hash: bytes

    @property
    def reference(self):
        return uint(self.version, 4) + self.hash[:8]


LIST = [(1, "version", "u32"), (2, "user", 32), (3, "previous", 32), (4, "certificates", None), (5, "revoked", None),
        (6, "recovered", "u8"), (7, "created", "u64")]


def issue_list(identity, version, previous, certificates, revoked, recovered, created):
    """`certificates` are signed forms and `revoked` device ids, both in the order they are to be written."""
    statement = tlv((1, uint(version, 4)), (2, sign_public(identity)), (3, previous),
                    (4, b"".join(uint(len(c), 2) + c for c in certificates)), (5, b"".join(revoked)),
                    (6, uint(recovered, 1)), (7, uint(created, 8)))
    return tlv((1, statement), (2, sign(identity, "device list", statement)))


def read_list(signed):
    form = read_tlv(signed, SIGNED)
    f = read_tlv(form["statement"], LIST)
    require(f["version"] >= 1, "version of the list")
    require(f["recovered"] in (0, 1), "recovered is neither 0 nor 1")
    first = f["version"] == 1 or f["recovered"] == 1
    require((f["previous"] == ZERO32) == first, "hash of the previous list")
    verify(f["user"], "device list", form["statement"], form["signature"])
    certificates, rest = [], f["certificates"]
    while rest:
        length, rest = split(rest, 2)
        certificate, rest = split(rest, int.from_bytes(length, "big"))
        certificates.append(read_certificate(certificate))
    require(len(certificates) <= 8, "more than 8 certificates")
    devices = [c.device for c in certificates]
    require(all(a < b for a, b in zip(devices, devices[1:])), "certificates must ascend by device")
    require(all(c.user == f["user"] for c in certificates), "certificate of another user")
    revoked = ids(f["revoked"], 1024)
    require(not set(devices) & set(revoked), "a device both certified and revoked")
    f.update(certificates=certificates, revoked=revoked, recovered=bool(f["recovered"]))
    return DeviceList(**f, hash=hash_blake("device list", form["statement"]))


def check_succession(old, new):
    """Refuse `new` unless it may follow `old`, or is it."""
    require(old.user == new.user, "list of another user")
    if old.version == new.version:
        require(old.hash == new.hash, "two different lists of one version")
    elif new.recovered:
        require(new.version > old.version, "older list")
        require(not {c.device for c in new.certificates} & set(old.revoked), "certifies a revoked device")
    else:
        require(new.version > old.version, "older list")
        require(new.version > old.version + 1 or new.previous == old.hash, "not the successor of this list")
        require(set(old.revoked) <= set(new.revoked), "a revocation is gone")
    suites = {c.device: c.suites for c in old.certificates}
    require(all(suites.get(c.device, 0) & ~c.suites == 0 for c in new.certificates), "a suite is gone")


# -- prekeys -----------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Bundle:
    """A prekey bundle which has been verified."""
    serial: int
    certificate_hash: bytes
    prekey: bytes
    kem_key: bytes
    suites: int
    issued: int
    expires: int
    hash: bytes


BUNDLE = [(1, "version", "u8"), (2, "serial", "u32"), (3, "certificate_hash", 32), (4, "prekey", 32),
          (5, "kem_key", 1184), (6, "suites", "u8"), (7, "issued", "u64"), (8, "expires", "u64")]


def issue_bundle(signing_seed, serial, certificate_hash, prekey_secret, kem_seed, suites, issued, expires):
    statement = tlv((1, b"\1"), (2, uint(serial, 4)), (3, certificate_hash), (4, dh_public(prekey_secret)),
                    (5, kem_keys(kem_seed)[0]), (6, uint(suites, 1)), (7, uint(issued, 8)), (8, uint(expires, 8)))
    return tlv((1, statement), (2, sign(signing_seed, "prekey bundle", statement)))


def read_bundle(signed, certificate):
    """Read the bundle of the device whose verified certificate is given."""
    form = read_tlv(signed, SIGNED)
    f = read_tlv(form["statement"], BUNDLE)
    require(f.pop("version") == 1, "version of the bundle")
    require(f["serial"] >= 1, "serial of the bundle")
    require(f["certificate_hash"] == certificate.hash, "bundle of another certificate")
    require(f["suites"] == certificate.suites, "suites differ from the certificate's")
    require(f["issued"] < f["expires"] <= f["issued"] + 14 * DAY_MS, "life of the bundle")
    verify(certificate.signing_key, "prekey bundle", form["statement"], form["signature"])
    kem_check(f["kem_key"])
    return Bundle(**f, hash=hash_blake("prekey bundle", signed))


def one_time_key(number, secret):
    require(number >= 1, "number of the one-time key")
    return uint(number, 4) + dh_public(secret)
