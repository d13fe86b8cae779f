"""The cases of every topic but the refusals: lists of (kind, name, inputs)."""

from parlour import blocks, events, keys

from .people import DAY, NOW, Draw, Person, event_inputs, flight_inputs, make_event, message, received


def identifiers():
    draw = Draw("identifiers")
    fields = [[], [b"", b""], [draw(31), draw(32), draw(33)], [draw(150)]]
    for number, some in enumerate(fields):
        yield "hash", f"HASH, {number}", {"purpose": "device id", "fields": some}
        yield "hash256", f"HASH256, {number}", {"purpose": "handshake", "fields": some}
        yield "mac", f"MAC, {number}", {"key": draw(32), "purpose": "envelope tag", "fields": some}
        yield "kdf", f"KDF, {number}", {"salt": draw(32) if number % 2 else b"", "ikm": draw(40 * number + 1),
                                        "purpose": "handshake keys", "length": 16 + 48 * number, "fields": some}
        yield "xof", f"XOF, {number}", {"key": draw(32), "purpose": "ratchet step", "length": 20 + 44 * number,
                                        "fields": some}
    yield "mac", "MAC, key of 16 bytes", {"key": draw(16), "purpose": "first contact tag", "fields": [draw(2)]}
    for purpose in ("event", "device certificate", "device certificate possession"):
        yield "sign", f"SIGN, {purpose}", {"seed": draw(32), "purpose": purpose, "message": draw(50)}
    for length in (0, 1, 64, 150):
        yield "aead", f"AEAD, {length} bytes", {"key": draw(32), "nonce": draw(12), "ad": draw(length // 2),
                                                "text": draw(length)}
        yield "xaead", f"XAEAD, {length} bytes", {"key": draw(32), "nonce": draw(24), "ad": draw(length // 2),
                                                  "text": draw(length)}
    for number in range(2):
        yield "dh", f"DH, {number}", {"secret": draw(32), "other": blocks.dh_public(draw(32))}
    yield "kem", "ML-KEM-768", {"seed": draw(64), "random": draw(32)}
    yield "kem_reject", "ML-KEM-768, implicit rejection", {"seed": draw(64), "ciphertext": draw(1088)}
    users = sorted((draw(32), draw(32)))
    for name, (user, other) in {"smaller user first": users, "larger user first": users[::-1],
                                "one user twice": users[:1] * 2}.items():
        yield "identifiers", name, {"user": user, "other_user": other, "signing_key": draw(32), "dh_key": draw(32),
                                    "header": draw(120), "signature": draw(64)}


def identity():
    draw = Draw("identity")
    for name, entropy in {"zeros": bytes(32), "ones": b"\xff" * 32, "random": draw(32), "another": draw(32)}.items():
        yield "identity", name, {"entropy": entropy}


def device():
    draw = Draw("device")
    for name, suites, life in (("both suites, 366 days", 3, 366 * keys.DAY_MS), ("suite 1 only", 1, keys.DAY_MS),
                               ("suite 2 only, one millisecond", 2, 1)):
        yield "device_certificate", name, {"identity_seed": draw(32), "signing_seed": draw(32), "dh_secret": draw(32),
                                           "suites": suites, "created": NOW, "expires": NOW + life, "serial": 2 ** 40}
    ada = Person(draw)
    two, gone = ada.more_devices(draw, 2), sorted(draw(32) for _ in range(3))
    lists = {"first": dict(), "no devices": dict(version=9, recovered=1, certificates=[])}
    hash_of = lambda signed: keys.read_list(signed).hash
    first = ada.list()
    second = ada.list(2, hash_of(first), two, gone[:1])
    lists["second, two devices, one revoked"] = dict(version=2, previous=hash_of(first), certificates=two,
                                                     revoked=gone[:1])
    lists["third, one device, three revoked"] = dict(version=3, previous=hash_of(second), certificates=two[1:],
                                                     revoked=gone)
    lists["recovered at version 7"] = dict(version=7, recovered=1)
    lists["eight devices"] = dict(version=8, recovered=1, certificates=ada.more_devices(draw, 8))
    for name, f in lists.items():
        inputs = {"identity_seed": ada.identity_seed, "version": 1, "previous": bytes(32), "revoked": [],
                  "certificates": [ada.signed_certificate], "recovered": 0, "created": NOW, **f}
        yield "device_list", name, inputs
    for name, old, new in (("the next version", "first", "second, two devices, one revoked"),
                           ("one more revocation", "second, two devices, one revoked",
                            "third, one device, three revoked"),
                           ("a version missed", "first", "third, one device, three revoked"),
                           ("recovered after version 3", "third, one device, three revoked", "recovered at version 7")):
        yield "succession", name, {"old": ada.list(**lists[old]), "new": ada.list(**lists[new])}


def prekey():
    draw = Draw("prekey")
    for name, suites, serial, life in (("both suites", 3, 1, 14 * keys.DAY_MS), ("suite 1", 1, 2 ** 32 - 1, 1)):
        ada = Person(draw, suites)
        yield "prekey_bundle", name, {**ada.secrets(), "serial": serial, "prekey_secret": ada.prekey_secret,
                                      "kem_seed": ada.kem_seed, "suites": suites, "issued": NOW, "expires": NOW + life}
    yield "one_time_key", "first", {"id": 1, "secret": draw(32)}
    yield "one_time_key", "last", {"id": 2 ** 32 - 1, "secret": draw(32)}


def hello(draw, ada, token, **profile):
    control = "ContactHello", {"token": token, "profile": {**ada.profile(), **profile}, "ext": []}
    return events.control_payload(draw(16), control)


def handshake():
    draw = Draw("handshake")
    for name, suites_a, suites_b, one_time in (("suite 2 with a one-time key", 3, 3, True),
                                               ("suite 2 without a one-time key", 2, 3, False),
                                               ("suite 1 with a one-time key, as A has no other", 1, 3, True),
                                               ("suite 1 without a one-time key, as B has no other", 3, 1, False)):
        ada, bob, token = Person(draw, suites_a), Person(draw, suites_b, serial=5), draw(16)
        payload = hello(draw, ada, token) if suites_a == suites_b else received(draw)
        yield "first_flight", name, flight_inputs(draw, ada, bob, payload, token, one_time)
    payload = hello(draw, ada, None, device_list=b"", bundle=b"")
    yield "first_flight", "first contact again", flight_inputs(draw, ada, bob, payload, bob.bundle.hash[:16], False,
                                                               "again")


class Talk:
    """Writes down the steps of a conversation; it knows who owes a ratchet secret, and numbers the messages.

    B's first chain comes from a DH step, so B owes a secret from the beginning.
    """

    def __init__(self, draw):
        self.draw, self.steps, self.sent, self.fresh = draw, [], 0, {"a": False, "b": True}

    def _secret(self, by):
        secret = {"ratchet_secret": self.draw(32)} if self.fresh[by] else {}
        self.fresh[by] = False
        return secret

    def seal(self, by, payload=None, day=DAY):
        self.steps.append({"do": "seal", "by": by, "day": day, "payload": payload or received(self.draw),
                           "header_nonce": self.draw(24), **self._secret(by)})
        self.sent += 1
        return self.sent

    def drop(self, by, count):
        self.steps.append({"do": "drop", "by": by, "count": count, **self._secret(by)})

    def hand_over(self, by):
        """Seal a message which the other opens at once and which begins a chain there."""
        self.steps.append({"do": "pass", "by": by, **self._secret(by)})
        self.fresh["b" if by == "a" else "a"] = True

    def open(self, by, *messages, turn=False):
        """Open messages; `turn` says that the first of them begins a chain, so the reader owes a ratchet secret."""
        self.steps += [{"do": "open", "by": by, "message": m} for m in messages]
        self.fresh[by] |= turn

    def refuse(self, by, message, why, at=None):
        change = {} if at is None else {"at": at}
        do = "refuse" if at is None else "refuse_changed"
        self.steps.append({"do": do, "by": by, "message": message, **change, "why_text": why})

    def refuse_seal(self, by, why):
        self.steps.append({"do": "refuse_seal", "by": by, "why_text": why})


def conversation(draw, talk, suites, one_time=False):
    ada, bob = Person(draw, suites), Person(draw, suites)
    return {"first_flight": flight_inputs(draw, ada, bob, received(draw), draw(16), one_time), "steps": talk.steps}


def long_talk(draw):
    """Turns, chains of several messages, reordering, drops, repeats and damage."""
    talk, author = Talk(draw), Person(draw)
    more_of_a = [talk.seal("a") for _ in range(3)]              # before B answers
    talk.open("b", more_of_a[2], more_of_a[0])
    answer = talk.seal("b")
    talk.refuse("a", answer, "a damaged header", at=40)
    talk.refuse("a", answer, "a damaged payload", at=300)
    talk.refuse("a", answer, "a damaged tag", at=5)
    talk.refuse("a", answer, "another day", at=2)
    talk.refuse("a", answer, "another header nonce", at=11)
    talk.open("a", answer, turn=True)
    talk.refuse("a", answer, "a repeat")
    talk.refuse("b", answer, "one's own envelope")
    turn = talk.seal("a")
    talk.open("b", turn, turn=True)
    talk.open("b", more_of_a[1])                                # from the chain before
    talk.refuse("b", more_of_a[1], "a repeat from an old chain")
    late = []                                                   # (reader, message) delivered at the very end
    for number in range(6):
        by, to = ("b", "a") if number % 2 == 0 else ("a", "b")
        texts = [None, author_event(draw, author, 10 * number + 1), None, None]
        sent = [talk.seal(by, text, DAY + number // 3) for text in texts[:2 + number % 3]]
        first, *rest = sent
        if number % 3 == 1:
            late.append((to, first))                            # the first of a chain comes last
            talk.open(to, *rest[::-1], turn=True)
        elif number % 3 == 2:
            talk.open(to, rest[-1], first, turn=True)           # what lies between is lost
        else:
            talk.open(to, first, *rest[:-1], turn=True)         # the last of a chain comes late
            late.append((to, rest[-1]))
    for to, number in late[::-1]:
        talk.open(to, number)
    for to, number in late:
        talk.refuse(to, number, "a repeat of a late one")
    for number, length in enumerate((393, 394)):      # around the sizes of envelopes
        talk.open("a", talk.seal("b", event_of_length(draw, author, length)), turn=number == 0)
    return talk


def author_event(draw, author, length=1):
    """The payload of an event with a text of so many bytes."""
    inputs = event_inputs(draw, author, keys.notes_conversation(author.user), message("x" * length))
    return events.event_payload(make_event(inputs).wire())


def event_of_length(draw, author, length):
    """The payload of an event, so many bytes long in all."""
    text = 1 + length - len(author_event(draw, author))
    return author_event(draw, author, text - (text > 127))      # from 128 bytes on its length takes two bytes


def jumps(draw):
    """A jump of 1000 opens and one of 1001 does not, in a chain and over a DH step."""
    talk = Talk(draw)
    talk.drop("a", 1000)
    edge = talk.seal("a")                                       # n = 1001, after message 0
    talk.drop("a", 1001)
    beyond = talk.seal("a")
    talk.refuse("b", beyond, "a jump of 1001")
    talk.open("b", edge)                                        # skips 1000
    talk.drop("b", 1000)
    answer = talk.seal("b")
    talk.open("a", answer, turn=True)                           # the first of a new chain that arrives has n = 1000
    talk.refuse("b", beyond, "a jump of 1001, again")
    next_chain = talk.seal("a")
    talk.refuse("b", next_chain, "a jump of 1002 to the end of the chain before")
    return talk


def skipped_keys(draw):
    """Of skipped message keys the newest 2000 are kept; a chain ends at 65 536 messages."""
    talk = Talk(draw)
    first, second = talk.seal("a"), talk.seal("a")              # n = 1, 2: the oldest skipped keys
    talk.drop("a", 998)
    talk.open("b", talk.seal("a"))                              # n = 1001: 1000 keys skipped
    third = talk.seal("a")
    talk.drop("a", 998)
    talk.open("b", talk.seal("a"))                              # 999 more
    talk.open("b", first)                                       # still kept
    talk.drop("a", 3)
    talk.open("b", talk.seal("a"))                              # 3 more: 2001 in all, so the oldest is dropped
    talk.refuse("b", second, "the oldest of 2001 skipped keys")
    talk.open("b", third)
    answer = talk.seal("b")                                     # 2006 messages of A so far, message 0 included
    talk.drop("a", 65_536 - 2006)
    talk.refuse_seal("a", "message 65 537 of a chain")
    talk.open("a", answer, turn=True)
    talk.seal("a")                                              # in a new chain
    return talk


def old_chains(draw):
    """Of old chains with skipped keys the newest 64 are kept; those without any do not count."""
    talk = Talk(draw)
    lost = []
    for number in range(67):                                    # chain 1 has no skipped key
        if number in (0, 2, 3):
            lost.append(talk.seal("a"))
        elif number != 1:
            talk.drop("a", 1)
        talk.hand_over("a")
        talk.hand_over("b")
    talk.refuse("b", lost[0], "of the oldest of 65 old chains")
    talk.open("b", lost[1], lost[2])
    return talk


def ratchet():
    for name, talk_of, suites, one_time in (("a long talk, suite 2", long_talk, 3, True), ("jumps", jumps, 1, False),
                                            ("skipped keys and the end of a chain", skipped_keys, 1, True),
                                            ("old chains", old_chains, 1, False)):
        draw = Draw("ratchet, " + name)
        yield "conversation", name, conversation(draw, talk_of(draw), suites, one_time)
    draw = Draw("ratchet")
    for day in (0, 30, 31, DAY, 65_535):
        yield "shard", f"day {day}", {"recipient": draw(32), "day": day}
    edges = [size - 119 for size in (512, 1024, 2048, 4096, 8192, 16384, 32768, 49152)]
    yield "padding", "sizes", {"lengths": sorted([1] + edges + [n + 1 for n in edges[:-1]])}
