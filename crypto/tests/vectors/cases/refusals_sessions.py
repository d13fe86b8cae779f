"""First flights which must be refused (PROTOCOL.md sections 4 to 6)."""

from parlour import blocks, keys
from parlour import envelope as env
from parlour.blocks import sign, uint
from parlour.codec import tlv
from parlour.handshake import Initiator
from parlour.ratchet import message_cipher, step

from .given import Given, plain
from .people import DAY, NOW, Person, flight_inputs, received
from .sessions import start_initiator

FRONT = 41                              # suite, prekey id, one-time key id, eph A
SENDER = env.PREFIX + FRONT + 2         # where the sealed sender begins in suite 1


class Flight:
    """A first flight of suite 1 taken apart, so that single parts of it can be made wrong."""

    def __init__(self, inputs):
        self.given = Given(plain(inputs))
        self.a, self.keys = start_initiator(self.given)
        self.key = self.given("tag_key")

    def sender(self, signed, reference):
        """The front of the flight around another sender."""
        front = self.a.front[:FRONT]
        sealed = blocks.aead_seal(self.keys["fk"], bytes(12), self.keys["ff"], signed + reference)
        return front + uint(len(sealed), 2) + sealed

    def make(self, front=None, header=None, padded=None, day=DAY):
        """The envelope, with the front, the ratchet header or the padded payload given instead of the right one."""
        front = front or self.a.front
        prefix = env.prefix(self.key, "first contact tag", day)
        ad, nonce = self.keys["th"] + prefix, self.given("header_nonce")
        header = header or blocks.dh_public(self.a.ratchet.own) + bytes(16)
        head = nonce + blocks.xaead_seal(self.keys["header_key_ab"], nonce, ad, header)
        key, inner = message_cipher(step(self.keys["chain_key"])[0], nonce)
        padded = padded or env.pad(self.given("payload"), before=len(front))
        return prefix + front + head + blocks.aead_seal(key, inner, ad + head, padded)


def sessions(draw):
    """(name, reader, right, wrong, context) of first flights."""
    ada, bob, payload = Person(draw, 1), Person(draw, 3), received(draw)
    inputs = flight_inputs(draw, ada, bob, payload, draw(16))
    flight = Flight(inputs)
    right = flight.make()
    flipped = lambda at, bit=1: right[:at] + bytes([right[at] ^ bit]) + right[at + 1:]
    ratchet_key = blocks.dh_public(flight.a.ratchet.own)
    padded = env.pad(payload, before=len(flight.a.front))
    statement = ada.certificate.statement()
    bad_possession = tlv((1, statement), (2, sign(ada.identity_seed, "device certificate", statement)), (3, bytes(64)))
    only_suite_2 = keys.issue_certificate(ada.identity_seed, ada.signing_seed, ada.dh_secret, 2, NOW, NOW + 1, 1)
    wrong = {"version 2": flipped(0, 3), "another day": flipped(2), "another tag": flipped(3), "suite 0": flipped(11),
             "suite 3": flipped(11, 2), "another prekey": flipped(15), "another one-time key": flipped(19),
             "without its one-time key": right[:16] + bytes(4) + right[20:], "another eph A": flipped(20),
             "eph A of low order": right[:20] + bytes(32) + right[52:],
             "another length of the sealed sender": flipped(SENDER - 1),
             "a sealed sender beyond the envelope": right[:52] + b"\xff\xff" + right[54:],
             "sealed sender changed": flipped(60), "header nonce changed": flipped(len(flight.a.front) + 11),
             "message 0 changed": flipped(len(right) - 30),
             "the sender's possession does not verify": flight.make(flight.sender(bad_possession, ada.reference)),
             "the sender has no suite for it": flight.make(flight.sender(only_suite_2, ada.reference)),
             "no list reference": flight.make(flight.sender(ada.signed_certificate, b"")),
             "a list reference of 13 bytes": flight.make(flight.sender(ada.signed_certificate, ada.reference + b"\0")),
             "n is 1": flight.make(header=ratchet_key + bytes(7) + b"\1" + bytes(8)),
             "pn is 1": flight.make(header=ratchet_key + bytes(3) + b"\1" + bytes(12)),
             "pq epoch is 1": flight.make(header=ratchet_key + bytes(11) + b"\1" + bytes(4)),
             "flags are 1": flight.make(header=ratchet_key + bytes(13) + b"\1\0\0"),
             "reserved bits are 1": flight.make(header=ratchet_key + bytes(15) + b"\1"),
             "a ratchet key of low order": flight.make(header=bytes(48)),
             "padding is not zero": flight.make(padded=padded[:-1] + b"\1"),
             "a payload longer than the envelope": flight.make(padded=uint(len(padded) - 3, 4) + padded[4:])}
    wrong = {why: {"bytes": value} for why, value in wrong.items()}
    wrong["sent with another token"] = {"bytes": right, "tag_key": draw(16)}
    wrong["the sender's certificate has expired"] = {"bytes": right, "now": ada.certificate.expires}
    yield "first flight, suite 1", "first_flight", {"bytes": right}, wrong, context_of(inputs)

    both = Person(draw, 3)
    inputs = flight_inputs(draw, both, bob, payload, draw(16), one_time=False)
    given = Given(plain(inputs))
    a, _ = start_initiator(given)
    make = lambda a: a.first_contact(given("tag_key"), DAY, payload, given("header_nonce"))
    right = make(a)
    lower = Initiator(both.certificate, both.dh_secret, both.reference)
    lower.derive(1, bob.certificate, bob.bundle, None, given("eph_secret"), None, given("ratchet_secret"))
    yield ("first flight, suite 2", "first_flight", {"bytes": right},
           {"suite 1 though both have suite 2": {"bytes": make(lower)},
            "KEM ciphertext changed": {"bytes": right[:60] + bytes([right[60] ^ 1]) + right[61:]}}, context_of(inputs))


def context_of(inputs):
    """What B and the reader know."""
    names = ("dh_secret", "certificate", "bundle", "prekey_secret", "kem_seed", "one_time_id", "one_time_secret")
    return {"now": inputs["now"], "tag_key": inputs["tag_key"], "b": {name: inputs["b"][name] for name in names}}
