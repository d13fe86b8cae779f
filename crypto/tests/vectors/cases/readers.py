"""The readers of PROTOCOL.md by name, and the cases of what they must refuse."""

from parlour import blocks, chains, events, keys, local, operations, streams
from parlour import envelope as env

from .given import Given, kind, refuses
from .sessions import start_responder


def opening_of(i):
    """A's opening of a stream."""
    return streams.make_open(i("exporter"), i("nonce_a"), blocks.dh_public(i("eph_secret_a")), i("peer_a"), i("peer_b"))


def frame_reader(i):
    """B's reader of A's frames, those `before` it read already."""
    rest = i("nonce_a"), i("nonce_b"), i("peer_a"), i("peer_b")
    _, key, _ = streams.stream_keys(i("exporter"), i("eph_secret_b"), blocks.dh_public(i("eph_secret_a")), *rest)
    direction = streams.Direction(key)
    for record in i("before"):
        direction.open(record)
    return direction.open(i("bytes"))


def accept_first_flight(i):
    start_responder(i).accept(i("bytes"), i("tag_key"), i["now"])


def take_chain(i):
    """Reads a chain that `giver` hands over to `reader_device`, which then takes it."""
    reader = chains.Reader(i("room"), keys.read_certificate(i("certificate")), i("reader_device"))
    reader.take(events.SHARED_CHAIN.decode(i("bytes")), i("giver"))


READERS = {
    "verify": lambda i: blocks.verify(i("public"), i["purpose"], i("message"), i("bytes")),
    "dh": lambda i: blocks.dh(i("secret"), i("bytes")),
    "identifier": lambda i: keys.read_id_text(i["what_text"], i["given_text"]),
    "words": lambda i: keys.read_words(i["given_text"]),
    "device_certificate": lambda i: keys.read_certificate(i("bytes")),
    "device_list": lambda i: keys.read_list(i("bytes")),
    "succession": lambda i: keys.check_succession(keys.read_list(i("old")), keys.read_list(i("bytes"))),
    "prekey_bundle": lambda i: keys.read_bundle(i("bytes"), keys.read_certificate(i("certificate"))),
    "first_flight": accept_first_flight,
    "envelope": lambda i: env.read_prefix(i("bytes")),
    "padded_payload": lambda i: env.unpad(i("bytes")),
    "event": lambda i: events.read_event(i("bytes"), i("signing_key")),
    "direct_event": lambda i: events.read_direct_event(i("bytes"), i("signing_key")),
    "payload": lambda i: events.read_payload(i("bytes")),
    "event_body": lambda i: events.BODIES[i["event_kind"]].decode(i("bytes")),
    "message_body": lambda i: events.MESSAGE_BODY.decode(i("bytes")),
    "control": lambda i: events.CONTROL.decode(i("bytes")),
    "knock_request": lambda i: streams.read_knock("request", i("bytes")),
    "knock_response": lambda i: streams.read_knock("response", i("bytes")),
    "stream_open": lambda i: streams.read_open(i("bytes"), i("exporter"), i("peer_a"), i("peer_b")),
    "stream_accept": lambda i: streams.read_accept(i("bytes"), i("exporter"), opening_of(i), i("peer_a"), i("peer_b")),
    "stream_frame": frame_reader,
    "invite": lambda i: local.read_invite(i["given_text"]),
    "operation": lambda i: operations.BODY.decode(i("bytes")),
    "shared_chain": take_chain,
    "room_link": lambda i: local.read_room_link(i["given_text"]),
    "keystore": lambda i: local.read_keystore(i("bytes"), i["password_text"].encode()),
}


def edited(data, edits):
    """`data` with every edit made; their offsets are those of `data` as it was."""
    out, last = b"", 0
    for at, cut, put, times in edits:
        out += data[last:at] + put * times
        last = at + cut
    return out + data[last:]


def wrong_input(i, wrong):
    """The inputs of one entry of `wrong`."""
    given = {**i, **i["right"], **wrong}
    if "edits" in wrong:
        edits = [(at, cut, bytes.fromhex(put), times) for at, cut, put, times in wrong["edits"]]
        given["bytes"] = edited(bytes.fromhex(i["right"]["bytes"]), edits).hex()
    return Given(given)


@kind
def refused(i, _):
    """A reader accepts what is right and refuses every change of it."""
    read = READERS[i["reader"]]
    read(Given({**i, **i["right"]}))
    reasons = {}
    for wrong in i["wrong"]:
        why = wrong["why_text"]
        reasons[why] = refuses(lambda: read(wrong_input(i, wrong)), "accepted: " + why)
    return {"reasons_text": reasons}, {}
