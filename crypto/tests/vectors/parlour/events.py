"""Events, stubs, message bodies, payloads and controls (PROTOCOL.md sections 5, 7 and 8)."""

import re
from dataclasses import dataclass

from .blocks import hash_blake, require, same, sign, uint, verify
from .codec import (BOOL, BYTES32, EXT, U8, U16, U32, U64, Byte, Bytes, Enum, Fixed, Option, Struct, Text, Tuple, Vec, ids,
                    read_tlv, split, tlv)
from .emoji import is_emoji

MAX_WIRE = 45_056
MAX_CONTROL = 49_152
MESSAGE = 1

HEADER = [(1, "version", "u8"), (2, "kind", "u16"), (3, "conversation", 32), (4, "device", 32), (5, "log", "u32"),
          (6, "seq", "u64"), (7, "prev", 32, "optional"), (8, "parents", None), (9, "clock", "u64"),
          (10, "view", 32, "optional"), (11, "body_hash", 32)]


@dataclass(frozen=True)
class Event:
    """An event whose form and body hash have been checked; salt and body are None in a stub."""
    header: bytes
    fields: dict
    signature: bytes
    salt: bytes
    body: bytes

    @property
    def id(self):
        return hash_blake("event id", self.header, self.signature)

    def wire(self):
        rest = b"\0" if self.body is None else b"\1" + self.salt + self.body
        return uint(len(self.header), 2) + self.header + self.signature + rest

    def stub(self):
        return Event(self.header, self.fields, self.signature, None, None)


def body_hash(salt, body):
    return hash_blake("event body", salt, body)


def next_clock(now, parents):
    """The clock of a new event, from the clocks of its parents."""
    return max(now, 1 + max(parents)) if parents else now


def issue_event(signing_seed, fields, salt, body):
    """Sign an event; `fields` are those of the header but version and body hash."""
    header = tlv((1, b"\1"), (2, uint(fields["kind"], 2)), (3, fields["conversation"]), (4, fields["device"]),
                 (5, uint(fields["log"], 4)), (6, uint(fields["seq"], 8)), (7, fields["prev"]),
                 (8, b"".join(fields["parents"])), (9, uint(fields["clock"], 8)), (10, fields["view"]),
                 (11, body_hash(salt, body)))
    event = Event(header, read_header(header), sign(signing_seed, "event", header), salt, body)
    require(len(event.wire()) <= MAX_WIRE, "event too long")
    return event


def read_header(header):
    f = read_tlv(header, HEADER)
    require(f.pop("version") == 1, "version of the event")
    require(f["seq"] >= 1, "seq of the event")
    require((f["prev"] is None) == (f["seq"] == 1), "prev is absent at seq 1 alone")
    f["parents"] = ids(f["parents"], 8)
    return f


def read_event(wire, signing_key=None):
    """Read a wire event, and check its signature where the author device's key is given."""
    require(len(wire) <= MAX_WIRE, "event too long")
    length, rest = split(wire, 2)
    header, signature, form, rest = split(rest, int.from_bytes(length, "big"), 64, 1)
    fields = read_header(header)
    require(form in (b"\0", b"\1"), "form of the event")
    salt = body = None
    if form == b"\1":
        salt, body = split(rest, 16)
        require(same(body_hash(salt, body), fields["body_hash"]), "body does not match its hash")
    else:
        require(not rest, "a stub with a rest")
    if signing_key:
        verify(signing_key, "event", header, signature)
    return Event(header, fields, signature, salt, body)


def read_direct_event(wire, signing_key=None):
    """An event of a direct conversation, which has no membership view."""
    event = read_event(wire, signing_key)
    require(event.fields["view"] is None, "membership view in a direct conversation")
    return event


# -- bodies and controls -----------------------------------------------------------------------------------------------

class Line(Text):
    """A text without control characters."""

    def write(self, value):
        require(not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in value), "a control character")
        return super().write(value)


