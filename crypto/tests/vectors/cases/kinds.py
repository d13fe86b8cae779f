"""What the cases of each kind mean, but for handshakes and conversations (sessions.py) and refusals (readers.py)."""

import copy

from parlour import blocks, cards, events, keys, local, streams
from parlour import envelope as env
from parlour.blocks import require

from .given import KINDS, kind

# -- building blocks and identifiers -----------------------------------------------------------------------------------

@kind
def hash(i, _):
    purpose, fields = i["purpose"], i("fields")
    return {"input": blocks.framed(purpose, fields)}, {"digest": blocks.hash_blake(purpose, *fields)}


@kind
def hash256(i, _):
    return {}, {"digest": blocks.hash_sha(i["purpose"], *i("fields"))}


@kind
def mac(i, _):
    return {}, {"tag": blocks.mac(i("key"), i["purpose"], *i("fields"))}


@kind
def kdf(i, _):
    return {}, {"okm": blocks.kdf(i("salt"), i("ikm"), i["purpose"], i["length"], *i("fields"))}


@kind
def xof(i, _):
    return {}, {"bytes": blocks.xof(i("key"), i["purpose"], i["length"], *i("fields"))}


@kind
def sign(i, stated):
    public, signature = blocks.sign_public(i("seed")), blocks.sign(i("seed"), i["purpose"], i("message"))
    blocks.verify(public, i["purpose"], i("message"), stated("signature") or signature)
    return {}, {"public": public, "signature": signature}


@kind
def aead(i, _):
    return {}, {"sealed": blocks.aead_seal(i("key"), i("nonce"), i("ad"), i("text"))}


@kind
def xaead(i, _):
    return {}, {"sealed": blocks.xaead_seal(i("key"), i("nonce"), i("ad"), i("text"))}


@kind
def dh(i, _):
    return {}, {"public": blocks.dh_public(i("secret")), "shared": blocks.dh(i("secret"), i("other"))}


@kind
def kem(i, _):
    public, secret = blocks.kem_keys(i("seed"))
    shared, ciphertext = blocks.kem_encaps(public, i("random"))
    require(blocks.kem_decaps(secret, ciphertext) == shared, "ML-KEM disagrees with itself")
    return {}, {"public": public, "ciphertext": ciphertext, "shared": shared}


@kind
def kem_reject(i, _):
    """A ciphertext that was not made for the key gives the implicit rejection secret of FIPS 203."""
    return {}, {"shared": blocks.kem_decaps(blocks.kem_keys(i("seed"))[1], i("ciphertext"))}


@kind
def identifiers(i, _):
    ids = {"device": keys.device_id(i("signing_key"), i("dh_key")),
           "direct": keys.direct_conversation(i("user"), i("other_user")),
           "notes": keys.notes_conversation(i("user")),
           "event": blocks.hash_blake("event id", i("header"), i("signature"))}
    texts = {"user": ("user", i("user")), "device": ("device", ids["device"]), "event": ("event", ids["event"]),
             "direct": ("conversation", ids["direct"]), "notes": ("conversation", ids["notes"])}
    texts = {f"{name}_text": (what, keys.id_text(what, value), value) for name, (what, value) in texts.items()}
    require(all(keys.read_id_text(what, text) == value for what, text, value in texts.values()), "text form")
    return {}, {**ids, **{name: text for name, (_, text, _) in texts.items()}}


@kind
def identity(i, stated):
    text = keys.words(i("entropy"))
    require(keys.read_words(stated.get("words_text") or text) == i("entropy"), "words give another entropy")
    seed = keys.identity_seed(i("entropy"))
    return {"signing_seed": seed}, {"words_text": text, "user": blocks.sign_public(seed)}


# -- devices and prekeys -----------------------------------------------------------------------------------------------

@kind
def device_certificate(i, stated):
    signed = keys.issue_certificate(i("identity_seed"), i("signing_seed"), i("dh_secret"), i["suites"], i["created"],
                                    i["expires"], i["serial"])
    c = keys.read_certificate(stated("signed") or signed)
    return ({"user": c.user, "signing_key": c.signing_key, "dh_key": c.dh_key},
            {"signed": signed, "hash": c.hash, "device": c.device})


@kind
def device_list(i, stated):
    signed = keys.issue_list(i("identity_seed"), i["version"], i("previous"), i("certificates"), i("revoked"),
                             i["recovered"], i["created"])
    found = keys.read_list(stated("signed") or signed)
    return {"devices": [c.device for c in found.certificates]}, {"signed": signed, "hash": found.hash,
                                                                 "reference": found.reference}


