"""The cases of what must be refused: something right, and small changes that make it wrong."""

import difflib
import hashlib

import nacl.bindings as sodium

from parlour import blocks, keys, streams
from parlour.blocks import sign, uint
from parlour.codec import tlv, tlv_items

from .people import DAY, NOW, Draw, Person, event_inputs, make_event, message, peer_id
from .readers import edited
from .refusals_rooms import rooms_refused
from .refusals_sessions import sessions
from .refusals_text import texts


def case(name, reader, right, wrong, **context):
    """`wrong` maps a reason to bytes, or to a dict of inputs."""
    right = right if isinstance(right, dict) else {"bytes": right}
    return "refused", name, {"reader": reader, **context, "right": right,
                             "wrong": [{"why_text": why, **shorter(right, value)} for why, value in wrong.items()]}


def shorter(right, value):
    """The inputs that are wrong, with edits of the right bytes in place of bytes where that is shorter."""
    value = value if isinstance(value, dict) else {"bytes": value}
    if "bytes" not in value:
        return value
    data, rest = value["bytes"], {name: given for name, given in value.items() if name != "bytes"}
    made = edits(right["bytes"], data)
    assert edited(right["bytes"], made) == data
    return {**rest, "edits": made} if sum(20 + 2 * len(put) for *_, put, _ in made) < 2 * len(data) else value


def edits(right, wrong):
    """[at, cut, put, times]: from byte `at` of `right`, `cut` bytes give way to `put`, repeated."""
    same = difflib.SequenceMatcher(None, right, wrong, autojunk=False).get_matching_blocks()
    at = there = 0
    found = []
    for block in same:
        if block.size >= 12 or block.a == len(right):
            put = wrong[there:block.b]
            head, unit, times = repeats(put)
            if head or block.a > at:
                found.append([at, block.a - at, head, 1])
            if times:
                found.append([block.a, 0, unit, times])
            at, there = block.a + block.size, block.b + block.size
    return found


def repeats(put):
    """(head, unit, times): what `put` ends in, over and over, taken off where that is long."""
    for length in (1, 2, 16, 32, 34):
        unit, times = put[-length:], 0
        while len(put) >= length * (times + 1) and put[len(put) - length * (times + 1):][:length] == unit:
            times += 1
        if length * times > 40 and times > 1:
            return put[:-length * times], unit, times
    return put, b"", 0


def with_fields(data, changes):
    """A TLV structure with some values replaced, added, or (None) left out."""
    fields = {tag: value for tag, value, _ in tlv_items(data)} | changes
    return tlv(*sorted(fields.items()))


def field(data, tag):
    return next(value for at, value, _ in tlv_items(data) if at == tag)


def misshapen(data, first, second):
    """Wrong forms of any TLV structure with the tags given, `second` after `first`."""
    a, b = (tlv((tag, field(data, tag))) for tag in (first, second))
    return {"its last byte is missing": data[:-1], "a byte is left over": data + b"\0",
            "two tags in the wrong order": data.replace(a + b, b + a), "a tag twice": data.replace(b, b + b),
            "a tag is missing": with_fields(data, {second: None}), "an unknown tag": with_fields(data, {77: b""})}


# -- signatures and key agreement --------------------------------------------------------------------------------------

ORDER = 2 ** 252 + 27742317777372353535851937790883648493
IDENTITY = b"\1" + bytes(31)


def signatures(draw):
    seed, text = draw(32), draw(20)
    public, right = blocks.sign_public(seed), sign(seed, "event", text)
    little = lambda value: value.to_bytes(32, "little")
    scalar = lambda data: int.from_bytes(hashlib.sha512(data).digest(), "little") % ORDER
    secret = bytearray(hashlib.sha512(seed).digest()[:32])
    secret[0], secret[31] = secret[0] & 248, secret[31] & 63 | 64
    k = scalar(IDENTITY + public + blocks.ctx("event") + text)
    small_r = IDENTITY + little(k * int.from_bytes(secret, "little") % ORDER)
    nonce = little(scalar(draw(32)))
    any_key = sodium.crypto_scalarmult_ed25519_base_noclamp(nonce) + nonce
    wrong = {"one bit changed": bytes([right[0] ^ 1]) + right[1:], "another message": {"message": text + b"\0"},
             "another purpose": {"purpose": "device list"},
             "no purpose": sodium.crypto_sign(text, sodium.crypto_sign_seed_keypair(seed)[1])[:64],
             "S is not below the group order": right[:32] + little(int.from_bytes(right[32:], "little") + ORDER),
             "R of small order": small_r, "a key of small order": {"public": IDENTITY, "bytes": any_key},
             "the same, spelled otherwise": {"public": little(2 ** 255 - 18), "bytes": any_key},
             "key and R of small order": {"public": IDENTITY, "bytes": IDENTITY + bytes(32)}}
    wrong = {why: {"bytes": right, **(value if isinstance(value, dict) else {"bytes": value})}
             for why, value in wrong.items()}
    return case("Ed25519", "verify", right, wrong, public=public, purpose="event", message=text)


