"""What must be refused of rooms: operations, chains that are handed over, links."""

from parlour import blocks, chains, events, local

from .people import NOW, Draw, Person


def operation_bodies(draw):
    user, device, parents, end = draw(32), draw(32), sorted(draw(32) for _ in range(17)), b"\0"

    def body(act, seq=b"\7", named=parents[:1], ext=b"\0"):
        return user + seq + bytes([len(named)]) + b"".join(named) + act + ext

    policy = lambda *numbers, slow=b"\0", expiry=b"\0": bytes(numbers or (2, 2, 2, 2, 3, 3, 1, 1)) + slow + expiry
    info = lambda name=b"\1\1n", topic=b"\0", avatar=b"\0": name + topic + avatar
    create = b"\0" + info() + policy() + b"\0"
    remove = lambda named=b"\0", ban=b"\1", logs=b"\0", reason=b"\0": b"\6" + user + named + ban + b"\0" + logs + reason
    link = lambda role=b"\2", uses=b"\0", expires=b"\0": b"\x0a" + user + role + uses + expires
    role = lambda number: body(b"\x08" + user + bytes([number]))
    yield "operation: its place", "operation", {"bytes": body(b"\5", named=parents[:16])}, {
        "op_seq 0": body(b"\5", b"\0"), "op_seq 65 536": body(b"\5", b"\x80\x80\4"), "no parents": body(b"\5", named=[]),
        "17 parents": body(b"\5", named=parents), "parents descend": body(b"\5", named=parents[1::-1]),
        "a parent twice": body(b"\5", named=parents[:1] * 2), "op_seq in a longer varint": body(b"\5", b"\x87\0"),
        "17 entries of ext": body(b"\5", ext=b"\x11" + b"\1\0" * 17), "a byte left over": body(b"\5") + b"\0"}
    yield "operation: create", "operation", {"bytes": body(create, b"\1", [])}, {
        "with a parent": body(create, b"\1"), "op_seq 2": body(create, b"\2", []),
        "without a name": body(b"\0" + info(b"\0") + policy() + end, b"\1", []),
        "an empty name": body(b"\0" + info(b"\1\0") + policy() + end, b"\1", []),
        "a name of 129 bytes": body(b"\0" + info(b"\1\x81\1" + b"n" * 129) + policy() + end, b"\1", []),
        "a name that is not UTF-8": body(b"\0" + info(b"\1\1\xff") + policy() + end, b"\1", []),
        "a topic of 1025 bytes": body(b"\0" + info(topic=b"\1\x81\x08" + b"t" * 1025) + policy() + end, b"\1", []),
        "an avatar of 24 577 bytes": body(b"\0" + info(avatar=b"\1\x81\xc0\1" + bytes(24_577)) + policy() + end, b"\1", [])}
    wrong = {}
    for at, (name, bounds) in enumerate({"post": (1, 6), "invite": (1, 6), "pin": (1, 6), "info": (1, 6), "remove": (2, 6),
                                         "roles": (2, 6), "join": (4,), "history": (4,)}.items()):
        for number in bounds:
            numbers = [2, 2, 2, 2, 3, 3, 1, 1]
            numbers[at] = number
            wrong[f"{name} {number}"] = body(b"\2" + policy(*numbers))
    wrong |= {"slow mode of a day and 1 ms": body(b"\2" + policy(slow=b"\x81\xb8\x99\x29")),
              "expiry of 4 999 ms": body(b"\2" + policy(expiry=b"\1\x87\x27"))}
    yield "operation: policy", "operation", {"bytes": body(b"\2" + policy())}, wrong
    yield "operation: removal", "operation", {"bytes": body(remove())}, {
        "a ban of a device": body(remove(b"\1" + device)), "a ban of 2": body(remove(ban=b"\2")),
        "65 logs": body(remove(logs=b"\x41" + (device + b"\0\0") * 65)),
        "a reason of 257 bytes": body(remove(reason=b"\x81\2" + b"r" * 257))}
    yield "operation: link", "operation", {"bytes": body(link(uses=b"\1\x90\x4e"))}, {
        "role 0": body(link(b"\0")), "role 3": body(link(b"\3")), "for no use": body(link(uses=b"\1\0")),
        "10 001 uses": body(link(uses=b"\1\x91\x4e")), "an expiry of 2": body(link(expires=b"\2\0"))}
    yield "operation: role", "operation", {"bytes": role(4)}, {
        "role 0": role(0), "role 5": role(5), "an invite as moderator": body(b"\3" + user + b"\3\0"),
        "an invite as nobody": body(b"\3" + user + b"\0\0")}


def handed_over(draw):
    ada, eve, room, own, chain = Person(draw), Person(draw), draw(32), draw(32), draw(16)
    audience = sorted([ada.certificate.device, own, *(draw(32) for _ in range(5))])
    keys = {name: draw(32) for name in ("chain_key", "header_key", "tag_key")}

    def shared(seed=ada.signing_seed, device=ada.certificate.device, of=room, proof=None, iteration=7, purpose=None, **changed):
        committed = chains.chain_keys(keys["header_key"], keys["tag_key"])
        cert = chains.issue_chain(seed, of, chain, device, own, chains.audience_root(audience), committed, purpose)
        value = {"cert": cert, "iteration": iteration, **keys, "view": [], "proof": proof, "ext": []}
        return events.SHARED_CHAIN.write({**value, **changed})

    proof = chains.prove(audience, own)
    context = {"certificate": ada.signed_certificate, "room": room, "reader_device": own, "giver": ada.certificate.device}
    wrong = {"signed by another device": shared(eve.signing_seed), "of another device": shared(device=draw(32)),
             "of another room": shared(of=draw(32)), "signed for another purpose": shared(purpose="prekey bundle"),
             "another header key": shared(header_key=draw(32)), "another tag key": shared(tag_key=draw(32)),
             "from somebody else without a proof": {"bytes": shared(), "giver": draw(32)}}
    yield "chain from its owner", "shared_chain", {"bytes": shared()}, wrong, context
    path = proof["path"]
    other = lambda **changed: shared(proof={**proof, **changed})
    wrong = {"a path too short": other(path=path[1:]), "a path too long": other(path=[*path, draw(32)]),
             "another place": other(index=proof["index"] ^ 1), "a place that is none": other(index=7),
             "another count": other(count=8), "a count of 0": other(count=0),
             "another half": other(path=[draw(32), *path[1:]]), "halves the other way round": other(path=path[::-1]),
             "of another device": shared(proof=chains.prove(audience, audience[1 if audience[0] == own else 0])),
             "for another device": {"bytes": shared(proof=proof), "reader_device": draw(32)}}
    yield "chain with a proof", "shared_chain", {"bytes": shared(proof=proof)}, wrong, {**context, "giver": draw(32)}


def links(draw):
    f = {"user": draw(32), "peer": draw(38), "addresses": [], "bundle_hash": draw(32), "token": draw(16), "expires": NOW,
         "name": "Küche", "room": draw(32)}
    text = lambda **changed: local.invite_text(local.invite_tlv({**f, **changed}))
    wrong = {"without a room": text(room=None), "a room cut short": text(room=f["room"][:31]), "cut short": text()[:-1]}
    yield "room link", "room_link", {"given_text": text()}, {why: {"given_text": given} for why, given in wrong.items()}, {}


def rooms_refused():
    for found in operation_bodies(Draw("refused, operations")):
        yield *found, {}
    yield from handed_over(Draw("refused, chains"))
    yield from links(Draw("refused, room links"))