@kind
def succession(i, _):
    keys.check_succession(keys.read_list(i("old")), keys.read_list(i("new")))
    return {}, {"allowed": True}


@kind
def prekey_bundle(i, stated):
    certificate = keys.read_certificate(i("certificate"))
    signed = keys.issue_bundle(i("signing_seed"), i["serial"], certificate.hash, i("prekey_secret"), i("kem_seed"),
                               i["suites"], i["issued"], i["expires"])
    found = keys.read_bundle(stated("signed") or signed, certificate)
    return ({"certificate_hash": certificate.hash, "prekey": found.prekey, "kem_key": found.kem_key},
            {"signed": signed, "hash": found.hash})


@kind
def one_time_key(i, _):
    return {}, {"bytes": keys.one_time_key(i["id"], i("secret"))}


# -- envelopes ---------------------------------------------------------------------------------------------------------

@kind
def shard(i, _):
    return {}, {"shard": env.shard(i("recipient"), i["day"])}


@kind
def padding(i, _):
    """The size of a session envelope around payloads of given lengths."""
    return {}, {"sizes": [env.PREFIX + env.OVERHEAD - 4 + len(env.pad(bytes(n))) for n in i["lengths"]]}


# -- events and controls -----------------------------------------------------------------------------------------------

@kind
def event(i, stated):
    fields = {name: i(name) if name in ("conversation", "device", "prev", "parents", "view") else i[name]
              for name in ("kind", "conversation", "device", "log", "seq", "prev", "parents", "clock", "view")}
    made = events.issue_event(i("signing_seed"), fields, i("salt"), i("body"))
    public = blocks.sign_public(i("signing_seed"))
    read = events.read_event(stated("wire") or made.wire(), public)
    stub = events.read_event(stated("stub") or made.stub().wire(), public)
    require(read.id == stub.id and stub.body is None, "the stub is another event")
    return ({"header": made.header, "body_hash": read.fields["body_hash"], "signature": made.signature},
            {"wire": made.wire(), "stub": made.stub().wire(), "event": read.id})


@kind
def clock(i, _):
    return {}, {"clock": events.next_clock(i["now"], i["parents"])}


@kind
def order(i, _):
    return {}, {"order": sorted(i["events"], key=lambda e: (e["clock"], bytes.fromhex(e["event"])))}


def postcard(name, of_type, prefix=b""):
    def case(i, stated):
        value = of_type.load(i["value"])
        data = of_type.write(value)
        require(of_type.dump(of_type.decode(stated("bytes") or data)) == i["value"], "decodes to another value")
        return {}, {"bytes": data}
    KINDS[name] = case


postcard("message_body", events.MESSAGE_BODY)
postcard("control", events.CONTROL)
postcard("knock_request", streams.REQUEST)
postcard("knock_response", streams.RESPONSE)


@kind
def event_body(i, stated):
    """A body of the event kind `event_kind`."""
    of_type = events.BODIES[i["event_kind"]]
    data = of_type.write(of_type.load(i["value"]))
    require(of_type.dump(of_type.decode(stated("bytes") or data)) == i["value"], "decodes to another value")
    return {}, {"bytes": data}


@kind
def card(i, _):
    """What a card with these fields says; `avatar` is the media type of its picture."""
    said = cards.read_card([(number, bytes.fromhex(data)) for number, data in i["ext"]])
    return {}, {**{f"{name}_text": said[name] for name in cards.NAMES.values()},
                "status_expires": said["status_expires"], "avatar_text": said["avatar"]}


@kind
def payload(i, stated):
    made = (events.event_payload(i("wire")) if i.has("wire")
            else events.control_payload(i("control_id"), events.CONTROL.decode(i("control"))))
    events.read_payload(stated("payload") or made)
    return {}, {"payload": made}


# -- streams, invites, safety numbers, keystore ------------------------------------------------------------------------

