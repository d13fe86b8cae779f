"""Requests between peers and the sync stream (PROTOCOL.md section 9)."""

from .blocks import aead_open, aead_seal, dh, hash_blake, hash_sha, kdf, mac, require, same, uint, xof
from .codec import BOOL, BYTES32, EXT, U8, U16, U32, U64, Byte, Bytes, Enum, Fixed, Option, Struct, Text, Tuple, Type, Vec, split
from .events import CONTROL, HAVE, IDS, MAX_WIRE

MAX_FRAME = 262_160
MAX_KNOCK = 65_536


class Empty(Type):
    def write(self, value):
        return b""

    def read(self, cursor):
        return None


# -- knock -------------------------------------------------------------------------------------------------------------

def check_one_time(value):
    require(value["one_time"] is None or value["one_time"][0] >= 1, "a one-time key 0")


def check_asking(value):
    require(len(value["envelope"]) <= 4_096, "an envelope that asks is too long")


REQUEST = Enum(Bundle=Struct(hash=BYTES32), Deliver=Struct(envelope=Bytes()), BundleOf=Struct(user=BYTES32),
               Ask=Struct(check_asking, user=BYTES32, nonce=U64, envelope=Bytes()), Rooms=Empty(),
               Link=Struct(nonce=Fixed(16), proof=Fixed(16)), RoomsChanged=Empty())
RESPONSE = Enum(Nothing=Empty(),
                Bundle=Struct(check_one_time, device_list=Bytes(), bundle=Bytes(),
                              one_time=Option(Tuple(U32, BYTES32))),
                Received=Empty(),
                Closed=Struct(reason=U8),
                Rooms=Struct(rooms=Vec(Struct(create=Bytes(4_096), link=Text(400), name=Text(128), topic=Text(1_024), members=U32,
                                              ext=EXT), 32)),
                Member=Struct(proof=Fixed(16), device_list=Bytes(), bundle=Bytes()))


def asking_work(user, envelope, nonce):
    """Whether the nonce is work enough to ask the user with this envelope."""
    base = hash_blake("contact request", user, envelope)
    return int.from_bytes(xof(base, "contact request work", 4, uint(nonce, 8)), "big") >> 12 == 0


def link_question(token, nonce, asks, asked):
    return mac(hash_blake("room link token", token), "room link question", nonce, asks, asked)[:16]


def link_answer(token, nonce, asks, asked, bundle):
    return mac(hash_blake("room link token", token), "room link answer", nonce, asks, asked, bundle)[:16]


def read_knock(what, data):
    require(len(data) <= MAX_KNOCK, "knock too long")
    return (REQUEST if what == "request" else RESPONSE).decode(data)


# -- frames ------------------------------------------------------------------------------------------------------------

def check_hello(value):
    require(value["version"] == 1, "version of the stream")


def check_events(value):
    require(all(len(event) <= MAX_WIRE for event in value["events"]), "event too long")


FRAMES = {"Hello": Struct(check_hello, version=U16, wall_time_ms=U64, list_version=U32, list_hash=Fixed(8),
                          bundle_serial=U32, ext=EXT),
          "Have": HAVE,
          "Events": Struct(check_events, conversation=BYTES32, events=Vec(Bytes())),
          "Control": Struct(id=Fixed(16), control=CONTROL),
          "Received": Struct(ids=IDS),
          "Rekey": Empty(),
          "Want": Struct(conversation=BYTES32, ids=Vec(BYTES32, 256)),
          "Typing": Struct(conversation=BYTES32, typing=BOOL),
          "Presence": Struct(presence=Byte(2))}
TYPES = list(FRAMES)


def frame(content):
    """`len u32 ‖ bytes`."""
    require(len(content) <= MAX_FRAME, "frame too long")
    return uint(len(content), 4) + content


def unframe(data):
    length, content = split(data, 4)
    length = int.from_bytes(length, "big")
    require(length <= MAX_FRAME, "frame too long")
    require(length == len(content), "length of the frame")
    return content


# -- opening -----------------------------------------------------------------------------------------------------------

def pair_key(exporter):
    return kdf(b"", exporter, "pair key", 32)


def make_open(exporter, nonce_a, eph_a, peer_a, peer_b):
    tag = mac(pair_key(exporter), "stream open", nonce_a, eph_a, peer_a, peer_b)[:16]
    return b"\1" + nonce_a + eph_a + tag


def read_open(data, exporter, peer_a, peer_b):
    """B's side: (nonce A, eph A)."""
    one, nonce_a, eph_a, tag = split(data, 1, 32, 32)
    require(one == b"\1" and len(tag) == 16, "form of the stream opening")
    require(same(data, make_open(exporter, nonce_a, eph_a, peer_a, peer_b)), "tag of the stream opening")
    return nonce_a, eph_a


def make_accept(exporter, opening, nonce_b, eph_b, peer_a, peer_b):
    nonce_a, eph_a = opening[1:33], opening[33:65]
    fields = nonce_a, eph_a, nonce_b, eph_b, peer_a, peer_b
    return b"\1" + nonce_b + eph_b + mac(pair_key(exporter), "stream accept", *fields)


def read_accept(data, exporter, opening, peer_a, peer_b):
    """A's side: (nonce B, eph B)."""
    require(data != b"\0", "the stream was refused")
    one, nonce_b, eph_b, tag = split(data, 1, 32, 32)
    require(one == b"\1" and len(tag) == 32, "form of the stream's acceptance")
    require(same(data, make_accept(exporter, opening, nonce_b, eph_b, peer_a, peer_b)), "tag of the acceptance")
    return nonce_b, eph_b


def stream_keys(exporter, eph_secret, eph_other, nonce_a, nonce_b, peer_a, peer_b):
    """(salt, key A→B, key B→A)."""
    salt = hash_sha("stream salt", nonce_a, nonce_b, peer_a, peer_b)
    return salt, *split(kdf(salt, exporter + dh(eph_secret, eph_other), "stream keys", 64), 32)


# -- records -----------------------------------------------------------------------------------------------------------

class Direction:
    """One direction of an open stream: seals or opens frames in order, and follows Rekey."""

    def __init__(self, key):
        self.key, self.counter, self.first = key, 0, True

    def _advance(self, kind):
        require((kind == "Hello") == self.first, "Hello is the first frame and no other")
        self.first, self.counter = False, self.counter + 1
        if kind == "Rekey":
            self.key, self.counter = kdf(b"", self.key, "stream next key", 32), 0

    def nonce(self):
        return bytes(4) + uint(self.counter, 8)

    def seal(self, kind, value):
        text = bytes([TYPES.index(kind)]) + FRAMES[kind].write(value)
        sealed = aead_seal(self.key, self.nonce(), b"", text)
        self._advance(kind)
        return frame(sealed)

    def open(self, data):
        """(kind, value) of the next frame."""
        kind, body = split(aead_open(self.key, self.nonce(), b"", unframe(data)), 1)
        require(kind[0] < len(TYPES), "type of the frame")
        kind = TYPES[kind[0]]
        value = FRAMES[kind].decode(body)
        self._advance(kind)
        return kind, value
