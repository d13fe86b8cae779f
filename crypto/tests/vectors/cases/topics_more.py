"""The cases of events, streams, knocks, invites, safety numbers and keystores."""

from parlour import keys
from parlour.events import CONTROL, MESSAGE_BODY
from parlour.streams import asking_work

from .people import NOW, Draw, Person, event_inputs, make_event, message, peer_id


def profile_json(person, **fields):
    profile = {name: value.hex() if isinstance(value, bytes) else value for name, value in person.profile().items()}
    return {**profile, **fields}


def have_json(draw, logs):
    return {"conversation": draw(32).hex(), "full": len(logs) != 1,
            "logs": [{"device": draw(32).hex(), "log": n, "have": have} for n, have in enumerate(logs)]}


def events():
    draw = Draw("events")
    ada, other = Person(draw), draw(32)
    notes, direct = keys.notes_conversation(ada.user), keys.direct_conversation(ada.user, other)
    first = event_inputs(draw, ada, notes, message())
    yield "event", "first of a log, a note to oneself", first
    yield "event", "second of its log", event_inputs(draw, ada, direct, message("two"), 2, prev=make_event(first).id,
                                                     parents=[make_event(first).id], clock=NOW + 1)
    yield "event", "eight parents, a membership view", event_inputs(
        draw, ada, draw(32), message("three"), 2 ** 64 - 1, parents=sorted(draw(32) for _ in range(8)), view=draw(32),
        log=2 ** 32 - 1, clock=2 ** 64 - 1)
    yield "event", "of a kind unknown today", event_inputs(draw, ada, direct, draw(40), kind=65_535)
    yield "event", "with an empty body", event_inputs(draw, ada, direct, b"", kind=9)
    bodies = {"plain": {}, "everything": {"reply_to": draw(32).hex(), "thread": draw(32).hex(),
                                          "mentions": [draw(32).hex() for _ in range(3)], "visibility": 0,
                                          "expires_after_ms": 2 ** 64 - 1, "ext": [[1, ""], [65_535, draw(5).hex()]]}}
    for name, fields in bodies.items():
        body = MESSAGE_BODY.dump(MESSAGE_BODY.decode(message("Grüße, 世界 🙂")))
        yield "message_body", name, {"value": {**body, **fields}}
    profile = profile_json(ada, name="Ada Ümläut", bundle=draw(40).hex(), addresses=[draw(10).hex(), ""],
                           ext=[[300, "00"]])
    small = {**profile, "device_list": "", "bundle": "", "peer": "", "addresses": [], "name": "", "ext": []}
    logs = [[[1, 1]], [[1, 5], [7, 7], [9, 2 ** 64 - 1]], []]
    controls = {"ContactHello with a token": ["ContactHello", {"token": draw(16).hex(), "profile": profile, "ext": []}],
                "ContactHello without": ["ContactHello", {"token": None, "profile": small, "ext": [[7, "aa"]]}],
                "ContactHello of who takes part in refreshes": ["ContactHello", {"token": None, "profile": small,
                                                                                 "ext": [[1, ""]]}],
                "ContactAccept": ["ContactAccept", {"profile": small, "ext": []}],
                "Contact": ["Contact", {"profile": small, "ext": []}],
                "Have, full": ["Have", have_json(draw, logs)], "Have, one log": ["Have", have_json(draw, logs[:1])],
                "Have, nothing": ["Have", have_json(draw, [])],
                "Received": ["Received", {"ids": [draw(16).hex() for _ in range(3)]}],
                "Read": ["Read", {"conversation": draw(32).hex(), "clock": NOW, "event": draw(32).hex()}],
                "ContactRequest": ["ContactRequest", {"link": "parlour:", "note": "Grüße", "ext": []}]}
    for name, value in controls.items():
        yield "control", name, {"value": value}
    yield "payload", "an event", {"wire": make_event(first).wire()}
    yield "payload", "a stub", {"wire": make_event(first).stub().wire()}
    yield "payload", "a control", {"control_id": draw(16), "control": CONTROL.write(CONTROL.load(controls["Received"]))}
    yield "clock", "without parents", {"now": NOW, "parents": []}
    yield "clock", "behind its parents", {"now": NOW, "parents": [NOW + 5, NOW - 5]}
    yield "clock", "ahead of its parents", {"now": NOW, "parents": [NOW - 5]}
    a, b = sorted((draw(32), draw(32)))
    yield "order", "by clock, then by id", {"events": [{"clock": NOW + 1, "event": a}, {"clock": NOW, "event": b},
                                                       {"clock": NOW, "event": a}]}