def low_order(draw):
    p, little = 2 ** 255 - 19, lambda value: value.to_bytes(32, "little")
    order_8 = ("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
               "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")
    wrong = {"0": bytes(32), "1": little(1), "of order 8": bytes.fromhex(order_8[0]),
             "the other of order 8": bytes.fromhex(order_8[1]), "p - 1": little(p - 1), "p": little(p),
             "p + 1": little(p + 1), "0 with the unused bit set": little(2 ** 255)}
    return case("X25519 keys of low order", "dh", blocks.dh_public(draw(32)), wrong, secret=draw(32))


# -- devices and prekeys -----------------------------------------------------------------------------------------------

def certificates(draw):
    ada, eve = Person(draw), Person(draw)
    right, statement = ada.signed_certificate, ada.certificate.statement()

    def form(statement, identity=ada.identity_seed, purpose="device certificate", device=ada.signing_seed,
             possession="device certificate possession"):
        return tlv((1, statement), (2, sign(identity, purpose, statement)), (3, sign(device, possession, statement)))

    changed = lambda **tags: form(with_fields(statement, {int(tag[1:]): value for tag, value in tags.items()}))
    created = ada.certificate.created
    wrong = {**misshapen(right, 1, 2),
             **{f"in the statement, {why}": form(data) for why, data in misshapen(statement, 4, 5).items()},
             "version 2": changed(_1=b"\2"), "no suite": changed(_2=b"\0"), "an unknown suite": changed(_2=b"\5"),
             "a signing key of 31 bytes": changed(_4=ada.signing_key[:31]),
             "created in 7 bytes": changed(_6=uint(created, 8)[1:]),
             "expires when created": changed(_7=uint(created, 8)),
             "lives longer than 366 days": changed(_7=uint(created + 366 * keys.DAY_MS + 1, 8)),
             "another user": changed(_3=eve.user), "signed by another identity": form(statement, eve.identity_seed),
             "signed for another purpose": form(statement, purpose="device list"),
             "possession by another device": form(statement, device=eve.signing_seed),
             "possession for another purpose": form(statement, possession="device certificate")}
    return case("device certificate", "device_certificate", right, wrong)


def lists(draw):
    ada, eve = Person(draw), Person(draw)
    two, more, gone = ada.more_devices(draw, 2), ada.more_devices(draw, 9), sorted((draw(32), draw(32)))
    right = ada.list(2, draw(32), two, gone)
    previous, statement = draw(32), field(right, 1)

    def form(statement, identity=ada.identity_seed, purpose="device list"):
        return tlv((1, statement), (2, sign(identity, purpose, statement)))

    packed = b"".join(uint(len(c), 2) + c for c in two)
    wrong = {**misshapen(right, 1, 2), "version 0": ada.list(0, previous), "recovered is 2": ada.list(2, recovered=2),
             "version 1 after another": ada.list(1, previous), "version 2 after none": ada.list(2),
             "recovered after another": ada.list(2, previous, recovered=1),
             "devices descend": ada.list(2, previous, two[::-1]), "a device twice": ada.list(2, previous, two[:1] * 2),
             "a device of another user": ada.list(2, previous, [eve.signed_certificate]),
             "nine devices": ada.list(2, previous, more),
             "certified and revoked": ada.list(2, previous, two, [keys.read_certificate(two[0]).device]),
             "revocations descend": ada.list(2, previous, two, gone[::-1]),
             "a revocation twice": ada.list(2, previous, two, gone[:1] * 2),
             "a revocation cut short": ada.list(2, previous, two, [gone[0], gone[1][:31]]),
             "a certificate cut short": form(with_fields(statement, {4: packed[:-1]})),
             "a certificate's signature changed": ada.list(2, previous, [two[0][:-1] + bytes([two[0][-1] ^ 1])]),
             "recovered is missing": form(with_fields(statement, {6: None})),
             "signed by another identity": form(statement, eve.identity_seed),
             "signed for another purpose": form(statement, purpose="device certificate")}
    yield case("device list", "device_list", right, wrong)

    reference = keys.read_list(right).hash
    revoked = [keys.read_certificate(two[1]).device]
    old = ada.list(3, reference, two[:1], sorted(gone + revoked))
    old_hash, all_gone = keys.read_list(old).hash, sorted(gone + revoked)
    wrong = {"versions missed, and a revocation is gone": ada.list(7, reference, two[:1], all_gone[1:]),
             "an older version": ada.list(2, reference, two[:1], all_gone),
             "after another list": ada.list(4, reference, two[:1], all_gone),
             "a revocation is gone": ada.list(4, old_hash, two[:1], all_gone[1:]),
             "a revoked device is back": ada.list(4, old_hash, two, gone),
             "another list of the same version": ada.list(3, reference, [], all_gone),
             "recovered at the same version": ada.list(3, certificates=two[:1], recovered=1),
             "recovered at an older version": ada.list(2, certificates=two[:1], recovered=1),
             "recovered, with a device that was revoked": ada.list(4, certificates=two[1:], recovered=1),
             "of another user": eve.list(4, old_hash)}
    yield case("succession of lists", "succession", ada.list(4, old_hash, two[:1], all_gone), wrong, old=old)

    def renewed(suites):
        return [keys.issue_certificate(ada.identity_seed, ada.signing_seed, ada.dh_secret, suites, NOW,
                                       NOW + keys.DAY_MS, 2)]

    old = ada.list(3, reference)
    old_hash = keys.read_list(old).hash
    wrong = {"suite 2 is gone": ada.list(4, old_hash, renewed(1)), "suite 1 is gone": ada.list(4, old_hash, renewed(2)),
             "versions missed, and suite 2 is gone": ada.list(7, reference, renewed(1)),
             "recovered, and suite 2 is gone": ada.list(9, certificates=renewed(1), recovered=1)}
    yield case("suites of a successor", "succession", ada.list(4, old_hash, renewed(3)), wrong, old=old)


