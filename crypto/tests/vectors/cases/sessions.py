"""The cases of handshakes and conversations."""

import copy

from parlour import blocks, handshake, keys
from parlour import envelope as env
from parlour.blocks import Refused, require

from .given import Given, kind, refuses


def start_responder(i):
    b = i.part("b")
    certificate = keys.read_certificate(b("certificate"))
    one_time = {b["one_time_id"]: b("one_time_secret")} if b["one_time_id"] else {}
    prekeys = handshake.Prekeys(keys.read_bundle(b("bundle"), certificate), b("prekey_secret"), b("kem_seed"), one_time)
    return handshake.Responder(certificate, b("dh_secret"), [prekeys], set())


def start_initiator(i):
    """(A, schedule with intermediates)"""
    a, b = i.part("a"), i.part("b")
    initiator = handshake.Initiator(keys.read_certificate(a("certificate")), a("dh_secret"), a("list_reference"))
    certificate = keys.read_certificate(b("certificate"))
    one_time = (b["one_time_id"], blocks.dh_public(b("one_time_secret"))) if b["one_time_id"] else None
    return initiator, initiator.start(certificate, keys.read_bundle(b("bundle"), certificate), one_time,
                                      i("eph_secret"), i("kem_random"), i("ratchet_secret"), i["now"])


def first_contact(i, stated):
    """(intermediates, envelope, A's ratchet or None, B's ratchet)"""
    a_side, envelope, mine = None, stated("envelope"), None
    known = i.has("eph_secret", "ratchet_secret", "header_nonce")
    if known and (i.has("kem_random") or i["suite"] == 1):
        a, mine = start_initiator(i)
        made = a.first_contact(i("tag_key"), i["day"], i("payload"), i("header_nonce"))
        a_side, envelope = a.ratchet, envelope or made
        require(made == envelope, "A makes another envelope")
    responder = start_responder(i)
    middle, sender, reference, ratchet, payload = responder.accept(envelope, i("tag_key"), i["now"])
    require(mine in (None, middle), "A and B derive different keys")
    require(sender.signed == i.part("a")("certificate"), "B sees another sender")
    require(reference == i.part("a")("list_reference"), "B sees another list reference")
    require(payload == i("payload"), "B opens another payload")
    refuses(lambda: responder.accept(envelope, i("tag_key"), i["now"]), "a replay was accepted")
    return middle, envelope, a_side, ratchet


@kind
def first_flight(i, stated):
    middle, envelope, _, _ = first_contact(i, stated)
    return {**middle, "message_id": env.message_id(envelope)}, {"envelope": envelope}


class Conversation:
    """Both sides of a session and what has been said; `theirs` are the envelopes a file states, if any."""

    def __init__(self, i, theirs):
        flight = i.part("first_flight")
        self.day, self.small, self.theirs = flight["day"], flight("payload"), theirs
        first = Given(envelope=theirs[0].hex()) if theirs else Given()
        keys_of, envelope, a, b = first_contact(flight, first)
        self.sides = {"a": handshake.Session(keys_of, "a", a), "b": handshake.Session(keys_of, "b", b)}
        self.envelopes, self.payloads, self.headers, self.message_keys = [envelope], [self.small], [], []

    def sent(self, step):
        return (self.theirs or self.envelopes)[step["message"]]

    def nonce(self, step):
        """The header nonce, which stands in the envelope too."""
        return step("header_nonce") or self.theirs[len(self.envelopes)][11:35]

    def random(self, step):
        return step("ratchet_secret"), step("kem_seed"), step("kem_random")

    def quietly(self, side, step):
        return side.seal(self.day, self.small, bytes(24), *self.random(step))[0]

    def seal(self, side, step):
        require(side.ratchet.begins_chain() == step.has("ratchet_secret"), "ratchet secret out of place")
        envelope, header, key = side.seal(step["day"], step("payload"), self.nonce(step), *self.random(step))
        self.envelopes.append(envelope)
        self.payloads.append(step("payload"))
        self.headers.append(header)
        self.message_keys.append(key)

    def drop(self, side, step):
        for _ in range(step["count"]):
            self.quietly(side, step)

    def hand_over(self, side, step):
        other = self.sides["b" if step["by"] == "a" else "a"]
        require(other.open(self.quietly(side, step), self.day) == self.small, "another payload")

    def open(self, side, step):
        require(side.open(self.sent(step), self.day) == self.payloads[step["message"]], "another payload")

    def refuse(self, side, step):
        refuses(lambda: side.open(self.sent(step), self.day), "opened: " + step["why_text"])

    def refuse_changed(self, side, step):
        changed = bytearray(self.sent(step))
        changed[step["at"]] ^= 1
        refuses(lambda: side.open(bytes(changed), self.day), "opened: " + step["why_text"])

    def refuse_seal(self, side, step):
        refuses(lambda: copy.deepcopy(side).seal(self.day, self.small, bytes(24)), "sealed: " + step["why_text"])

    def refuse_given(self, side, step):
        refuses(lambda: side.open(step("envelope"), self.day), "opened: " + step["why_text"])

    def open_given(self, side, step):
        require(side.open(step("envelope"), self.day) == step("payload"), "another payload")

    def know(self, side, _):
        side.ratchet.refresh.know()

    def ask(self, side, _):
        side.ratchet.refresh.ask()

    def run(self, steps):
        for number, step in enumerate(map(Given, steps)):
            try:
                STEPS[step["do"]](self, self.sides[step["by"]], step)
            except Refused as refusal:
                raise Refused(f"step {number} ({step['do']} by {step['by']}): {refusal}") from refusal


STEPS = {"refuse_given": Conversation.refuse_given, "open_given": Conversation.open_given, "know": Conversation.know,
         "ask": Conversation.ask, "seal": Conversation.seal, "drop": Conversation.drop, "pass": Conversation.hand_over,
         "open": Conversation.open, "refuse": Conversation.refuse, "refuse_changed": Conversation.refuse_changed,
         "refuse_seal": Conversation.refuse_seal}


@kind
def conversation(i, stated):
    """Message 0 is the first contact; every `seal` step makes the next one. See make.py for the steps."""
    talk = Conversation(i, stated("envelopes"))
    talk.run(i["steps"])
    refreshes = {side.ratchet.refresh.epoch for side in talk.sides.values()}
    return ({"headers": talk.headers, "message_keys": talk.message_keys},
            {"envelopes": talk.envelopes, "refreshes": max(refreshes)})