def stream_inputs(draw, frames):
    return {"exporter": draw(32), "peer_a": peer_id(draw(32)), "peer_b": peer_id(draw(32)), "nonce_a": draw(32),
            "nonce_b": draw(32), "eph_secret_a": draw(32), "eph_secret_b": draw(32), "frames": frames}


def frame(by, kind, value=None):
    return {"by": by, "type": kind, "value": value}


def hello(draw, by, ext=()):
    return frame(by, "Hello", {"version": 1, "wall_time_ms": NOW, "list_version": 3, "list_hash": draw(8).hex(),
                               "bundle_serial": 12, "ext": list(ext)})


def ids_json(draw, width, count):
    return {"ids": [draw(width).hex() for _ in range(count)]}


def streams():
    draw = Draw("streams")
    ada = Person(draw)
    wire = make_event(event_inputs(draw, ada, draw(32), message())).wire()
    control = {"id": draw(16).hex(), "control": ["Received", ids_json(draw, 16, 1)]}
    yield "stream", "every type of frame, both directions", stream_inputs(draw, [
        hello(draw, "a"), hello(draw, "b", [[9, "0909"]]), frame("a", "Have", have_json(draw, [[[1, 4]]])),
        frame("b", "Have", have_json(draw, [])),
        frame("b", "Want", {"conversation": draw(32).hex(), **ids_json(draw, 32, 2)}),
        frame("a", "Events", {"conversation": draw(32).hex(), "events": [wire.hex(), ""]}),
        frame("a", "Control", control), frame("b", "Received", ids_json(draw, 16, 1)),
        frame("a", "Typing", {"conversation": draw(32).hex(), "typing": True}), frame("b", "Presence", {"presence": 1})])
    yield "stream", "what passes, and who takes part in refreshes", stream_inputs(draw, [
        hello(draw, "b", [[1, ""]]), hello(draw, "a", [[1, ""], [2, "00"]]), frame("a", "Presence", {"presence": 0}),
        frame("a", "Typing", {"conversation": draw(32).hex(), "typing": False}),
        frame("b", "Presence", {"presence": 2})])
    yield "stream", "keys change, each direction on its own", stream_inputs(draw, [
        hello(draw, "a"), hello(draw, "b"), frame("a", "Rekey"), frame("a", "Received", ids_json(draw, 16, 1)),
        frame("b", "Received", ids_json(draw, 16, 1)), frame("a", "Rekey"), frame("a", "Rekey"), frame("b", "Rekey"),
        frame("b", "Received", ids_json(draw, 16, 0)), frame("a", "Received", ids_json(draw, 16, 2)),
        frame("a", "Received", ids_json(draw, 16, 3))])
    yield "next_key", "next key", {"key": draw(32)}