def bundles(draw):
    ada, eve = Person(draw), Person(draw)
    statement = field(ada.signed_bundle, 1)

    def form(statement, device=ada.signing_seed, purpose="prekey bundle"):
        return tlv((1, statement), (2, sign(device, purpose, statement)))

    changed = lambda tag, value: form(with_fields(statement, {tag: value}))
    issued, kem_key = ada.bundle.issued, ada.bundle.kem_key
    first, last = bytes([1, kem_key[1] & 0xf0 | 0xd]), bytes([kem_key[1150] & 0xf | 0x10, 0xd0])
    wrong = {**misshapen(ada.signed_bundle, 1, 2), "version 2": changed(1, b"\2"), "serial 0": changed(2, bytes(4)), "of another certificate": changed(3, eve.certificate.hash),
             "suites differ from the certificate's": changed(6, b"\1"),
             "expires when issued": changed(8, uint(issued, 8)),
             "lives longer than 14 days": changed(8, uint(issued + 14 * keys.DAY_MS + 1, 8)),
             "an ML-KEM key of 1183 bytes": changed(5, kem_key[:-1]),
             "the first number of the ML-KEM key is 3329": changed(5, first + kem_key[2:]),
             "the last number of the ML-KEM key is 3329": changed(5, kem_key[:1150] + last + kem_key[1152:]),
             "signed for another purpose": form(statement, purpose="device list"),
             "signed by another device": form(statement, eve.signing_seed)}
    return case("prekey bundle", "prekey_bundle", ada.signed_bundle, wrong, certificate=ada.signed_certificate)


# -- events ------------------------------------------------------------------------------------------------------------

def events(draw):
    ada, eve = Person(draw), Person(draw)
    parents = sorted(draw(32) for _ in range(9))
    inputs = event_inputs(draw, ada, draw(32), message(), 2, parents=parents[:2])
    event = make_event(inputs)
    right = event.wire()

    def wire(header, seed=ada.signing_seed, purpose="event", rest=b"\1" + event.salt + event.body):
        return uint(len(header), 2) + header + sign(seed, purpose, header) + rest

    changed = lambda tag, value: wire(with_fields(event.header, {tag: value}))
    wrong = {**{f"in the header, {why}": wire(data) for why, data in misshapen(event.header, 4, 5).items()},
             "version 2": changed(1, b"\2"), "kind in one byte": changed(2, b"\1"), "seq 0": changed(6, bytes(8)),
             "prev at seq 1": changed(6, uint(1, 8)), "no prev at seq 2": changed(7, None),
             "prev of 31 bytes": changed(7, draw(31)), "parents descend": changed(8, parents[1] + parents[0]),
             "a parent twice": changed(8, parents[0] * 2), "nine parents": changed(8, b"".join(parents)),
             "a parent cut short": changed(8, parents[0][:31]), "parents are missing": changed(8, None),
             "another body hash": changed(11, draw(32)), "another body": right[:-1] + b"\1",
             "a body cut short": right[:-1], "form 2": wire(event.header, rest=b"\2" + event.salt + event.body),
             "a stub with a rest": wire(event.header, rest=b"\0\0"), "no form": wire(event.header, rest=b""),
             "a salt cut short": wire(event.header, rest=b"\1" + event.salt[:15]),
             "a header longer than the event": uint(2000, 2) + right[2:],
             "signed by another device": wire(event.header, eve.signing_seed),
             "signed for another purpose": wire(event.header, purpose="prekey bundle")}
    yield case("event", "event", right, wrong, signing_key=ada.signing_key)
    yield case("event of a direct conversation", "direct_event", right,
               {"a membership view": changed(10, draw(32))}, signing_key=ada.signing_key)
    control = b"\2" + draw(16) + b"\4\0"
    yield case("payload", "payload", control,
               {"empty": b"", "kind 0": b"\0" + control[1:], "kind 3": b"\3" + control[1:],
                "a control id cut short": control[:10], "a byte left over": control + b"\0"})


