"""The double ratchet with header encryption (PROTOCOL.md section 5)."""

import copy
from dataclasses import dataclass

from .blocks import Refused, aead_open, aead_seal, dh, dh_public, kdf, require, uint, xaead_open, xaead_seal, xof
from .codec import split

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

    def write(self):
        return self.ratchet_key + uint(self.pn, 4) + uint(self.n, 4) + bytes(8)

    @classmethod
    def read(cls, data):
        key, pn, n, zeros, rest = split(data, 32, 4, 4, 8)
        require(not rest, "width of the ratchet header")
        require(not any(zeros), "pq epoch, flags or reserved bits of the ratchet header")
        header = cls(key, int.from_bytes(pn, "big"), int.from_bytes(n, "big"))
        require(header.n < MAX_CHAIN and header.pn <= MAX_CHAIN, "beyond the end of a chain")
        return header


def kdf_root(root, shared):
    """KDF_RK: (root, chain key, next header key)."""
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
    """One side's state. `keys` is the schedule of a handshake (see handshake.schedule)."""

    def __init__(self, keys):
        self.th, self.root = keys["th"], keys["root"]
        self.own = self.sending = self.send_header = self.receiving = None
        self.sent = self.pn = self.chains = 0
        self.due = False            # the second KDF_RK of a DH step waits for the next message to be sealed
        self.old = []               # old receiving chains, newest first
        self.skipped = {}           # (chain number, n) -> message key, oldest first

    @classmethod
    def start_a(cls, keys, secret):
        """The state of A before message 0."""
        state = cls(keys)
        state.own = secret
        state.sending, state.send_header = keys["chain_key"], keys["header_key_ab"]
        state.next_send_header, state.next_receive_header = keys["next_header_key_ab"], keys["header_key_ba"]
        return state

    @classmethod
    def start_b(cls, keys, prefix, message):
        """(state of B, padded payload) from message 0."""
        state = cls(keys)
        header = xaead_open(keys["header_key_ab"], message[:24], state.th + prefix, message[24:88])
        header = Header.read(header)
        require(header.pn == header.n == 0, "message 0 has pn = n = 0")
        dh(bytes(32), header.ratchet_key)       # refused when of low order
        state.receiving = Chain(0, keys["header_key_ab"], header.ratchet_key, keys["chain_key"], 0)
        state.next_receive_header, state.next_send_header = keys["next_header_key_ab"], keys["header_key_ba"]
        state.chains, state.due = 1, True
        return state, state.open(prefix, message)

    # -- sending -------------------------------------------------------------------------------------------------------

    def begins_chain(self):
        """Whether the next message begins a sending chain and so needs a fresh ratchet secret."""
        return self.due

    def seal(self, prefix, header_nonce, padded, secret=None):
        """(ratchet message, its header, its message key); `secret` is the fresh ratchet key where a chain begins."""
        if self.due:
            self.root, sending, next_header = kdf_root(self.root, dh(secret, self.receiving.remote))
            self.own, self.pn, self.sent, self.due = secret, self.sent, 0, False
            self.sending, self.send_header, self.next_send_header = sending, self.next_send_header, next_header
        require(self.sent < MAX_CHAIN, "the sending chain has ended")
        header = Header(dh_public(self.own), self.pn, self.sent).write()
        message_key, self.sending = step(self.sending)
        self.sent += 1
        ad = self.th + prefix
        front = header_nonce + xaead_seal(self.send_header, header_nonce, ad, header)
        key, nonce = message_cipher(message_key, header_nonce)
        return front + aead_seal(key, nonce, ad + front, padded), header, message_key

    # -- receiving -----------------------------------------------------------------------------------------------------

    def open(self, prefix, message):
        """The padded payload. A failed open leaves the state as it was."""
        trial = copy.copy(self)
        trial.old, trial.skipped = list(self.old), dict(self.skipped)
        nonce, sealed, _ = split(message, 24, 64)
        key, nonce = message_cipher(trial._message_key(nonce, sealed, self.th + prefix), nonce)
        padded = aead_open(key, nonce, self.th + prefix + message[:88], message[88:])
        self.__dict__ = trial.__dict__
        return padded

    def _message_key(self, nonce, sealed, ad):
        """The message key that a sealed header asks for, taken out of the state."""
        if self.receiving:
            header = open_header(self.receiving.header_key, nonce, sealed, ad)
            if header:
                return self._take(header.n)
        header = open_header(self.next_receive_header, nonce, sealed, ad)
        if header:
            self._dh_step(header)
            return self._take(header.n)
        for chain in self.old:
            header = open_header(chain.header_key, nonce, sealed, ad)
            if header:
                return self._take_skipped(chain, header.n)
        raise Refused("no header key opens this message")

    def _dh_step(self, header):
        require(not self.due, "a second DH step before an answer to the first")
        if self.receiving:
            self._skip(header.pn)
            self.old.insert(0, self.receiving)
        self.root, chain_key, next_header = kdf_root(self.root, dh(self.own, header.ratchet_key))
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
