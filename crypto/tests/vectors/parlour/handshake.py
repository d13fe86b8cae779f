"""The handshake and the first flight, both sides, suites 1 and 2 (PROTOCOL.md sections 4 and 6)."""

from dataclasses import dataclass

from . import envelope as env
from .blocks import (KEM_CIPHERTEXT, ZERO32, aead_open, aead_seal, dh, dh_public, hash_blake, hash_sha, kdf, kem_decaps,
                     kem_encaps, kem_keys, require, uint)
from .codec import split
from .keys import DAY_MS, Bundle, Certificate, read_certificate
from .ratchet import Ratchet

OKM = ("root", "header_key_ab", "header_key_ba", "tag_key_ab", "tag_key_ba", "exporter", "chain_key",
       "next_header_key_ab")
REFERENCE = 12


@dataclass
class Prekeys:
    """The secrets behind one bundle of B; `one_time` is id -> secret."""
    bundle: Bundle
    prekey_secret: bytes
    kem_seed: bytes
    one_time: dict


def choose_suite(suites_a, suites_b):
    """The suite two devices use: 2 when both can, else 1."""
    both = suites_a & suites_b
    require(both, "no suite in common")
    return 2 if both & 2 else 1


def check_certificates(a, b, now):
    """Both sides of a handshake must live, and be two."""
    require(a.expires > now and b.expires > now, "an expired certificate starts no session")
    require(a.device != b.device, "a device has no session with itself")


def schedule(suite, a, b, bundle_hash, eph, one_time, kem_ct, dhs, ss):
    """th and everything derived from it; `a` and `b` are certificates, `dhs` DH1, DH2, DH3 and perhaps DH4."""
    th = hash_sha("handshake", uint(suite, 1), a.user, a.signing_key, a.dh_key, b.user, b.signing_key, b.dh_key,
                  bundle_hash, eph, one_time or ZERO32, kem_ct)
    okm = kdf(th, b"\xff" * 32 + b"".join(dhs) + ss, "handshake keys", 256)
    keys = {name: okm[32 * i:32 * i + 32] for i, name in enumerate(OKM)}
    return {"th": th, **keys, "session_id": hash_sha("session id", th)}


def flight_key(suite, bundle_hash, eph, one_time, kem_ct, dh2, dh3, ss):
    """(ff, fk) of the first flight."""
    ff = hash_blake("first flight", uint(suite, 1), bundle_hash, eph, one_time or ZERO32, kem_ct)
    return ff, kdf(ff, dh2 + dh3 + ss, "first flight key", 32)


def again_key(bundle_hash):
    """The key of the tag of a first contact without an invite (section 6)."""
    return bundle_hash[:16]