# -- streams -----------------------------------------------------------------------------------------------------------

def stream(draw):
    exporter, peer_a, peer_b = draw(32), peer_id(draw(32)), peer_id(draw(32))
    a, b = {"nonce_a": draw(32), "eph_secret_a": draw(32)}, {"nonce_b": draw(32), "eph_secret_b": draw(32)}
    eph_a, eph_b = blocks.dh_public(a["eph_secret_a"]), blocks.dh_public(b["eph_secret_b"])
    opening = streams.make_open(exporter, a["nonce_a"], eph_a, peer_a, peer_b)
    accept = streams.make_accept(exporter, opening, b["nonce_b"], eph_b, peer_a, peer_b)
    pair = {"exporter": exporter, "peer_a": peer_a, "peer_b": peer_b}
    flipped = lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]
    swapped = {"peer_a": peer_b, "peer_b": peer_a}
    for name, reader, right, context in (("opening", "stream_open", opening, {}),
                                         ("acceptance", "stream_accept", accept, a)):
        wrong = {"another leading byte": flipped(right, 0), "nonce changed": flipped(right, 5),
                 "key changed": flipped(right, 40), "tag changed": flipped(right, -1 % len(right)),
                 "cut short": right[:-1], "a byte left over": right + b"\0", "half of its tag": right[:-8],
                 "peers the other way round": {"bytes": right, **swapped},
                 "of another session": {"bytes": right, "exporter": draw(32)}}
        if context:
            wrong |= {"refused": b"\0", "of another opening": {"bytes": right, "nonce_a": draw(32)}}
        yield case(f"stream {name}", reader, right, wrong, **pair, **context)

    key = streams.stream_keys(exporter, a["eph_secret_a"], eph_b, a["nonce_a"], b["nonce_b"], peer_a, peer_b)[1]
    ids = b"\1" + draw(16)
    seal = lambda text, counter=2: streams.frame(blocks.aead_seal(key, bytes(4) + uint(counter, 8), b"", text))
    hello = lambda version=1: b"\0" + bytes([version]) + bytes(12)
    right, before = seal(b"\4" + ids), [seal(hello(), 0), seal(b"\4" + ids, 1)]
    wrong = {"changed": flipped(right, 8), "the frame before": before[1], "cut short": right[:-1],
             "length one too large": uint(len(right) - 3, 4) + right[4:], "an unknown type": seal(b"\x09" + ids),
             "no type": seal(b""), "a byte left over in its body": seal(b"\4" + ids + b"\0"),
             "Typing cut short": seal(b"\7" + bytes(32)), "a presence of 3": seal(b"\x08\3"),
             "Rekey with a body": seal(b"\5\0"), "a second Hello": seal(hello()),
             "Hello of version 2": {"bytes": seal(hello(2), 0), "before": []},
             "another frame before Hello": {"bytes": seal(b"\4" + ids, 0), "before": []}}
    yield case("stream frame", "stream_frame", right, wrong, **pair, **a, **b, before=before)


def envelopes(draw):
    right = b"\1" + uint(DAY, 2) + draw(509)
    yield case("envelope", "envelope", right, {"version 0": b"\0" + right[1:], "version 2": b"\2" + right[1:],
                                               "511 bytes": right[:-1], "513 bytes": right + b"\0", "empty": b""})
    padded = uint(5, 4) + draw(5) + bytes(11)
    yield case("padded payload", "padded_payload", padded,
               {"padding is not zero": padded[:-1] + b"\1", "longer than the envelope": uint(17, 4) + padded[4:],
                "no room for its length": padded[:3]})


def refused():
    yield signatures(Draw("refused, signatures"))
    yield low_order(Draw("refused, low order"))
    yield certificates(Draw("refused, certificates"))
    yield from lists(Draw("refused, lists"))
    yield bundles(Draw("refused, bundles"))
    yield from events(Draw("refused, events"))
    yield from envelopes(Draw("refused, envelopes"))
    yield from stream(Draw("refused, streams"))
    yield from (case(*given, **context) for *given, context in sessions(Draw("refused, sessions")))
    yield from (case(*given, **context) for *given, context in texts(Draw("refused, texts")))
    yield from (case(*given, **context) for *given, context in rooms_refused())
