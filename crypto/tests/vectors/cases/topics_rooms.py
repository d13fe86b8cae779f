"""The cases of rooms but for the fold (scenes.py, histories.py)."""

from parlour import chains
from parlour import envelope as env

from .people import DAY, Draw, Person, event_inputs, make_event, message
from .topics_more import invite_inputs

POLICY = {"post": 2, "invite": 3, "pin": 4, "info": 5, "remove": 3, "roles": 4, "join": 1, "history": 3,
          "slow_mode_ms": 86_400_000, "expires_after_ms": 31_536_000_000}
PLAIN = {**POLICY, "slow_mode_ms": 0, "expires_after_ms": None, "join": 0, "history": 0}


def acts(draw):
    key = lambda: draw(32).hex()  # noqa: E731
    full = {"name": "Küche 🍲", "topic": "t" * 1024, "avatar": draw(5).hex()}
    nothing = {"name": None, "topic": None, "avatar": None}
    logs = [{"device": key(), "log": 2 ** 32 - 1, "seq": 2 ** 64 - 1}, {"device": key(), "log": 0, "seq": 0}]
    remove = {"user": key(), "device": None, "ban": True, "purge": True, "logs": logs, "reason": "n" * 256}
    return {
        "Create": ["Create", {"info": full, "policy": POLICY, "device_list": draw(40).hex()}],
        "Create, the least": ["Create", {"info": {**nothing, "name": "r"}, "policy": PLAIN, "device_list": ""}],
        "Info": ["Info", full], "Info, nothing": ["Info", nothing],
        "Info, emptied": ["Info", {"name": "n" * 128, "topic": "", "avatar": ""}],
        "Policy": ["Policy", POLICY], "Invite": ["Invite", {"user": key(), "role": 1, "link": None}],
        "Invite through a link": ["Invite", {"user": key(), "role": 2, "link": [key(), 2 ** 32 - 1]}],
        "Join": ["Join", {"invite": key(), "device_list": draw(9).hex()}],
        "Join a public room": ["Join", {"invite": None, "device_list": ""}], "Leave": ["Leave", None],
        "Remove and ban": ["Remove", remove],
        "Remove a device": ["Remove", {**remove, "device": key(), "ban": False, "purge": False, "logs": [], "reason": ""}],
        "Unban": ["Unban", {"user": key()}], "Role": ["Role", {"user": key(), "role": 4}],
        "Transfer": ["Transfer", {"user": key()}],
        "Link": ["Link", {"token": key(), "role": 2, "uses": 10_000, "expires": 2 ** 64 - 1}],
        "Link without limits": ["Link", {"token": key(), "role": 1, "uses": None, "expires": None}],
        "RevokeLink": ["RevokeLink", {"link": key()}],
        "Devices": ["Devices", {"device_list": draw(20).hex(), "logs": logs[:1]}]}


def bodies(draw):
    for name, act in acts(draw).items():
        create = act[0] == "Create"
        parents = [] if create else sorted(draw(32).hex() for _ in range(16 if act[0] == "Info" else 1))
        yield "operation", name, {"value": {"user": draw(32).hex(), "op_seq": 1 if create else 65_535, "parents": parents,
                                            "act": act, "ext": [[1, "aa"], [65_535, ""]]}}