def check_poll(poll):
    require(len(poll["options"]) >= 2, "a poll with nothing to choose")
    require(len(set(poll["options"])) == len(poll["options"]), "two options the same")


def check_place(place):
    require(place["latitude"] <= 1_800_000_000 and place["longitude"] <= 3_600_000_000, "no place on earth")


def check_file(file):
    name, parts = file["name"], file["media_type"].split("/")
    require("/" not in name and "\\" not in name and name not in (".", ".."), "a file called like a path")
    require(len(parts) == 2 and all(re.fullmatch(r"[A-Za-z0-9!#$&\-^_.+]+", part) for part in parts), "media type")


def check_sticker(sticker):
    require(is_emoji(sticker["emoji"]), "not one emoji")


def check_call(call):
    require(call["outcome"] <= 3, "outcome of a call")
    require(call["outcome"] == 0 or call["duration_ms"] == 0, "the length of a call that was not held")


def ascending(name):
    def check(value):
        items = value[name]
        require(all(a < b for a, b in zip(items, items[1:])), f"{name} not in their order")
    return check


FILE = Struct(check_file, id=BYTES32, key=BYTES32, size=U64, name=Line(255, 1), media_type=Text(127),
              thumbnail=Bytes(8_192), caption=Text(4_096))
CONTENT = Enum(Text=Text(16_384, least=1),
               Poll=Struct(check_poll, question=Line(1_024, 1), options=Vec(Line(256, 1), 20), multiple=BOOL, anonymous=BOOL,
                           closes_at=Option(U64)),
               Location=Struct(check_place, latitude=U32, longitude=U32, accuracy_m=Option(U32), name=Line(255)),
               File=FILE,
               Image=Struct(file=FILE, width=U32, height=U32),
               Video=Struct(file=FILE, width=U32, height=U32, duration_ms=U64),
               Audio=Struct(file=FILE, duration_ms=U64),
               Voice=Struct(file=FILE, duration_ms=U64, wave=Bytes(128)),
               Sticker=Struct(check_sticker, emoji=Text(64), name=Line(255), file=Option(FILE)),
               Call=Struct(check_call, video=BOOL, outcome=U32, duration_ms=U64))


def check_message(message):
    on_demand = message["visibility"] != 0
    require(not on_demand or message["content"][0] not in ("Poll", "Call"), "something that is not shown on demand")


MESSAGE_BODY = Struct(check_message, content=CONTENT, reply_to=Option(BYTES32), thread=Option(BYTES32), mentions=Vec(BYTES32, 64),
                      visibility=Byte(2), expires_after_ms=Option(U64), ext=EXT)


def check_targets(body):
    require(body["targets"], "a deletion of nothing")


def check_emoji(body):
    require(is_emoji(body["emoji"]), "not one emoji")


def check_timer(body):
    after = body["expires_after_ms"]
    require(after is None or 5_000 <= after <= 31_536_000_000, "bounds of a timer")


# By the kind of the event.
BODIES = {1: MESSAGE_BODY,
          2: Struct(target=BYTES32, content=CONTENT, mentions=Vec(BYTES32, 64), ext=EXT),
          3: Struct(check_targets, targets=Vec(BYTES32, 64), ext=EXT),
          4: Struct(check_emoji, target=BYTES32, emoji=Text(64), on=BOOL, ext=EXT),
          5: Struct(target=BYTES32, on=BOOL, ext=EXT),
          6: Struct(check_timer, expires_after_ms=Option(U64), ext=EXT),
          8: Struct(ascending("options"), poll=BYTES32, options=Vec(Byte(19), 20), ext=EXT),
          9: Struct(ascending("counted"), poll=BYTES32, counted=Vec(BYTES32, 1_024), ext=EXT)}
PROFILE = Struct(name=Text(64), device_list=Bytes(), bundle=Bytes(), peer=Bytes(64), addresses=Vec(Bytes(256), 8),
                 ext=EXT)


