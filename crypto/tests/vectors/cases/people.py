"""Random values and people for the cases, the same in every run."""

import hashlib

from parlour import blocks, events, keys

from .given import Given

NOW = 1_790_000_000_000
DAY = NOW // keys.DAY_MS


class Draw:
    """SHAKE256("parlour vectors" ‖ topic ‖ counter), a new counter for every value drawn."""

    def __init__(self, topic):
        self.topic, self.counter = topic, 0

    def __call__(self, count):
        self.counter += 1
        seed = b"parlour vectors" + self.topic.encode() + blocks.uint(self.counter, 4)
        return hashlib.shake_256(seed).digest(count)


class Person:
    """An identity with one device, its list and its prekey bundle."""

    def __init__(self, draw, suites=3, serial=1, expires=NOW + 300 * keys.DAY_MS):
        self.entropy, self.signing_seed, self.dh_secret = draw(32), draw(32), draw(32)
        self.prekey_secret, self.kem_seed, self.one_time_secret = draw(32), draw(64), draw(32)
        self.suites, self.serial = suites, serial
        self.identity_seed = keys.identity_seed(self.entropy)
        self.user = blocks.sign_public(self.identity_seed)
        self.signing_key = blocks.sign_public(self.signing_seed)
        self.signed_certificate = keys.issue_certificate(self.identity_seed, self.signing_seed, self.dh_secret, suites,
                                                         NOW - 60 * keys.DAY_MS, expires, 1)
        self.certificate = keys.read_certificate(self.signed_certificate)
        self.signed_list = self.list()
        self.reference = keys.read_list(self.signed_list).reference
        self.signed_bundle = keys.issue_bundle(self.signing_seed, serial, self.certificate.hash, self.prekey_secret,
                                               self.kem_seed, suites, NOW - keys.DAY_MS, NOW + 13 * keys.DAY_MS)
        self.bundle = keys.read_bundle(self.signed_bundle, self.certificate)

    def list(self, version=1, previous=bytes(32), certificates=None, revoked=(), recovered=0, created=NOW):
        certificates = [self.signed_certificate] if certificates is None else certificates
        return keys.issue_list(self.identity_seed, version, previous, certificates, list(revoked), recovered, created)

    def more_devices(self, draw, count):
        """Certificates of further devices, ascending by device."""
        signed = [keys.issue_certificate(self.identity_seed, draw(32), draw(32), 3, NOW, NOW + keys.DAY_MS, n)
                  for n in range(count)]
        return sorted(signed, key=lambda c: keys.read_certificate(c).device)

    def secrets(self):
        return {"identity_seed": self.identity_seed, "signing_seed": self.signing_seed, "dh_secret": self.dh_secret,
                "certificate": self.signed_certificate}

    def profile(self):
        return {"name": "Ada", "device_list": self.signed_list, "bundle": self.signed_bundle,
                "peer": peer_id(self.signing_key), "addresses": [], "ext": []}


def peer_id(key):
    """A libp2p peer id of an Ed25519 key."""
    return bytes.fromhex("002408011220") + key


def received(draw, count=1):
    """The payload of a control `Received`, the smallest thing to say in a conversation."""
    return events.control_payload(draw(16), ("Received", {"ids": [draw(16) for _ in range(count)]}))


def flight_inputs(draw, a, b, payload, tag_key, one_time=True, contact="invite"):
    suite = 2 if a.suites & b.suites & 2 else 1
    return {"suite": suite, "now": NOW, "day": DAY, "contact_text": contact, "tag_key": tag_key,
            "a": {**a.secrets(), "list_reference": a.reference},
            "b": {**b.secrets(), "bundle": b.signed_bundle, "prekey_secret": b.prekey_secret, "kem_seed": b.kem_seed,
                  "one_time_id": 7 if one_time else 0, "one_time_secret": b.one_time_secret if one_time else None},
            "eph_secret": draw(32), "kem_random": draw(32) if suite == 2 else None, "ratchet_secret": draw(32),
            "header_nonce": draw(24), "payload": payload}


def event_inputs(draw, author, conversation, body, seq=1, **fields):
    """Inputs of an event case."""
    return {"signing_seed": author.signing_seed, "kind": 1, "conversation": conversation,
            "device": author.certificate.device, "log": 0, "seq": seq, "prev": None if seq == 1 else draw(32),
            "parents": [], "clock": NOW, "view": None, "salt": draw(16), "body": body, **fields}


def make_event(inputs):
    names = ("kind", "conversation", "device", "log", "seq", "prev", "parents", "clock", "view")
    given = Given(inputs)
    return events.issue_event(given["signing_seed"], {n: given[n] for n in names}, given["salt"], given["body"])


def message(text="hello", **fields):
    """The body of a message."""
    body = {"content": ("Text", text), "reply_to": None, "thread": None, "mentions": [], "visibility": 0,
            "expires_after_ms": None, "ext": [], **fields}
    return events.MESSAGE_BODY.write(body)
