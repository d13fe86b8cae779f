"""TLV and postcard, both strict (PROTOCOL.md section 1)."""

from .blocks import Refused, require, uint


# -- TLV ---------------------------------------------------------------------------------------------------------------

def tlv(*fields):
    """`tag u8 ‖ len u16 ‖ value` for every (tag, value); a value of None is an absent optional field."""
    return b"".join(bytes([tag]) + uint(len(value), 2) + value for tag, value in fields if value is not None)


def tlv_items(data):
    """The (tag, value, offset) of a TLV structure, whose tags must ascend strictly and which must end exactly."""
    items, at, last = [], 0, -1
    while at < len(data):
        require(at + 3 <= len(data), "TLV: cut inside a tag or length")
        tag, length = data[at], int.from_bytes(data[at + 1:at + 3], "big")
        require(tag > last, "TLV: tags must ascend")
        require(at + 3 + length <= len(data), "TLV: cut inside a value")
        items.append((tag, data[at + 3:at + 3 + length], at))
        at, last = at + 3 + length, tag
    return items


def read_tlv(data, fields):
    """Read a structure by its table: (tag, name, width or None, "optional" or nothing) per row.

    A width written "u8" … "u64" gives an integer. Absent optional fields give None.
    """
    rows = {row[0]: row[1:] for row in fields}
    found = {}
    for tag, value, _ in tlv_items(data):
        require(tag in rows, f"TLV: unknown tag {tag}")
        name, width = rows[tag][:2]
        if isinstance(width, str):
            require(len(value) == int(width[1:]) // 8, f"TLV: width of {name}")
            value = int.from_bytes(value, "big")
        else:
            require(width is None or len(value) == width, f"TLV: width of {name}")
        found[name] = value
    for name, _, *optional in rows.values():
        if name not in found:
            require(optional, f"TLV: {name} is missing")
            found[name] = None
    return found


def split(data, *widths):
    """Cut off parts of the given widths; the last part is what is left."""
    parts = []
    for width in widths:
        require(len(data) >= width, "cut short")
        parts.append(data[:width])
        data = data[width:]
    return *parts, data


def ids(data, limit):
    """A run of ascending, distinct 32-byte ids."""
    require(len(data) % 32 == 0 and len(data) // 32 <= limit, "number of ids")
    found = [data[i:i + 32] for i in range(0, len(data), 32)]
    require(all(a < b for a, b in zip(found, found[1:])), "ids must ascend")
    return found


# -- postcard: a type writes a value, reads it from a cursor, and loads it from JSON -----------------------------------

class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "postcard: cut short")
        self.at += count
        return self.data[self.at - count:self.at]


class Type:
    def load(self, value):
        """The value from its JSON form, which is the value itself unless a type says otherwise."""
        return value

    def dump(self, value):
        """The JSON form of a value."""
        return value

    def decode(self, data):
        """Read a value which fills `data` and whose encoding is `data` again."""
        cursor = Cursor(data)
        value = self.read(cursor)
        require(cursor.at == len(data), "postcard: bytes left over")
        require(self.write(value) == data, "postcard: not the canonical encoding")
        return value


class Varint(Type):
    def __init__(self, bits):
        self.bits = bits

    def write(self, value):
        require(0 <= value < 1 << self.bits, "postcard: integer out of range")
        out = b""
        while value > 0x7F:
            out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
        return out + bytes([value])

    def read(self, cursor):
        value = 0
        for shift in range(0, self.bits, 7):
            byte = cursor.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                require(value < 1 << self.bits, "postcard: integer out of range")
                return value
        raise Refused("postcard: varint too long")


class Byte(Type):
    def __init__(self, limit=255):
        self.limit = limit

    def write(self, value):
        require(0 <= value <= self.limit, "postcard: byte out of range")
        return bytes([int(value)])

    def read(self, cursor):
        value = cursor.take(1)[0]
        require(value <= self.limit, "postcard: byte out of range")
        return value


class Bool(Byte):
    def read(self, cursor):
        return bool(super().read(cursor))


class Fixed(Type):
    """Raw bytes of one width, without a length."""

    def __init__(self, width):
        self.width = width

    def write(self, value):
        require(len(value) == self.width, "postcard: width")
        return value

    def read(self, cursor):
        return cursor.take(self.width)

    def load(self, value):
        return bytes.fromhex(value)

    def dump(self, value):
        return value.hex()


class Bytes(Type):
    def __init__(self, limit=None, least=0):
        self.limit, self.least = limit, least

    def write(self, value):
        require(len(value) >= self.least and (self.limit is None or len(value) <= self.limit), "postcard: length")
        return LENGTH.write(len(value)) + value

    def read(self, cursor):
        return cursor.take(LENGTH.read(cursor))

    def load(self, value):
        return bytes.fromhex(value)

    def dump(self, value):
        return value.hex()


class Text(Bytes):
    def write(self, value):
        return super().write(value.encode())

    def read(self, cursor):
        return utf8(super().read(cursor))

    def load(self, value):
        return value

    def dump(self, value):
        return value


class Option(Type):
    def __init__(self, inner):
        self.inner = inner

    def write(self, value):
        return b"\0" if value is None else b"\1" + self.inner.write(value)

    def read(self, cursor):
        return self.inner.read(cursor) if BOOL.read(cursor) else None

    def load(self, value):
        return None if value is None else self.inner.load(value)

    def dump(self, value):
        return None if value is None else self.inner.dump(value)


class Vec(Type):
    def __init__(self, inner, limit=None):
        self.inner, self.limit = inner, limit

    def write(self, values):
        require(self.limit is None or len(values) <= self.limit, "postcard: too many")
        return LENGTH.write(len(values)) + b"".join(map(self.inner.write, values))

    def read(self, cursor):
        count = LENGTH.read(cursor)
        require(count <= (len(cursor.data) if self.limit is None else self.limit), "postcard: too many")
        return [self.inner.read(cursor) for _ in range(count)]

    def load(self, values):
        return [self.inner.load(value) for value in values]

    def dump(self, values):
        return [self.inner.dump(value) for value in values]


class Tuple(Type):
    def __init__(self, *inner):
        self.inner = inner

    def write(self, values):
        return b"".join(t.write(v) for t, v in zip(self.inner, values, strict=True))

    def read(self, cursor):
        return [t.read(cursor) for t in self.inner]

    def load(self, values):
        return [t.load(v) for t, v in zip(self.inner, values, strict=True)]

    def dump(self, values):
        return [t.dump(v) for t, v in zip(self.inner, values, strict=True)]


class Struct(Type):
    """Named fields in order; the value is a dict. `check` refuses what the types alone would let through."""

    def __init__(self, check=None, **fields):
        self.fields, self.check = fields, check or (lambda value: None)

    def write(self, value):
        self.check(value)
        return b"".join(t.write(value[name]) for name, t in self.fields.items())

    def read(self, cursor):
        return {name: t.read(cursor) for name, t in self.fields.items()}

    def load(self, value):
        return {name: t.load(value[name]) for name, t in self.fields.items()}

    def dump(self, value):
        return {name: t.dump(value[name]) for name, t in self.fields.items()}


class Enum(Type):
    """Variants in order of their index; the value is (name, value)."""

    def __init__(self, **variants):
        self.names, self.types = list(variants), list(variants.values())

    def write(self, value):
        index = self.names.index(value[0])
        return U32.write(index) + self.types[index].write(value[1])

    def read(self, cursor):
        index = U32.read(cursor)
        require(index < len(self.names), "postcard: unknown variant")
        return self.names[index], self.types[index].read(cursor)

    def load(self, value):
        return value[0], self.types[self.names.index(value[0])].load(value[1])

    def dump(self, value):
        return [value[0], self.types[self.names.index(value[0])].dump(value[1])]


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error


U8, U16, U32, U64 = Byte(), Varint(16), Varint(32), Varint(64)
LENGTH = Varint(64)
BOOL = Bool(1)
BYTES32 = Fixed(32)
EXT = Vec(Tuple(U16, Bytes()), 16)
