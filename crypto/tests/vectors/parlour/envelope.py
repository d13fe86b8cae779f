"""Envelopes and padded payloads (PROTOCOL.md sections 5 and 6)."""

import datetime

import blake3

from .blocks import hash_blake, mac, require, same, uint

SIZES = (512, 1024, 2048, 4096, 8192, 16384, 32768, 49152)
PREFIX = 11
# Header nonce, sealed header, tag of the payload, length of the payload.
OVERHEAD = 24 + 64 + 16 + 4


def prefix(key, purpose, day):
    """The first 11 bytes of an envelope: version, day and tag."""
    return b"\1" + uint(day, 2) + mac(key, purpose, uint(day, 2))[:8]


def read_prefix(envelope):
    """(day, tag) of an envelope whose version and size are what a relay accepts."""
    require(len(envelope) in SIZES, "size of the envelope")
    require(envelope[0] == 1, "version of the envelope")
    return int.from_bytes(envelope[1:3], "big"), envelope[3:PREFIX]


def check_tag(envelope, key, purpose):
    day, tag = read_prefix(envelope)
    require(same(tag, mac(key, purpose, uint(day, 2))[:8]), "tag of the envelope")


def size_for(length):
    """The smallest size that holds so many bytes."""
    fits = [size for size in SIZES if size >= length]
    require(fits, "too long for an envelope")
    return fits[0]


def fits(payload, before, part):
    """Whether an envelope holds a payload with `part` behind it."""
    return PREFIX + before + OVERHEAD + len(payload) + len(part) <= SIZES[-1]


def pad(payload, before=0, part=b""):
    """The padded payload that fills the envelope; `before` bytes stand between the prefix and the ratchet message."""
    taken = PREFIX + before + OVERHEAD
    room = size_for(taken + len(payload) + len(part)) - taken
    return uint(len(payload), 4) + payload + part + bytes(room - len(payload) - len(part))


def unpad(padded, behind=0):
    """(payload, the `behind` bytes that follow it)."""
    require(len(padded) >= 4, "padded payload cut short")
    length = int.from_bytes(padded[:4], "big")
    end = 4 + length + behind
    require(end <= len(padded), "payload longer than its envelope")
    require(not any(padded[end:]), "padding is not zero")
    return padded[4:4 + length], padded[4 + length:end]


def message_id(envelope):
    """The gossip message id."""
    return blake3.blake3(envelope).digest()


def shard(recipient, day, purpose="direct shard"):
    """The gossip shard of an envelope for a recipient, or for a room."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
    month = (date.year - 1970) * 12 + date.month - 1
    return hash_blake(purpose, recipient, uint(month, 4))[0] % 8