def knock():
    draw = Draw("knock")
    ada = Person(draw)
    lists = {"device_list": ada.signed_list.hex(), "bundle": ada.signed_bundle.hex()}
    yield "knock_request", "Bundle", {"value": ["Bundle", {"hash": draw(32).hex()}]}
    yield "knock_request", "Deliver", {"value": ["Deliver", {"envelope": draw(512).hex()}]}
    user, envelope = draw(32), draw(4096)
    yield "knock_request", "BundleOf", {"value": ["BundleOf", {"user": user.hex()}]}
    yield "knock_request", "Ask", {"value": ["Ask", {"user": user.hex(), "nonce": 300, "envelope": envelope.hex()}]}
    done = next(nonce for nonce in range(2 ** 64) if asking_work(user, envelope, nonce))
    for name, nonce in {"enough": done, "not enough": done + 1}.items():
        yield "asking_work", name, {"user": user, "envelope": envelope, "nonce": nonce}
    yield "knock_request", "Rooms", {"value": ["Rooms", None]}
    listed = {"create": draw(9).hex(), "link": "parlour:", "name": "Gärten", "topic": "", "members": 300, "ext": [[1, "00"]]}
    short = {"device_list": "", "bundle": "01"}
    for name, value in {"Nothing": ["Nothing", None],
                        "Bundle": ["Bundle", {**lists, "one_time": [300, draw(32).hex()]}],
                        "Bundle without a one-time key": ["Bundle", {**short, "one_time": None}],
                        "Received": ["Received", None], "Closed": ["Closed", {"reason": 2}],
                        "Rooms": ["Rooms", {"rooms": [listed, {**listed, "create": "", "link": "", "ext": []}]}]}.items():
        yield "knock_response", name, {"value": value}
    yield "knock_request", "Link", {"value": ["Link", {"nonce": draw(16).hex(), "proof": draw(16).hex()}]}
    yield "knock_request", "RoomsChanged", {"value": ["RoomsChanged", None]}
    yield "knock_response", "Member", {"value": ["Member", {"proof": draw(16).hex(), **lists}]}
    yield "asking_around", "a link", {"token": draw(16), "nonce": draw(16), "asks": draw(38), "asked": draw(38),
                                      "bundle": ada.signed_bundle}


def invite_inputs(draw, **fields):
    return {"user": draw(32), "peer": peer_id(draw(32)), "addresses": [draw(8)], "bundle_hash": draw(32),
            "token": draw(16), "expires": NOW, "name_text": "Ada", **fields}


def invite():
    draw = Draw("invite")
    for name, fields in {"one address": {}, "nothing optional": {"addresses": [], "name_text": None},
                         "four addresses": {"addresses": [draw(n) for n in (8, 1, 20, 0)], "name_text": "Ümläut 🙂"},
                         "longest name": {"name_text": "n" * 32, "expires": 2 ** 64 - 1}}.items():
        yield "invite", name, invite_inputs(draw, **fields)
    for name, fields in {"with a name": {}, "nothing optional": {"addresses": [], "name_text": None}}.items():
        inputs = invite_inputs(draw, **fields)
        yield "contact_address", name, {key: inputs[key] for key in ("user", "peer", "addresses", "name_text")}


def safety_number():
    draw = Draw("safety number")
    users = draw(32), draw(32)
    for name, (user, other) in {"one way": users, "the other way, the same": users[::-1],
                                "other users": (draw(32), draw(32))}.items():
        yield "safety_number", name, {"user": user, "other_user": other}


def keystore_inputs(draw, ada, password=None, node=None, entropy=True, name="Ada", cost=(19_456, 2, 1)):
    slots = {"password_text": password, "node_key_file": node}
    if password is not None:
        slots |= zip(("memory", "passes", "lanes"), cost, strict=True)
        slots |= {"password_salt": draw(16), "password_nonce": draw(24)}
    if node is not None:
        slots |= {"node_nonce": draw(24)}
    return {**slots, "data_key": draw(32), "secrets_nonce": draw(24), "entropy": ada.entropy if entropy else None,
            "signing_seed": ada.signing_seed, "dh_secret": ada.dh_secret, "certificate": ada.signed_certificate,
            "device_list": ada.signed_list, "profile_name_text": name}


def keystore():
    draw = Draw("keystore")
    ada, node = Person(draw), draw(32)
    yield "keystore", "password", keystore_inputs(draw, ada, "correct horse battery staple")
    yield "keystore", "node key, not the primary device", keystore_inputs(draw, ada, node=node, entropy=False, name="")
    yield "keystore", "password and node key, more passes and lanes", keystore_inputs(
        draw, ada, "pässwörd", node, name="Ümläut", cost=(20_000, 3, 4))