@dataclass
class Initiator:
    """A, who knows B's certificate and bundle; `reference` is A's own list reference."""
    certificate: Certificate
    dh_secret: bytes
    reference: bytes

    def start(self, b, bundle, one_time, eph_secret, kem_random, ratchet_secret, now):
        """Derive the session; `one_time` is (id, public key) or None. Returns the schedule with its intermediates."""
        check_certificates(self.certificate, b, now)
        suite = choose_suite(self.certificate.suites, bundle.suites)
        return self.derive(suite, b, bundle, one_time, eph_secret, kem_random, ratchet_secret, now // DAY_MS)

    def derive(self, suite, b, bundle, one_time, eph_secret, kem_random, ratchet_secret, day=0):
        """The same with the suite given."""
        eph = dh_public(eph_secret)
        ss, kem_ct = kem_encaps(bundle.kem_key, kem_random) if suite == 2 else (b"", b"")
        number, otk = one_time or (0, None)
        dhs = [dh(self.dh_secret, bundle.prekey), dh(eph_secret, b.dh_key), dh(eph_secret, bundle.prekey)]
        dhs += [dh(eph_secret, otk)] if otk else []
        keys = schedule(suite, self.certificate, b, bundle.hash, eph, otk, kem_ct, dhs, ss)
        ff, fk = flight_key(suite, bundle.hash, eph, otk, kem_ct, dhs[1], dhs[2], ss)
        sealed = aead_seal(fk, bytes(12), ff, self.certificate.signed + self.reference)
        front = (uint(suite, 1) + uint(bundle.serial, 4) + uint(number, 4) + eph + kem_ct + uint(len(sealed), 2)
                 + sealed)
        self.front, self.ratchet = front, Ratchet.start_a(keys, ratchet_secret, suite, day)
        return {**keys, **{f"dh{i + 1}": d for i, d in enumerate(dhs)}, "eph": eph, "ss": ss, "ff": ff, "fk": fk}

    def first_contact(self, tag_key, day, payload, header_nonce):
        """The first-contact envelope around message 0."""
        prefix = env.prefix(tag_key, "first contact tag", day)
        return prefix + self.front + self.ratchet.seal(prefix, header_nonce, payload, day, before=len(self.front))[0]


@dataclass
class Responder:
    """B, with the secrets of its device and of the bundles that still live; `seen` holds the eph A already used."""
    certificate: Certificate
    dh_secret: bytes
    prekeys: list
    seen: set

    def accept(self, envelope, tag_key, now):
        """(schedule with intermediates, A's certificate, list reference, ratchet, payload) of a first contact.

        What the payload says, and the device list in it, are for the caller.
        """
        env.check_tag(envelope, tag_key, "first contact tag")
        prefix = envelope[:env.PREFIX]
        suite, prekey_id, number, eph, rest = split(envelope[env.PREFIX:], 1, 4, 4, 32)
        suite, number = suite[0], int.from_bytes(number, "big")
        require(suite in (1, 2), "unknown suite")
        kem_ct, length, rest = split(rest, KEM_CIPHERTEXT if suite == 2 else 0, 2)
        sealed, message = split(rest, int.from_bytes(length, "big"))

        mine = [p for p in self.prekeys if p.bundle.serial == int.from_bytes(prekey_id, "big")]
        require(mine, "unknown signed prekey")
        mine = mine[0]
        require((prekey_id, eph) not in self.seen, "eph A was seen before")
        require(number == 0 or number in mine.one_time, "unknown one-time key")
        otk_secret = mine.one_time.get(number)
        otk = dh_public(otk_secret) if number else None
        ss = kem_decaps(kem_keys(mine.kem_seed)[1], kem_ct) if suite == 2 else b""
        dh2, dh3 = dh(self.dh_secret, eph), dh(mine.prekey_secret, eph)
        ff, fk = flight_key(suite, mine.bundle.hash, eph, otk, kem_ct, dh2, dh3, ss)

        sender = aead_open(fk, bytes(12), ff, sealed)
        require(len(sender) > REFERENCE, "sealed sender cut short")
        a, reference = read_certificate(sender[:-REFERENCE]), sender[-REFERENCE:]
        check_certificates(a, self.certificate, now)
        require(suite == choose_suite(a.suites, mine.bundle.suites), "not the suite both sides can use")
        dhs = [dh(mine.prekey_secret, a.dh_key), dh2, dh3] + ([dh(otk_secret, eph)] if number else [])
        keys = schedule(suite, a, self.certificate, mine.bundle.hash, eph, otk, kem_ct, dhs, ss)
        ratchet, payload = Ratchet.start_b(keys, prefix, message, suite, now // DAY_MS)
        self.seen.add((prekey_id, eph))
        mine.one_time.pop(number, None)
        middle = {**keys, **{f"dh{i + 1}": d for i, d in enumerate(dhs)}, "eph": eph, "ss": ss, "ff": ff, "fk": fk}
        return middle, a, reference, ratchet, payload


class Session:
    """One side of a session: the ratchet inside session envelopes (section 6)."""

    def __init__(self, keys, side, ratchet):
        out, into = ("ab", "ba") if side == "a" else ("ba", "ab")
        self.ratchet, self.send_tag, self.receive_tag = ratchet, keys[f"tag_key_{out}"], keys[f"tag_key_{into}"]

    def seal(self, day, payload, header_nonce, secret=None, kem_seed=None, kem_random=None):
        """(envelope, ratchet header, message key)."""
        prefix = env.prefix(self.send_tag, "envelope tag", day)
        message, header, key = self.ratchet.seal(prefix, header_nonce, payload, day, secret, kem_seed, kem_random)
        return prefix + message, header, key

    def forge(self, day, header_nonce, padded, **changed):
        """An envelope that says what no correct sender says."""
        prefix = env.prefix(self.send_tag, "envelope tag", day)
        return prefix + self.ratchet.seal_as(prefix, header_nonce, padded, **changed)[0]

    def open(self, envelope, day):
        env.check_tag(envelope, self.receive_tag, "envelope tag")
        return self.ratchet.open(envelope[:env.PREFIX], envelope[env.PREFIX:], day)
