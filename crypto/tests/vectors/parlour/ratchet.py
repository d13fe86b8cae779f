"""The double ratchet with header encryption (PROTOCOL.md section 5)."""

import copy
from dataclasses import dataclass

from . import envelope as env
from .blocks import Refused, aead_open, aead_seal, dh, dh_public, kdf, require, uint, xaead_open, xaead_seal, xof
from .codec import split
from .refresh import BEHIND, Refresh

MAX_JUMP = 1000
MAX_OLD = 64
MAX_SKIPPED = 2000
MAX_CHAIN = 65_536


@dataclass(frozen=True)
class Chain:
    """A receiving chain; `key` is None once the chain is an old one."""
    number: int
    header_key: bytes
    remote: bytes
    key: bytes
    n: int


@dataclass(frozen=True)
class Header:
    ratchet_key: bytes
    pn: int
    n: int
    epoch: int = 0
    flags: int = 0

    def write(self):
        return (self.ratchet_key + uint(self.pn, 4) + uint(self.n, 4) + uint(self.epoch, 4) + uint(self.flags, 2)
                + bytes(2))

    @classmethod
    def read(cls, data):
        key, *numbers, zeros, rest = split(data, 32, 4, 4, 4, 2, 2)
        require(not rest, "width of the ratchet header")
        require(not any(zeros), "reserved bits of the ratchet header")
        header = cls(key, *(int.from_bytes(number, "big") for number in numbers))
        require(header.flags in BEHIND, "flags of the ratchet header")
        require(header.n < MAX_CHAIN and header.pn <= MAX_CHAIN, "beyond the end of a chain")
        return header


def kdf_root(root, shared, secret=None):
    """KDF_RK, without or with a refresh secret: (root, chain key, next header key)."""
    if secret:
        return split(kdf(root, shared + secret, "ratchet refresh", 96), 32, 32)
    return split(kdf(root, shared, "ratchet root", 96), 32, 32)


def step(chain_key):
    """(message key, next chain key)."""
    return split(xof(chain_key, "ratchet step", 64), 32)


def message_cipher(message_key, header_nonce):
    """(key, nonce) of one message."""
    return split(xof(message_key, "ratchet message", 44, header_nonce), 32)


def open_header(header_key, nonce, sealed, ad):
    try:
        return Header.read(xaead_open(header_key, nonce, ad, sealed))
    except Refused:
        return None


