"""Conversations in which the root is refreshed (PROTOCOL.md section 5, "Refresh")."""

import copy

from parlour import blocks
from parlour import envelope as env
from parlour.blocks import require
from parlour.refresh import ANSWER, OFFER, TAKES_PART

from .given import Given, plain
from .people import DAY, Draw, Person, flight_inputs, received
from .sessions import Conversation
from .topics import Talk


class RefreshTalk(Talk):
    """A talk that is also held, so that it can be said what a peer gone bad would seal."""

    def __init__(self, draw, flight):
        super().__init__(draw)
        self.held, self.done, self.flight = Conversation(Given(plain({"first_flight": flight})), None), 0, flight
        roles = {side.ratchet.refresh.role: name for name, side in self.held.sides.items()}
        self.offers, self.answers = roles["offers"], roles["answers"]

    def _secret(self, by):
        random = {"kem_seed": self.draw(64)} if by == self.offers else {"kem_random": self.draw(32)}
        return {**super()._secret(by), **random}

    def know(self, by):
        self.steps.append({"do": "know", "by": by})

    def ask(self, by):
        self.steps.append({"do": "ask", "by": by})

    def state(self, by):
        """The refresh of a side after all steps so far."""
        self.held.run(plain(self.steps[self.done:]))
        self.done = len(self.steps)
        return self.held.sides[by].ratchet.refresh

    def forge(self, by, part=b"", size=None, **changed):
        """An envelope of `by`, with this behind a small payload and a header of which `changed` is not as usual."""
        self.state(by)
        side, payload = copy.deepcopy(self.held.sides[by]), received(self.draw)
        padded = env.pad(payload, part=part)
        if size:
            padded = padded[:size - env.PREFIX - env.OVERHEAD + 4]
        changed = {"flags": TAKES_PART, **changed}
        return payload, side.forge(DAY, self.draw(24), padded, **changed)

    def refuse_forged(self, by, why, part=b"", size=None, **changed):
        """The other side must refuse such an envelope."""
        _, envelope = self.forge(by, part, size, **changed)
        reader = self.answers if by == self.offers else self.offers
        self.steps.append({"do": "refuse_given", "by": reader, "envelope": envelope, "why_text": why})

    def pass_forged(self, by, part, **changed):
        """The other side must open it and pass over what rides on it."""
        payload, envelope = self.forge(by, part, **changed)
        reader = self.answers if by == self.offers else self.offers
        before = self.state(reader).state
        self.steps.append({"do": "open_given", "by": reader, "envelope": envelope, "payload": payload})
        require(self.state(reader).state == before, "not passed over")


def held(draw, offers, suites=3):
    """A talk of two people of whom A or B offers."""
    while True:
        flight = flight_inputs(draw, Person(draw, suites), Person(draw, suites), received(draw), draw(16))
        talk = RefreshTalk(draw, flight)
        if talk.offers == offers:
            return talk


def turn(talk, first="b", times=1):
    for _ in range(times):
        talk.hand_over(first)
        talk.hand_over("a" if first == "b" else "b")


def by_itself(draw, offers):
    """After 50 messages a refresh begins by itself; offers and answers are lost, late, repeated and changed."""
    talk = held(draw, offers)
    o, r = talk.offers, talk.answers
    talk.know("b")                                              # A learns it from B's first message
    turn(talk, times=24)                                        # 49 messages with message 0
    require(talk.state("a").known and talk.state(o).state == "idle", "too early")
    if talk.fresh[o]:                                           # o begins a chain once it has heard one more
        talk.hand_over(o)
    talk.hand_over(r)
    talk.drop(o, 3)                                             # the offer rides and is lost
    early = talk.seal(o)
    require(talk.state(o).state == "offered" and len(talk.held.envelopes[-1]) == 2048, "no offer")
    talk.drop(o, 12)
    last = talk.seal(o)                                         # n = 16
    small = talk.seal(o)                                        # n = 17, alone
    require(talk.state(o) and len(talk.held.envelopes[-1]) == 512, "something rides")
    for at, why in ((200, "a damaged payload"), (300, "a damaged offer"), (1400, "damaged padding"), (50, "a damaged header")):
        talk.refuse(r, last, why, at=at)
    talk.open(r, small, turn=True)
    require(talk.state(r).state == "idle", "an offer from nowhere")
    talk.open(r, last)
    require(talk.state(r).state == "asked", "no offer came")
    talk.open(r, early)                                         # again, passed over
    answers = [talk.seal(r) for _ in range(3)]
    talk.refuse(o, answers[2], "a damaged answer", at=900)
    talk.open(o, answers[2], turn=True)
    require(talk.state(o).state == "agreed", "no answer came")
    talk.open(o, answers[0])
    talk.drop(o, 1)                                             # the first of the chain that mixes it in is lost
    mixed = [talk.seal(o) for _ in range(2)]
    talk.refuse(r, mixed[1], "a damaged body", at=400)
    talk.open(r, mixed[1], turn=True)
    require(talk.state(o).epoch == talk.state(r).epoch == 1, "not refreshed")
    talk.open(r, mixed[0])
    talk.open(o, answers[1])                                    # an answer of the epoch before, passed over
    talk.refuse(r, mixed[1], "a repeat")
    turn(talk, first=r, times=2)
    return talk