def check_intervals(log):
    """Closed intervals from 1, ascending and not touching."""
    require(all(a >= 1 for a, _ in log["have"]), "an interval from 0")
    require(all(a <= b for a, b in log["have"]), "an interval that ends before it begins")
    require(all(b + 1 < a for (_, b), (a, _) in zip(log["have"], log["have"][1:])), "intervals touch or descend")


LOG_HAVE = Struct(check_intervals, device=BYTES32, log=U32, have=Vec(Tuple(U64, U64), 64))
HAVE = Struct(conversation=BYTES32, full=BOOL, logs=Vec(LOG_HAVE, 256))
IDS = Vec(Fixed(16), 256)


# -- of rooms (section 11) ---------------------------------------------------------------------------------------------

# Messages of one sender chain.
MESSAGES = 1000


def check_shared(value):
    require(value["iteration"] < MESSAGES, "iteration of a chain that has ended")


def at_least_one(name):
    def check(value):
        require(value[name], f"no {name}")
    return check


PROOF = Struct(index=U16, count=U16, path=Vec(BYTES32, 10))
SHARED_CHAIN = Struct(check_shared, cert=Bytes(512), iteration=U32, chain_key=BYTES32, header_key=BYTES32, tag_key=BYTES32,
                      view=Vec(BYTES32, 64), proof=Option(PROOF), ext=EXT)


class Control(Enum):
    def write(self, value):
        data = super().write(value)
        require(len(data) <= MAX_CONTROL, "control too long")
        return data


CONTROL = Control(ContactHello=Struct(token=Option(Fixed(16)), profile=PROFILE, ext=EXT),
                  ContactAccept=Struct(profile=PROFILE, ext=EXT),
                  Contact=Struct(profile=PROFILE, ext=EXT),
                  Have=HAVE,
                  Received=Struct(ids=IDS),
                  Read=Struct(conversation=BYTES32, clock=U64, event=BYTES32),
                  ContactRequest=Struct(link=Text(400), note=Text(512), ext=EXT),
                  SenderChain=Struct(at_least_one("chains"), chains=Vec(SHARED_CHAIN, 32), ext=EXT),
                  KeyRequest=Struct(at_least_one("chains"), room=BYTES32, chains=Vec(Tuple(BYTES32, Fixed(16)), 64), ext=EXT),
                  RoomAsk=Struct(room=BYTES32, token=Option(Fixed(16)), name=Text(64), device_list=Bytes(), note=Text(512),
                                 ext=EXT),
                  RoomWelcome=Struct(room=BYTES32, create=Bytes(), heads=Vec(BYTES32, 256), ext=EXT),
                  RoomRefused=Struct(room=BYTES32, reason=U8, ext=EXT),
                  RoomHeads=Struct(room=BYTES32, heads=Vec(BYTES32, 256), ext=EXT),
                  RoomOperations=Struct(at_least_one("events"), room=BYTES32, events=Vec(Bytes(), 64), ext=EXT),
                  RoomReport=Struct(room=BYTES32, target=BYTES32, reason=Text(512), ext=EXT),
                  RoomKnock=Struct(room=BYTES32, user=BYTES32, at=U64, name=Text(64), note=Text(512), ext=EXT),
                  RoomTurnedAway=Struct(room=BYTES32, user=BYTES32, at=U64, ext=EXT))


# -- payloads ----------------------------------------------------------------------------------------------------------

def event_payload(wire):
    return b"\1" + wire


def control_payload(control_id, control):
    return b"\2" + control_id + CONTROL.write(control)


def read_payload(payload):
    """("event", Event) or ("control", (id, control))."""
    kind, rest = split(payload, 1)
    require(kind in (b"\1", b"\2"), "kind of the payload")
    if kind == b"\1":
        return "event", read_event(rest)
    control_id, control = split(rest, 16)
    return "control", (control_id, CONTROL.decode(control))
