"""Sender chains: audiences, certificates, how chains are handed over, and room messages (PROTOCOL.md section 11).

Not written blind: its author had seen the crate's chains.
"""

from dataclasses import dataclass

from . import envelope as env
from .blocks import aead_open, aead_seal, hash_blake, require, same, sign, uint, verify, xaead_open, xaead_seal, xof
from .codec import read_tlv, split, tlv
from .events import MESSAGES, read_event
from .keys import SIGNED

MAX_AUDIENCE = 1024
MAX_CHAINS = 32
MAX_SKIPPED = 2000
# Header nonce, sealed iteration, commitment; what stands before the body.
FRONT = 24 + 20 + 32
# What a room message has before its body beyond a ratchet message.
BEFORE = FRONT - 24 - 64


# -- audience ----------------------------------------------------------------------------------------------------------

def leaf(device):
    return hash_blake("audience leaf", device)


def node(left, right):
    return hash_blake("audience node", left, right)


def left_of(count):
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def top(devices):
    if len(devices) == 1:
        return leaf(devices[0])
    k = left_of(len(devices))
    return node(top(devices[:k]), top(devices[k:]))


def check_audience(devices):
    require(1 <= len(devices) <= MAX_AUDIENCE, "size of the audience")
    require(all(a < b for a, b in zip(devices, devices[1:])), "the audience must ascend")


def audience_root(devices):
    check_audience(devices)
    return hash_blake("audience root", uint(len(devices), 2), top(devices))


def prove(devices, device):
    """The proof that a device is in the audience."""
    require(device in devices, "not in the audience")
    index, count, path = devices.index(device), len(devices), []
    at, rest = index, devices
    while len(rest) > 1:
        k = left_of(len(rest))
        other, at, rest = (rest[k:], at, rest[:k]) if at < k else (rest[:k], at - k, rest[k:])
        path.insert(0, top(other))
    return {"index": index, "count": count, "path": path}


def check_proof(proof, device, root):
    index, count, path = proof["index"], proof["count"], list(proof["path"])
    require(index < count <= MAX_AUDIENCE, "place in the audience")

    def climb(at, of):
        if of == 1:
            return leaf(device)
        k = left_of(of)
        inner = climb(at, k) if at < k else climb(at - k, of - k)
        require(path, "the path is too short")
        return node(inner, path.pop(0)) if at < k else node(path.pop(0), inner)

    found = climb(index, count)
    require(not path, "the path is too long")
    require(hash_blake("audience root", uint(count, 2), found) == root, "not of this audience")


# -- certificate and what is handed over -------------------------------------------------------------------------------

CHAIN = [(1, "version", "u8"), (2, "room", 32), (3, "chain", 16), (4, "device", 32), (5, "view", 32), (6, "audience", 32),
         (7, "keys", 32)]

def chain_keys(header_key, tag_key):
    return hash_blake("chain keys", header_key, tag_key)


def issue_chain(signing_seed, room, chain, device, view, root, keys, purpose=None):
    statement = tlv((1, b"\1"), (2, room), (3, chain), (4, device), (5, view), (6, root), (7, keys))
    return tlv((1, statement), (2, sign(signing_seed, purpose or "chain certificate", statement)))


def read_chain(signed, owner):
    """The fields of a chain certificate by the device whose verified certificate is given."""
    form = read_tlv(signed, SIGNED)
    f = read_tlv(form["statement"], CHAIN)
    require(f.pop("version") == 1, "version of the chain certificate")
    require(f["device"] == owner.device, "chain of another device")
    verify(owner.signing_key, "chain certificate", form["statement"], form["signature"])
    return f


# -- messages ----------------------------------------------------------------------------------------------------------

def step(chain_key):
    """(message key, next chain key)."""
    return split(xof(chain_key, "ratchet step", 64), 32)


def message_cipher(message_key, header_nonce):
    """(key, nonce, commitment)."""
    return split(xof(message_key, "room message", 76, header_nonce), 32, 12)