def audiences(draw):
    for count in (1, 2, 3, 5, 8, 33, 513):
        devices = sorted(draw(32) for _ in range(count))
        yield "audience", f"of {count}", {"devices": devices, "proved": sorted({0, count // 2, count - 1})}


def chain_inputs(draw, owner, room, messages, start):
    reader = draw(32)
    others = [draw(32) for _ in range(3)]
    wires = [make_event(event_inputs(draw, owner, room, message(f"message {n}"), 1, log=n, view=draw(32))).wire()
             for n in range(messages)]
    return {"signing_seed": owner.signing_seed, "dh_secret": owner.dh_secret, "certificate": owner.signed_certificate, "room": room,
            "chain": draw(16), "view": draw(32), "audience": sorted([owner.certificate.device, reader, *others]),
            "reader": reader, "chain_key": draw(32), "header_key": draw(32), "tag_key": draw(32), "day": DAY, "from": start,
            "messages": [{"header_nonce": draw(24), "wire": wire} for wire in wires], "given": []}


def sealed(i, number, header_nonce, payload, **other):
    """An envelope that a reader of the chain could seal as well."""
    i, key = {**i, **other}, i["chain_key"]
    for _ in range(number + 1):
        message_key, key = chains.step(key)
    prefix = env.prefix(i["tag_key"], "envelope tag", DAY)
    return chains.seal_message(i["room"], i["chain"], prefix, i["header_key"], other.get("iteration", number), message_key,
                               header_nonce, payload)


def sender_chains(draw):
    ada, eve, room = Person(draw), Person(draw), draw(32)
    inputs = chain_inputs(draw, ada, room, 6, 2)
    opened = [[0, "open", n] for n in range(6)] + [[1, "open", n] for n in range(2, 6)]
    yield "sender_chain", "in order", {**inputs, "steps": opened}
    inputs = chain_inputs(draw, ada, room, 6, 3)
    yield "sender_chain", "out of order, twice, before the chain was handed over", {**inputs, "steps": [
        [0, "open", 4], [0, "open", 1], [0, "refuse", 4], [0, "refuse", 1], [0, "open", 5], [0, "open", 0], [0, "open", 3],
        [0, "refuse", 0], [1, "refuse", 2], [1, "open", 5], [1, "open", 3], [1, "refuse", 0], [1, "open", 4], [1, "refuse", 4]]}
    inputs = chain_inputs(draw, ada, room, 2, 1)
    changes = [0, 1, 3, 11, 35, 55, 60, 87, 90, 511]
    yield "sender_chain", "changed by one bit, at last as it was", {**inputs, "steps": [
        *([0, "refuse_changed", 1, at] for at in changes), [0, "open", 1], [0, "refuse_changed", 0, 90], [0, "open", 0]]}
    inputs = chain_inputs(draw, ada, room, 2, 1)
    mine = lambda n, **fields: make_event(event_inputs(draw, ada, room, message(), log=n, **fields))  # noqa: E731
    another = make_event(event_inputs(draw, eve, room, message()))
    forged = make_event({**event_inputs(draw, eve, room, message()), "device": ada.certificate.device})
    elsewhere = make_event(event_inputs(draw, ada, draw(32), message()))
    payloads = {"another device's": another.wire(), "signed by another": forged.wire(), "of another room": elsewhere.wire(),
                "a stub": mine(7).stub().wire()}
    inputs["given"] = [sealed(inputs, 0, draw(24), b"\1" + wire) for wire in payloads.values()]
    inputs["given"] += [sealed(inputs, 0, draw(24), b"\2" + draw(16) + b"\4\0"), sealed(inputs, 0, draw(24), b""),
                        sealed(inputs, 0, draw(24), b"\1" + mine(8).wire(), iteration=1000),
                        sealed(inputs, 0, draw(24), b"\1" + mine(9).wire(), iteration=1),
                        sealed(inputs, 0, draw(24), b"\1" + mine(10).wire(), chain=draw(16)),
                        sealed(inputs, 0, draw(24), b"\1" + mine(11).wire(), room=draw(32))]
    yield "sender_chain", "sealed by a reader: what is not the owner's, a stub, a control, past the end, under another key", {
        **inputs, "steps": [*([0, "refuse_given", n] for n in range(len(inputs["given"]))), [0, "open", 1], [0, "open", 0]]}
    long = chain_inputs(draw, ada, room, 1, 0)
    last = make_event(event_inputs(draw, ada, room, message("last"))).wire()
    long["messages"] += [None] * 998 + [{"header_nonce": draw(24), "wire": last}]
    yield "sender_chain", "the last of a thousand, then the first", {**long, "steps": [
        [0, "open", 999], [0, "open", 0], [1, "open", 999], [1, "refuse", 999]]}


def rooms():
    draw = Draw("rooms")
    yield from bodies(draw)
    yield from audiences(draw)
    yield from sender_chains(draw)
    for day in (0, DAY, DAY + 40, 65_535):
        yield "room_shard", f"day {day}", {"room": draw(32), "day": day}
    for name, fields in {"one address": {}, "nothing optional": {"addresses": [], "name_text": None}}.items():
        yield "room_link", name, {**invite_inputs(draw, **fields), "room": draw(32)}
    for name, value in controls(draw).items():
        yield "control", name, {"value": value}


def controls(draw):
    key, ext = lambda: draw(32).hex(), [[3, "00"]]  # noqa: E731
    shared = {"cert": draw(40).hex(), "iteration": 999, "chain_key": key(), "header_key": key(), "tag_key": key(), "view": [key()],
              "proof": {"index": 300, "count": 1024, "path": [key() for _ in range(10)]}, "ext": ext}
    plain = {**shared, "iteration": 0, "view": [], "proof": None, "ext": []}
    ask = {"room": key(), "token": draw(16).hex(), "name": "Ada Ümläut", "device_list": draw(7).hex(), "note": "Grüße", "ext": ext}
    return {"SenderChain": ["SenderChain", {"chains": [shared, plain], "ext": []}],
            "KeyRequest": ["KeyRequest", {"room": key(), "chains": [[key(), draw(16).hex()]], "ext": ext}],
            "RoomAsk": ["RoomAsk", ask],
            "RoomAsk, a knock": ["RoomAsk", {**ask, "token": None, "name": "", "device_list": "", "note": "", "ext": []}],
            "RoomWelcome": ["RoomWelcome", {"room": key(), "create": draw(30).hex(), "heads": [key(), key()], "ext": ext}],
            "RoomRefused": ["RoomRefused", {"room": key(), "reason": 255, "ext": []}],
            "RoomHeads": ["RoomHeads", {"room": key(), "heads": [], "ext": []}],
            "RoomOperations": ["RoomOperations", {"room": key(), "events": [draw(9).hex(), ""], "ext": ext}],
            "RoomReport": ["RoomReport", {"room": key(), "target": key(), "reason": "Wörter", "ext": ext}],
            "RoomKnock": ["RoomKnock", {"room": key(), "user": key(), "at": 1_790_000_000_000, "name": "Ada", "note": "Grüße", "ext": ext}],
            "RoomTurnedAway": ["RoomTurnedAway", {"room": key(), "user": key(), "at": 0, "ext": []}]}
