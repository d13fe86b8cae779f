"""Operations of rooms: their bodies, the room's id and the events that carry them (PROTOCOL.md section 11)."""

from dataclasses import dataclass

from .blocks import ZERO32, hash_blake, require
from .codec import (BOOL, BYTES32, EXT, U32, U64, Byte, Bytes, Cursor, Enum, Option, Struct, Text, Tuple, Type, Varint, Vec, tlv,
                    tlv_items)
from .events import check_timer, read_event
from .keys import read_list
from .streams import Empty

OPERATION = 7
MAX_PARENTS = 16
LAST_KNOWN = 12


class Between(Byte):
    """A number within bounds."""

    def __init__(self, least, most):
        super().__init__(most)
        self.least = least

    def write(self, value):
        require(value >= self.least, "postcard: below its bounds")
        return super().write(value)


class Wide(Varint):
    """A varint within bounds."""

    def __init__(self, bits, least, most):
        super().__init__(bits)
        self.least, self.most = least, most

    def write(self, value):
        require(self.least <= value <= self.most, "postcard: out of its bounds")
        return super().write(value)


def check_create(act):
    require(act["info"]["name"] is not None, "a room without a name")


def check_remove(act):
    require(not (act["device"] is not None and act["ban"]), "a ban of a device")


INFO = Struct(name=Option(Text(128, least=1)), topic=Option(Text(1024)), avatar=Option(Bytes(24_576)))
POLICY = Struct(check_timer, post=Between(2, 5), invite=Between(2, 5), pin=Between(2, 5), info=Between(2, 5),
                remove=Between(3, 5), roles=Between(3, 5), join=Between(0, 3), history=Between(0, 3),
                slow_mode_ms=Wide(32, 0, 86_400_000), expires_after_ms=Option(U64))
LAST_SEQ = Struct(device=BYTES32, log=U32, seq=U64)
ACTS = Enum(
    Create=Struct(check_create, info=INFO, policy=POLICY, device_list=Bytes()),
    Info=INFO,
    Policy=POLICY,
    Invite=Struct(user=BYTES32, role=Between(1, 2), link=Option(Tuple(BYTES32, U32))),
    Join=Struct(invite=Option(BYTES32), device_list=Bytes()),
    Leave=Empty(),
    Remove=Struct(check_remove, user=BYTES32, device=Option(BYTES32), ban=BOOL, purge=BOOL, logs=Vec(LAST_SEQ, 64), reason=Text(256)),
    Unban=Struct(user=BYTES32),
    Role=Struct(user=BYTES32, role=Between(1, 4)),
    Transfer=Struct(user=BYTES32),
    Link=Struct(token=BYTES32, role=Between(1, 2), uses=Option(Wide(32, 1, 10_000)), expires=Option(U64)),
    RevokeLink=Struct(link=BYTES32),
    Devices=Struct(device_list=Bytes(), logs=Vec(LAST_SEQ, 64)))


class Act(Type):
    """An act, or what is left of one with a number of today's future: `("Later", (number, rest))`, rest being all that follows."""

    def write(self, value):
        if value[0] == "Later":
            number, rest = value[1]
            require(number > LAST_KNOWN, "number of an act unknown today")
            return U32.write(number) + rest
        return ACTS.write(value)

    def read(self, cursor):
        ahead = Cursor(cursor.data[cursor.at:])
        number = U32.read(ahead)
        if number <= LAST_KNOWN:
            return ACTS.read(cursor)
        cursor.at += ahead.at
        return "Later", (number, cursor.take(len(cursor.data) - cursor.at))

    def load(self, value):
        return ("Later", (value[1][0], bytes.fromhex(value[1][1]))) if value[0] == "Later" else ACTS.load(value)

    def dump(self, value):
        return ["Later", [value[1][0], value[1][1].hex()]] if value[0] == "Later" else ACTS.dump(value)


class After(Type):
    """`ext`, which an act unknown today takes with it."""

    def write(self, value):
        return b"" if value is None else EXT.write(value)

    def read(self, cursor):
        return EXT.read(cursor) if cursor.at < len(cursor.data) else None

    def load(self, value):
        return None if value is None else EXT.load(value)

    def dump(self, value):
        return None if value is None else EXT.dump(value)


def check_operation(value):
    require(all(a < b for a, b in zip(value["parents"], value["parents"][1:])), "parents must ascend")
    require((value["ext"] is None) == (value["act"][0] == "Later"), "ext is missing")
    create = value["act"][0] == "Create"
    require(create == (not value["parents"]), "create operations alone have no parents")
    require(value["op_seq"] == 1 or not create, "a create operation is its device's first")


BODY = Struct(check_operation, user=BYTES32, op_seq=Wide(32, 1, 65_535), parents=Vec(BYTES32, MAX_PARENTS), act=Act(),
              ext=After())


# -- events ------------------------------------------------------------------------------------------------------------

def room_id(header):
    """The id of the room whose create operation has this header, whatever stands in it as conversation."""
    blank = tlv(*((tag, ZERO32 if tag == 3 else value) for tag, value, _ in tlv_items(header)))
    return hash_blake("room", blank)


@dataclass(frozen=True)
class Operation:
    """An operation which has been taken; `list` is the device list that it carries."""
    id: bytes
    device: bytes
    user: bytes
    op_seq: int
    parents: tuple
    clock: int
    what: str
    act: dict
    list: object

    @property
    def about(self):
        return self.act.get("user") if isinstance(self.act, dict) else None


def read_operation(wire, room, certificate):
    """The operation of `room` in a wire event, by the device whose verified certificate is given."""
    event = read_event(wire, certificate.signing_key)
    header = event.fields
    require(header["kind"] == OPERATION and event.body is not None, "not an operation")
    require(header["conversation"] == room and header["view"] is None, "header of an operation")
    body = BODY.decode(event.body)
    require((header["device"], body["user"]) == (certificate.device, certificate.user), "operation of another device")
    what, act = body["act"]
    if what == "Create":
        require(room_id(event.header) == room, "the create operation of another room")
    carried = read_list(act["device_list"]) if isinstance(act, dict) and "device_list" in act else None
    require(carried is None or carried.user == body["user"], "list of another user")
    return Operation(event.id, header["device"], body["user"], body["op_seq"], tuple(body["parents"]), header["clock"], what,
                     act, carried)


def membership_view(room, heads):
    return hash_blake("membership view", room, *sorted(heads))