def asked_for(draw, offers):
    """Refreshes that are asked for, or due after a week; messages that nothing more fits behind; offers that come late."""
    talk = held(draw, offers)
    o, r = talk.offers, talk.answers
    talk.know("a")
    talk.know("b")
    turn(talk)
    for _ in range(2):
        talk.ask(o)
        talk.ask(r)                                             # changes nothing: that side never offers
        if not talk.fresh[o]:
            talk.hand_over(r)
        offer, late = talk.seal(o), talk.seal(o)
        talk.open(r, offer, turn=True)
        answer = talk.seal(r)
        talk.open(o, answer, turn=True)
        talk.hand_over(o)
        talk.open(r, late)                                      # an offer of the epoch before
    require(talk.state(o).epoch == talk.state(r).epoch == 2, "not refreshed twice")
    talk.hand_over(r)
    week = talk.seal(o, day=DAY + 7)
    require(talk.state(o).state == "offered", "a week is not enough")
    largest = talk.seal(o, payload=bytes(49_152 - 119))
    talk.open(r, largest, turn=True)
    require(talk.state(r).state == "idle", "no envelope holds both")
    talk.open(r, week)
    talk.hand_over(r)
    talk.hand_over(o)
    require(talk.state(r).epoch == 3, "not refreshed after a week")
    return talk


def gone_bad(draw, offers):
    """What no correct sender says, under the right keys."""
    talk = held(draw, offers)
    o, r = talk.offers, talk.answers
    talk.know("a")
    talk.know("b")
    turn(talk, times=2)
    if talk.fresh[o]:
        talk.hand_over(o)
    talk.seal(r), talk.seal(o)                                  # both have a chain, and the other has seen neither
    key, ciphertext = blocks.kem_keys(draw(64))[0], draw(1088)
    for flags in (2, 7, 0x8001):
        talk.refuse_forged(r, f"flags {flags}", flags=flags)
    talk.refuse_forged(r, "a step of the next epoch that nobody prepared", epoch=1)
    talk.refuse_forged(r, "an offer from the answering side", key, flags=OFFER)
    talk.refuse_forged(o, "an answer from the offering side", ciphertext, flags=ANSWER)
    talk.refuse_forged(o, "an offer with a coefficient of 3329", b"\x01\x0d" + key[2:], flags=OFFER)
    talk.refuse_forged(o, "an offer that is cut", flags=OFFER)
    talk.refuse_forged(o, "a byte behind the offer", key + b"\1", flags=OFFER)
    talk.refuse_forged(o, "nobody says that something rides, and it does", key)
    talk.pass_forged(r, ciphertext, flags=ANSWER)               # nothing was offered
    return talk


def epochs(draw, offers):
    """The epoch of a DH step is that of the receiver, or one more for who has answered; offers of other epochs are passed over."""
    talk = held(draw, offers)
    o, r = talk.offers, talk.answers
    talk.know("a")
    talk.know("b")
    turn(talk)
    if not talk.fresh[o]:
        talk.hand_over(r)
    talk.ask(o)
    talk.hand_over(o)
    require(talk.state(r).state == "asked", "no offer came")
    talk.hand_over(r)
    require(talk.state(o).state == "agreed", "no answer came")
    talk.seal(o)
    for epoch in (0, 2, 2 ** 32 - 1):
        talk.refuse_forged(o, f"a step of epoch {epoch} instead of 1", epoch=epoch)
    key = blocks.kem_keys(draw(64))[0]
    first = talk.seal(o)
    talk.open(r, first, turn=True)
    talk.pass_forged(o, bytes([255]) * 1184, flags=OFFER, epoch=0)
    talk.drop(o, 1)
    talk.pass_forged(o, key, flags=OFFER, epoch=2)
    return talk


def refreshes():
    for name, talk_of, offers in (("a refresh by itself", by_itself, "a"), ("a refresh by itself", by_itself, "b"),
                                  ("refreshes asked for, and after a week", asked_for, "a"),
                                  ("what no correct side says", gone_bad, "b"), ("epochs", epochs, "a")):
        draw = Draw(f"refreshes, {name}, {offers}")
        talk = talk_of(draw, offers)
        yield "conversation", f"{name}; {offers.upper()} offers", {"first_flight": talk.flight, "steps": talk.steps}