@kind
def stream(i, stated):
    """`open` and `accept` are contents without their length, `records` whole frames with it."""
    exporter, peers = i("exporter"), (i("peer_a"), i("peer_b"))
    opening, acceptance = stated("open"), stated("accept")
    if i.has("nonce_a", "eph_secret_a"):
        opening = opening or streams.make_open(exporter, i("nonce_a"), blocks.dh_public(i("eph_secret_a")), *peers)
    nonce_a, eph_a = streams.read_open(opening, exporter, *peers)
    if i.has("nonce_b", "eph_secret_b"):
        eph_b = blocks.dh_public(i("eph_secret_b"))
        acceptance = acceptance or streams.make_accept(exporter, opening, i("nonce_b"), eph_b, *peers)
    nonce_b, eph_b = streams.read_accept(acceptance, exporter, opening, *peers)
    require(i("nonce_a") in (None, nonce_a) and i("nonce_b") in (None, nonce_b), "another nonce")
    rest = (nonce_a, nonce_b, *peers)
    made = [streams.stream_keys(exporter, i(secret), eph, *rest)
            for secret, eph in (("eph_secret_a", eph_b), ("eph_secret_b", eph_a)) if i.has(secret)]
    require(made and made[0] == made[-1], "A and B derive different keys")
    salt, key_ab, key_ba = made[0]
    sealing = {"a": streams.Direction(key_ab), "b": streams.Direction(key_ba)}
    opened = copy.deepcopy(sealing)
    records = []
    for number, step in enumerate(i["frames"]):
        value = streams.FRAMES[step["type"]].load(step["value"])
        records.append(sealing[step["by"]].seal(step["type"], value))
        record = stated("records")[number] if stated else records[-1]
        require(opened[step["by"]].open(record) == (step["type"], value), f"frame {number} opens as another")
    return ({"pair_key": streams.pair_key(exporter), "eph_a": eph_a, "eph_b": eph_b, "salt": salt, "key_ab": key_ab,
             "key_ba": key_ba}, {"open": opening, "accept": acceptance, "records": records})


@kind
def next_key(i, _):
    return {}, {"next": blocks.kdf(b"", i("key"), "stream next key", 32)}


@kind
def invite(i, stated):
    f = {"user": i("user"), "peer": i("peer"), "addresses": i("addresses"), "bundle_hash": i("bundle_hash"),
         "token": i("token"), "expires": i["expires"], "name": i.get("name_text")}
    body = local.invite_tlv(f)
    text = local.invite_text(body)
    require(local.read_invite(stated.get("invite_text") or text) == f, "reads as another invite")
    return {"tlv": body}, {"invite_text": text}


@kind
def contact_address(i, stated):
    f = {"user": i("user"), "peer": i("peer"), "addresses": i("addresses"), "name": i.get("name_text")}
    body = local.address_tlv(f)
    text = local.invite_text(body)
    require(local.read_address(stated.get("address_text") or text) == f, "reads as another address")
    return {"tlv": body}, {"address_text": text}


@kind
def asking_work(i, _):
    return {}, {"done": streams.asking_work(i("user"), i("envelope"), i["nonce"])}


@kind
def asking_around(i, _):
    f = i("token"), i("nonce"), i("asks"), i("asked")
    return {}, {"question": streams.link_question(*f), "answer": streams.link_answer(*f, i("bundle"))}


@kind
def safety_number(i, _):
    halves = [local.half_number(i("user")), local.half_number(i("other_user"))]
    return {"halves_text": halves}, {"number_text": local.safety_number(i("user"), i("other_user"))}


@kind
def keystore(i, stated):
    password, node, data_key = i.get("password_text"), i("node_key_file"), i("data_key")
    password = None if password is None else password.encode()
    s = {name: i(name) for name in ("entropy", "signing_seed", "dh_secret", "certificate", "device_list")}
    s["profile_name"] = i["profile_name_text"]
    secrets = local.secrets_tlv(s)
    middle = {"secrets_key": local.secrets_key(data_key),
              "database_key": local.subkey(data_key, "database"), "search_key": local.subkey(data_key, "search")}
    slots = [None, None]
    if password is not None:
        parameters = i["memory"], i["passes"], i["lanes"], i("password_salt")
        middle["password_key"] = local.password_key(password, *parameters)
        slots[0] = local.password_slot(password, *parameters, i("password_nonce"), data_key)
    if node is not None:
        middle["node_key"] = local.node_key(node)
        slots[1] = local.node_slot(node, i("node_nonce"), data_key)
    made = local.keystore_file(*slots, local.sealed_secrets(data_key, i("secrets_nonce"), secrets))
    file = stated("file") or made
    for credential in ({"password": password}, {"node": node}):
        if None not in credential.values():
            require(local.read_keystore(file, **credential) == (data_key, s), "the keystore holds something else")
    return middle, {"file": made}