def seal_message(room, chain, prefix, header_key, iteration, message_key, header_nonce, payload):
    """The whole envelope."""
    ad = room + chain + prefix
    key, nonce, commitment = message_cipher(message_key, header_nonce)
    front = header_nonce + xaead_seal(header_key, header_nonce, ad, uint(iteration, 4)) + commitment
    return prefix + front + aead_seal(key, nonce, ad + front, env.pad(payload, BEFORE))


def read_iteration(room, chain, header_key, envelope):
    nonce, sealed, _ = split(envelope[env.PREFIX:], 24, 20)
    iteration = int.from_bytes(xaead_open(header_key, nonce, room + chain + envelope[:env.PREFIX], sealed), "big")
    require(iteration < MESSAGES, "the chain has ended")
    return iteration


def open_message(room, chain, message_key, envelope):
    """The payload."""
    front, body = split(envelope[env.PREFIX:], FRONT)
    key, nonce, commitment = message_cipher(message_key, front[:24])
    require(same(commitment, front[44:]), "commitment of the message")
    return env.unpad(aead_open(key, nonce, room + chain + envelope[:env.PREFIX] + front, body))[0]


@dataclass
class Held:
    fields: dict
    header_key: bytes
    tag_key: bytes
    key: bytes
    first: int
    n: int
    by_owner: bool


class Reader:
    """The chains of one device in one room, as another device keeps them."""

    def __init__(self, room, owner, own):
        self.room, self.owner, self.own = room, owner, own
        self.chains, self.skipped = {}, {}

    def take(self, shared, giver):
        """Whether the chain was new, or is taken anew; refuses what may not be taken."""
        fields = read_chain(shared["cert"], self.owner)
        require(fields["room"] == self.room, "chain of another room")
        require(chain_keys(shared["header_key"], shared["tag_key"]) == fields["keys"], "keys of another chain")
        by_owner = giver == self.owner.device
        if not by_owner:
            require(shared["proof"] is not None, "no proof from somebody else")
            check_proof(shared["proof"], self.own, fields["audience"])
        held = self.chains.get(fields["chain"])
        if held and not (by_owner and not held.by_owner and held.n == held.first):
            return False
        self.chains[fields["chain"]] = Held(fields, shared["header_key"], shared["tag_key"], shared["chain_key"],
                                            shared["iteration"], shared["iteration"], by_owner)
        while len(self.chains) > MAX_CHAINS:
            oldest = next(iter(self.chains))
            del self.chains[oldest]
            self.skipped = {at: key for at, key in self.skipped.items() if at[0] != oldest}
        return True

    def open(self, envelope):
        """The event in an envelope; nothing moves unless it counts."""
        day, tag = env.read_prefix(envelope)
        found = [(chain, held) for chain, held in self.chains.items()
                 if env.prefix(held.tag_key, "envelope tag", day)[3:] == tag]
        require(found, "the tag of no chain")
        chain, held = found[-1]
        iteration = read_iteration(self.room, chain, held.header_key, envelope)
        passed = {}
        if iteration < held.n:
            require((chain, iteration) in self.skipped, "this message key is gone")
            message_key, key, n = self.skipped[chain, iteration], held.key, held.n
        else:
            key = held.key
            for at in range(held.n, iteration):
                passed[chain, at], key = step(key)
            (message_key, key), n = step(key), iteration + 1
        payload = open_message(self.room, chain, message_key, envelope)
        require(payload[:1] == b"\1", "no event")
        event = read_event(payload[1:], self.owner.signing_key)
        require(event.fields["conversation"] == self.room, "event of another room")
        require(event.fields["device"] == self.owner.device, "event of another device")
        require(event.body is not None, "a stub in a room message")
        self.skipped.pop((chain, iteration), None)
        self.skipped.update(passed)
        held.key, held.n = key, n
        while len(self.skipped) > MAX_SKIPPED:
            del self.skipped[min(self.skipped, key=lambda at: (list(self.chains).index(at[0]), at[1]))]
        return event
