"""Refreshes of the root with ML-KEM (PROTOCOL.md section 5, "Refresh")."""

from .blocks import KEM_CIPHERTEXT, KEM_PUBLIC, kdf, kem_check, kem_decaps, kem_encaps, kem_keys, require

MESSAGES = 50
DAYS = 7
RIDES = 16
TAKES_PART, OFFER, ANSWER = 1, 3, 5
BEHIND = {0: 0, TAKES_PART: 0, OFFER: KEM_PUBLIC, ANSWER: KEM_CIPHERTEXT}


def refresh_secret(shared, key, ciphertext):
    return kdf(b"", shared, "refresh secret", 32, key, ciphertext)


class Refresh:
    """One side's state; every value in it is immutable, so a shallow copy is a copy."""

    def __init__(self, suite, own_tag_key, other_tag_key, day):
        self.role = None if suite == 1 else "offers" if own_tag_key < other_tag_key else "answers"
        self.known, self.epoch, self.count, self.since = False, 0, 0, day
        self.state, self.seed, self.key, self.ciphertext, self.secret = "idle", None, None, None, None

    def know(self):
        """The other side takes part."""
        self.known = self.role is not None

    def ask(self):
        """Makes a refresh due, as 50 messages do."""
        self.count = max(self.count, MESSAGES)

    def _mix(self, day):
        secret, self.secret, self.key, self.ciphertext = self.secret, None, None, None
        self.state, self.epoch, self.count, self.since = "idle", self.epoch + 1, 0, day
        return secret

    # -- sealing -------------------------------------------------------------------------------------------------------

    def begin_chain(self, day, seed):
        """The secret which the DH step of a new sending chain mixes in, or None; `seed` is for an offer, if one is due."""
        secret = self._mix(day) if self.state == "agreed" else None
        due = self.count >= MESSAGES or abs(day - self.since) >= DAYS
        if self.role == "offers" and self.known and self.state == "idle" and due:
            require(seed, "a fresh seed is needed here")
            self.state, self.seed, self.key = "offered", seed, kem_keys(seed)[0]
        return secret

    def answer(self, random):
        """Before a message is sealed: answer an offer that came."""
        if self.state == "asked":
            require(random, "fresh randomness is needed here")
            shared, self.ciphertext = kem_encaps(self.key, random)
            self.state, self.secret = "answered", refresh_secret(shared, self.key, self.ciphertext)

    def riding(self, n):
        """(flags, what follows the payload) of message `n` of the sending chain."""
        if n < RIDES or n % RIDES == 0:
            if self.state == "offered":
                return OFFER, self.key
            if self.state == "answered":
                return ANSWER, self.ciphertext
        return self.alone(), b""

    def alone(self):
        """The flags of a message that nothing rides on."""
        return TAKES_PART if self.known else 0

    # -- receiving -----------------------------------------------------------------------------------------------------

    def step(self, epoch, day):
        """The secret which a DH step in receiving mixes in, or None."""
        if epoch == self.epoch:
            return None
        require(epoch == self.epoch + 1 and self.state == "answered", "pq epoch of a DH step")
        return self._mix(day)

    def take(self, epoch, flags, part):
        """Take in what an authentic message says; a DH step of it is done."""
        require(flags != OFFER or self.role == "answers", "an offer to a side that does not answer")
        require(flags != ANSWER or self.role == "offers", "an answer to a side that does not offer")
        if flags == OFFER and self.state == "idle" and epoch == self.epoch:
            kem_check(part)
            self.state, self.key = "asked", part
        if flags == ANSWER and self.state == "offered" and epoch == self.epoch:
            shared = kem_decaps(kem_keys(self.seed)[1], part)
            self.state, self.secret, self.seed = "agreed", refresh_secret(shared, self.key, part), None
        if flags:
            self.know()
        self.count += 1