class Ratchet:
    """One side's state. `keys` is the schedule of a handshake (see handshake.schedule), `day` that of its begin."""

    def __init__(self, keys, tag_keys, suite, day):
        self.refresh = Refresh(suite, *tag_keys, day)
        self.th, self.root = keys["th"], keys["root"]
        self.own = self.sending = self.send_header = self.receiving = None
        self.sent = self.pn = self.chains = 0
        self.due = False            # the second KDF_RK of a DH step waits for the next message to be sealed
        self.old = []               # old receiving chains, newest first
        self.skipped = {}           # (chain number, n) -> message key, oldest first

    @classmethod
    def start_a(cls, keys, secret, suite, day):
        """The state of A before message 0."""
        state = cls(keys, (keys["tag_key_ab"], keys["tag_key_ba"]), suite, day)
        state.own = secret
        state.sending, state.send_header = keys["chain_key"], keys["header_key_ab"]
        state.next_send_header, state.next_receive_header = keys["next_header_key_ab"], keys["header_key_ba"]
        return state

    @classmethod
    def start_b(cls, keys, prefix, message, suite, day):
        """(state of B, payload) from message 0."""
        state = cls(keys, (keys["tag_key_ba"], keys["tag_key_ab"]), suite, day)
        header = xaead_open(keys["header_key_ab"], message[:24], state.th + prefix, message[24:88])
        header = Header.read(header)
        require(header.pn == header.n == header.epoch == header.flags == 0, "message 0 has pn = n = epoch = flags = 0")
        dh(bytes(32), header.ratchet_key)       # refused when of low order
        state.receiving = Chain(0, keys["header_key_ab"], header.ratchet_key, keys["chain_key"], 0)
        state.next_receive_header, state.next_send_header = keys["next_header_key_ab"], keys["header_key_ba"]
        state.chains, state.due = 1, True
        return state, state.open(prefix, message, day)

    # -- sending -------------------------------------------------------------------------------------------------------

    def begins_chain(self):
        """Whether the next message begins a sending chain and so needs a fresh ratchet secret."""
        return self.due

    def seal(self, prefix, header_nonce, payload, day, secret=None, kem_seed=None, kem_random=None, before=0):
        """(ratchet message, its header, its message key); `secret` is the fresh ratchet key where a chain begins, `kem_seed`
        and `kem_random` are for an offer and an answer, where there is one to make."""
        if self.due:
            shared = dh(secret, self.receiving.remote)
            mixed = self.refresh.begin_chain(day, kem_seed)
            self.root, sending, next_header = kdf_root(self.root, shared, mixed)
            self.own, self.pn, self.sent, self.due = secret, self.sent, 0, False
            self.sending, self.send_header, self.next_send_header = sending, self.next_send_header, next_header
        require(self.sent < MAX_CHAIN, "the sending chain has ended")
        self.refresh.answer(kem_random)
        flags, part = self.refresh.riding(self.sent)
        if not env.fits(payload, before, part):
            flags, part = self.refresh.alone(), b""
        self.refresh.count += 1
        return self.seal_as(prefix, header_nonce, env.pad(payload, before, part), flags=flags)

    def seal_as(self, prefix, header_nonce, padded, **changed):
        """The next message of the sending chain with this padded payload, and a header of which `changed` is not as usual."""
        usual = {"ratchet_key": dh_public(self.own), "pn": self.pn, "n": self.sent, "epoch": self.refresh.epoch}
        header = Header(**{**usual, **changed}).write()
        message_key, self.sending = step(self.sending)
        self.sent += 1
        ad = self.th + prefix
        front = header_nonce + xaead_seal(self.send_header, header_nonce, ad, header)
        key, nonce = message_cipher(message_key, header_nonce)
        return front + aead_seal(key, nonce, ad + front, padded), header, message_key

    # -- receiving -----------------------------------------------------------------------------------------------------

    def open(self, prefix, message, day):
        """The payload. A failed open leaves the state as it was."""
        trial = copy.copy(self)
        trial.refresh, trial.today = copy.copy(self.refresh), day
        trial.old, trial.skipped = list(self.old), dict(self.skipped)
        nonce, sealed, _ = split(message, 24, 64)
        header, message_key = trial._message_key(nonce, sealed, self.th + prefix)
        key, nonce = message_cipher(message_key, nonce)
        padded = aead_open(key, nonce, self.th + prefix + message[:88], message[88:])
        payload, part = env.unpad(padded, BEHIND[header.flags])
        trial.refresh.take(header.epoch, header.flags, part)
        self.__dict__ = trial.__dict__
        return payload

    def _message_key(self, nonce, sealed, ad):
        """(header, message key that it asks for), which is taken out of the state."""
        if self.receiving:
            header = open_header(self.receiving.header_key, nonce, sealed, ad)
            if header:
                return header, self._take(header.n)
        header = open_header(self.next_receive_header, nonce, sealed, ad)
        if header:
            self._dh_step(header)
            return header, self._take(header.n)
        for chain in self.old:
            header = open_header(chain.header_key, nonce, sealed, ad)
            if header:
                return header, self._take_skipped(chain, header.n)
        raise Refused("no header key opens this message")

    def _dh_step(self, header):
        require(not self.due, "a second DH step before an answer to the first")
        if self.receiving:
            self._skip(header.pn)
            self.old.insert(0, self.receiving)
        mixed = self.refresh.step(header.epoch, self.today)
        self.root, chain_key, next_header = kdf_root(self.root, dh(self.own, header.ratchet_key), mixed)
        self.receiving = Chain(self.chains, self.next_receive_header, header.ratchet_key, chain_key, 0)
        self.next_receive_header = next_header
        self.chains, self.due = self.chains + 1, True
        self._forget()

    def _skip(self, until):
        """Keep the message keys of the current chain up to, not including, `until`."""
        chain = self.receiving
        require(until - chain.n <= MAX_JUMP, "jump of more than 1000")
        key = chain.key
        for n in range(chain.n, until):
            self.skipped[chain.number, n], key = step(key)
        self.receiving = Chain(chain.number, chain.header_key, chain.remote, key, max(chain.n, until))
        while len(self.skipped) > MAX_SKIPPED:
            del self.skipped[next(iter(self.skipped))]
        self._forget()

    def _take(self, n):
        if n < self.receiving.n:
            return self._take_skipped(self.receiving, n)
        self._skip(n)
        chain = self.receiving
        message_key, key = step(chain.key)
        self.receiving = Chain(chain.number, chain.header_key, chain.remote, key, n + 1)
        return message_key

    def _take_skipped(self, chain, n):
        require((chain.number, n) in self.skipped, "this message key is gone")
        key = self.skipped.pop((chain.number, n))
        self._forget()
        return key

    def _forget(self):
        """Forget old chains of which no skipped key is left, then the oldest beyond 64 with their keys."""
        kept = {number for number, _ in self.skipped}
        self.old = [chain for chain in self.old if chain.number in kept]
        for chain in self.old[MAX_OLD:]:
            self.skipped = {at: key for at, key in self.skipped.items() if at[0] != chain.number}
        del self.old[MAX_OLD:]
