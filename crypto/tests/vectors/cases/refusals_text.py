"""Texts, postcard values, invites and keystores which must be refused (PROTOCOL.md sections 1, 2, 7, 8, 9 and 10)."""

import base64

from parlour import events, keys, local, streams
from parlour.blocks import hash_blake, uint
from parlour.codec import U64, tlv, tlv_items

from .people import Person, message
from .topics_more import invite_inputs, keystore_inputs


def written(given):
    return {"given_text": given}


def texts(draw):
    """(name, reader, right, wrong, context) of every kind of text and value."""
    yield from spelled(draw)
    yield from bodies(draw)
    yield from knocks(draw)
    yield from invites(draw)
    yield keystores(draw)


def spelled(draw):
    value = draw(32)
    right = keys.id_text("user", value)
    unused = right[:-1] + "abcdefghijklmnopqrstuvwxyz234567"["abcdefghijklmnopqrstuvwxyz234567".index(right[-1]) + 1]
    wrong = {"another prefix": keys.id_text("device", value), "no prefix": right[5:], "upper case": right.upper(),
             "an upper case letter": right[:5] + right[5:].upper(), "a letter is missing": right[:-1],
             "a letter too many": right + "a", "padded": right + "====", "unused bits": unused,
             "a letter outside base32": right[:-2] + "1" + right[-1], "a space": right + " "}
    yield ("text of a user id", "identifier", written(right), {why: written(text) for why, text in wrong.items()},
           {"what_text": "user"})
    words = keys.words(draw(32)).split()
    last = next(w for w in keys.BIP39.wordlist if w != words[-1] and not keys.BIP39.check(" ".join(words[:-1] + [w])))
    wrong = {"23 words": words[:-1], "25 words": words + words[:1], "12 words": keys.words(draw(16)).split(),
             "wrong checksum": words[:-1] + [last], "an unknown word": words[:-1] + ["parlour"], "nothing": []}
    wrong = {why: written(" ".join(w)) for why, w in wrong.items()}
    yield "24 words", "words", written(" ".join(words)), wrong, {}
    yield "24 words, written otherwise", "words", written(" \n" + "\t ".join(words).upper() + " "), wrong, {}


NO_EMOJI = {"no emoji": "", "a letter": "a", "a digit alone": "1", "two emoji": "👍👍", "half a flag": "🇦",
            "three flag letters": "🇦🇧🇨", "a joiner at the end": "👍\u200d", "a joiner at the beginning": "\u200d👍",
            "a modifier after a variation selector": "☝\ufe0f🏽", "two modifiers": "👍🏽🏽", "a keycap of a letter": "a\ufe0f\u20e3",
            "a keycap without its selector": "1\u20e3", "tags without their end": "🏴\U000e0067\U000e0062",
            "a space behind it": "👍 ",
            "68 bytes": "\u200d".join("👩" * 10), "not assigned": "\U0001FC00"}


def varint(value):
    return U64.write(value)


def reaction(emoji):
    """The emoji of a reaction as its body has it."""
    data = emoji.encode()
    return varint(len(data)) + data


def contents(one):
    """Contents of messages beside text."""
    rest = bytes(6)                                              # no reply, thread, mentions, view, time, extensions
    lp = lambda data: varint(len(data)) + data

    def poll(question=b"Tee?", options=(b"ja", b"nein"), flags=b"\0\0\0", after=rest):
        return b"\1" + lp(question) + varint(len(options)) + b"".join(map(lp, options)) + flags + after

    def place(latitude=1, longitude=1, name=b""):
        return b"\2" + varint(latitude) + varint(longitude) + b"\0" + lp(name) + rest

    def file(name=b"a.png", kind=b"image/png", thumbnail=b"", caption=b"", index=3, after=b""):
        return bytes([index]) + one * 2 + b"\1" + lp(name) + lp(kind) + lp(thumbnail) + lp(caption) + after + rest

    wrong = {"no question": poll(question=b""), "a question of 1 025 bytes": poll(question=b"?" * 1_025), "no option": poll(options=()),
             "one option": poll(options=(b"ja",)), "21 options": poll(options=[b"%d" % n for n in range(21)]),
             "two options the same": poll(options=(b"ja", b"ja")), "an empty option": poll(options=(b"ja", b"")),
             "an option of 10 000 bytes": poll(options=(b"ja", b"x" * 10_000)), "an option with an escape": poll(options=(b"a\x1b[2J", b"b")),
             "a question of two lines": poll(question=b"a\nb"), "an option with a C1 control": poll(options=(b"a\xc2\x9b", b"b")),
             "on demand": poll(after=b"\0\0\0\1\0\0"), "multiple is 2": poll(flags=b"\2\0\0")}
    yield "poll", "event_body", {"bytes": poll()}, as_bytes(wrong), {"event_kind": 1}
    wrong = {"beyond the north pole": place(latitude=1_800_000_001), "beyond the antimeridian": place(longitude=3_600_000_001),
             "a name of 256 bytes": place(name=b"n" * 256), "a name with a control character": place(name=b"a\tb")}
    yield "location", "event_body", {"bytes": place()}, as_bytes(wrong), {"event_kind": 1}
    wrong = {"no name": file(b""), "a path": file(b"../x"), "a path with a backslash": file(b"a\\b"), "the folder above": file(b".."),
             "a name of 256 bytes": file(b"n" * 256), "a name with a line break": file(b"a\nb"), "no media type": file(kind=b""),
             "a media type without a slash": file(kind=b"png"), "a media type with two": file(kind=b"a/b/c"),
             "a media type with a space": file(kind=b"a/b c"), "a media type of 128 bytes": file(kind=b"a/" + b"b" * 126),
             "a thumbnail of 8 193 bytes": file(thumbnail=bytes(8_193)), "a caption of 4 097 bytes": file(caption=b"c" * 4_097)}
    yield "file", "event_body", {"bytes": file()}, as_bytes(wrong), {"event_kind": 1}
    voice = lambda count: file(index=7, after=b"\1" + lp(bytes(count)))
    yield "voice", "event_body", {"bytes": voice(128)}, as_bytes({"129 heights": voice(129)}), {"event_kind": 1}
    sticker = lambda emoji: b"\x08" + lp(emoji.encode()) + b"\0\0" + rest
    wrong = {"two emoji": sticker("🌱🌱"), "no emoji": sticker(""), "a letter": sticker("a")}
    yield "sticker", "event_body", {"bytes": sticker("🌱")}, as_bytes(wrong), {"event_kind": 1}
    call = lambda video, outcome, ms, after=rest: bytes([9, video, outcome, ms]) + after
    wrong = {"another outcome": call(0, 4, 0), "a missed call with a length": call(0, 1, 1), "on demand": call(0, 0, 1, b"\0\0\0\2\0\0"),
             "video is 2": call(2, 0, 1)}
    yield "call", "event_body", {"bytes": call(0, 0, 1)}, as_bytes(wrong), {"event_kind": 1}


def bodies(draw):
    right = message("hello")
    one = draw(32)
    wrong = {"a byte left over": right + b"\0", "cut short": right[:-1], "empty": b"", "no text": message("x").replace(
        b"\0\1x", b"\0\0"), "a longer varint than needed": b"\0\x85\0" + right[2:], "an option of 2": right[:7] + b"\2"
        + one + right[8:], "not UTF-8": right[:2] + b"\xff" + right[3:],
             "surrogates in UTF-8": b"\0\5\xed\xa0\x80ab" + right[7:],
             "65 mentions": right[:9] + b"\x41" + one * 65 + right[10:],
             "17 extensions": right[:-1] + b"\x11" + b"\1\0" * 17,
             "visibility 3": right[:10] + b"\3" + right[11:],
             "an extension above u16": right[:-1] + b"\1\x80\x80\4\0",
             "an extension cut short": right[:-1] + b"\1\1\5aa"}
    yield "message body", "message_body", {"bytes": right}, as_bytes(wrong), {}

    target, end = draw(32), b"\0"                                # no extensions
    text = b"\0\5hello"
    kinds = {2: ("edit", target + text + b"\0" + end,
                 {"a target cut short": target[:31], "no text": target + b"\0\0" + b"\0" + end,
                  "65 mentions": target + text + b"\x41" + one * 65 + end,
                  "a byte left over": target + text + b"\0" + end + b"\0"}),
             3: ("delete", b"\1" + target + end,
                 {"nothing": b"\0" + end, "65 targets": b"\x41" + target * 65 + end,
                  "a target cut short": b"\2" + target * 2 + b"\1", "17 extensions": b"\1" + target + b"\x11" + b"\1\0" * 17}),
             4: ("reaction", target + reaction("👍") + b"\1" + end,
                 {**{why: target + reaction(given) + b"\1" + end for why, given in NO_EMOJI.items()},
                  "on is 2": target + reaction("👍") + b"\2" + end, "on is missing": target + reaction("👍") + end}),
             5: ("pin", target + b"\0" + end, {"on is 2": target + b"\2" + end, "cut short": target}),
             6: ("timer", b"\1" + varint(5_000) + end,
                 {"4 999 ms": b"\1" + varint(4_999) + end, "a year and 1 ms": b"\1" + varint(31_536_000_001) + end,
                  "an option of 2": b"\2" + varint(5_000) + end, "0 ms": b"\1\0" + end}),
             8: ("vote", target + b"\2\0\1" + end,
                 {"an option twice": target + b"\2\1\1" + end, "options not in their order": target + b"\2\1\0" + end,
                  "option 20": target + b"\1\x14" + end, "a poll cut short": target[:31], "no options": target + end,
                  "21 options": target + b"\x15" + bytes(range(21)) + end}),
             9: ("closing", target + b"\1" + one + end,
                 {"a vote twice": target + b"\2" + one * 2 + end, "votes not in their order": target + b"\2" + bytes([9]) * 32
                  + bytes([8]) * 32 + end, "a vote cut short": target + b"\1" + one[:31],
                  "1 025 votes": target + varint(1_025) + b"".join(uint(n, 32) for n in range(1_025)) + end})}
    yield from contents(one)
    for number, (name, good, wrong) in kinds.items():
        yield f"body of a {name}", "event_body", {"bytes": good}, as_bytes(wrong), {"event_kind": number}

    log = {"device": draw(32), "log": 1, "have": [(1, 2), (4, 5)]}
    conversation = draw(32)
    right = events.CONTROL.write(("Have", {"conversation": conversation, "full": True, "logs": [log]}))
    tail = lambda *intervals: right[:-5] + bytes([len(intervals)]) + b"".join(map(bytes, intervals))
    wrong = {"an unknown variant": b"\6" + right[1:], "the variant in a longer varint": b"\x83\0" + right[1:],
             "a bool of 2": right[:33] + b"\2" + right[34:], "a byte left over": right + b"\0", "cut short": right[:-1],
             "touching intervals": tail((1, 2), (3, 4)), "overlapping intervals": tail((1, 4), (3, 5)),
             "descending intervals": tail((4, 5), (1, 2)), "an interval backwards": tail((2, 1)),
             "an interval from 0": tail((0, 1)),
             "65 intervals": tail(*((2 * n + 1, 2 * n + 1) for n in range(63)), (0x7f, 0x7f), (0x81, 1, 0x81, 1)),
             "257 logs": right[:34] + b"\x81\2" + (bytes(32) + b"\0\0") * 257}
    yield "control Have", "control", {"bytes": right}, as_bytes(wrong), {}

    parts = {"name": b"\3Ada", "device_list": b"\0", "bundle": b"\0", "peer": b"\1p", "addresses": b"\1\2ab",
             "ext": b"\0"}
    contact = lambda **changed: b"\2" + b"".join((parts | changed).values()) + b"\0"
    wrong = {"a name of 65 bytes": contact(name=b"\x41" + b"n" * 65),
             "a name that is not UTF-8": contact(name=b"\1\xff"),
             "a peer id of 65 bytes": contact(peer=b"\x41" + bytes(65)),
             "nine addresses": contact(addresses=b"\x09" + b"\0" * 9),
             "an address of 257 bytes": contact(addresses=b"\1\x81\2" + bytes(257)),
             "49 153 bytes": contact(ext=b"\1\1\xee\xff\2" + bytes(49_134)),
             "17 extensions": contact(ext=b"\x11" + b"\1\0" * 17),
             "a length beyond the end": contact(bundle=b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
             "a varint of 11 bytes": contact(bundle=b"\x80" * 10 + b"\0")}
    yield "control Contact", "control", {"bytes": contact()}, as_bytes(wrong), {}
    token = draw(16)
    hello = lambda option, token: b"\0" + option + token + contact()[1:]
    wrong = {"an option of 2": hello(b"\2", token), "a token cut short": hello(b"\1", token[:15]),
             "no option": hello(b"", token)}
    yield "control ContactHello", "control", {"bytes": hello(b"\1", token)}, as_bytes(wrong), {}
    received = b"\4\1" + token
    wrong = {"an id cut short": received[:-1], "257 ids": b"\4\x81\2" + bytes(16) * 257,
             "one id too few": b"\4\2" + token}
    yield "control Received", "control", {"bytes": received}, as_bytes(wrong), {}


def as_bytes(wrong):
    return {why: {"bytes": value} for why, value in wrong.items()}


def knocks(draw):
    right = streams.REQUEST.write(("Bundle", {"hash": draw(32)}))
    asking = streams.REQUEST.write(("Ask", {"user": draw(32), "nonce": 1, "envelope": b""}))
    wrong = {"an unknown variant": b"\6" + right[1:], "an envelope that asks is too long": asking[:-1] + b"\x81\x20" + bytes(4097),
             "cut short": right[:-1], "a byte left over": right + b"\0",
             "an envelope cut short": b"\1\5aaaa", "empty": b""}
    yield "knock, request", "knock_request", {"bytes": right}, as_bytes(wrong), {}
    right = streams.RESPONSE.write(("Bundle", {"device_list": b"a", "bundle": b"b", "one_time": (7, draw(32))}))
    wrong = {"an unknown variant": b"\6", "Nothing with a rest": b"\0\0", "Closed without a reason": b"\3",
             "an option of 2": right[:5] + b"\2" + right[6:], "a one-time key 0": right[:6] + b"\0" + right[7:],
             "an id above u32": right[:6] + b"\x80\x80\x80\x80\x10" + right[7:],
             "one-time key cut short": right[:-1], "a byte left over": right + b"\0"}
    yield "knock, response", "knock_response", {"bytes": right}, as_bytes(wrong), {}


def invites(draw):
    f = invite_inputs(draw)
    f["name"] = f["name_text"]
    body = local.invite_tlv(f)
    right = local.invite_text(body)
    addresses = lambda *items: b"".join(uint(len(a), 1) + a for a in items)

    def changed(tag, value):
        fields = {at: v for at, v, _ in tlv_items(body)} | {tag: value}
        return local.invite_text(tlv(*sorted(fields.items())))

    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for name in ("Ada", "Adaa", "Adaaa"):
        spare = local.invite_text(local.invite_tlv({**f, "name": name}))
        if (len(spare) - len(local.SCHEME)) % 4:
            break
    wrong = {"one letter changed": right[:-5] + ("A" if right[-5] != "A" else "B") + right[-4:],
             "a letter is missing": right[:-1], "another scheme": "parlor:" + right[8:], "no scheme": right[8:],
             "an upper case scheme": "PARLOUR:" + right[8:], "padded": spare + "=" * (-(len(spare) - 8) % 4),
             "a letter of plain base64": right[:20] + "+" + right[21:],
             "unused bits": spare[:-1] + letters[letters.index(spare[-1]) + 1], "nothing": "parlour:",
             "longer than 400": local.SCHEME + "A" * 393, "version 2": changed(1, b"\2"),
             "no user": changed(2, None), "a peer id of 65 bytes": changed(3, draw(65)),
             "five addresses": changed(4, addresses(*[b"a"] * 5)), "an address cut short": changed(4, b"\2a"),
             "a token of 15 bytes": changed(6, draw(15)), "a name of 33 bytes": changed(8, b"n" * 33),
             "a name that is not UTF-8": changed(8, b"\xff"), "an unknown tag": changed(9, b""),
             "checksum over another purpose": resealed(body)}
    wrong = {why: written(text) for why, text in wrong.items()}
    yield "invite", "invite", written(right), wrong, {}
    yield "invite, white space around it", "invite", written(" \t" + right + "\r\n"), {
        "a space inside": written(right[:20] + " " + right[20:])}, {}


def resealed(body):
    checksum = hash_blake("keystore checksum", body)[:4]
    return local.SCHEME + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")


def keystores(draw):
    ada, eve, password = Person(draw), Person(draw), "correct horse"
    f = keystore_inputs(draw, ada, password)
    secrets = {"entropy": None, "signing_seed": ada.signing_seed, "dh_secret": ada.dh_secret,
               "certificate": ada.signed_certificate, "device_list": ada.signed_list, "profile_name": "Ada"}

    def with_secrets(**changed):
        sealed = local.sealed_secrets(f["data_key"], f["secrets_nonce"], local.secrets_tlv(secrets | changed))
        return local.keystore_file(slot, None, sealed)

    sealed = local.sealed_secrets(f["data_key"], f["secrets_nonce"], local.secrets_tlv(secrets))
    slot = local.password_slot(password.encode(), 19_456, 2, 1, f["password_salt"], f["password_nonce"], f["data_key"])
    right = local.keystore_file(slot, None, sealed)

    def with_slot(memory=19_456, passes=2, lanes=1):
        return local.keystore_file(uint(memory, 4) + uint(passes, 4) + uint(lanes, 4) + slot[12:], None, sealed)

    def finished(body):
        return body + tlv((5, hash_blake("keystore checksum", body)[:8]))

    changed = bytearray(sealed)
    changed[100] ^= 1
    wrong = {"damaged": right[:200] + bytes([right[200] ^ 1]) + right[201:], "19 455 KiB": with_slot(memory=19_455),
             "1 048 577 KiB": with_slot(memory=1_048_577), "one pass": with_slot(passes=1),
             "17 passes": with_slot(passes=17), "no lanes": with_slot(lanes=0), "five lanes": with_slot(lanes=5),
             "no slot": finished(local.MAGIC + tlv((1, b"\1"), (4, sealed))),
             "version 2": finished(local.MAGIC + tlv((1, b"\2"), (2, slot), (4, sealed))),
             "secrets changed": local.keystore_file(slot, None, bytes(changed)), "a byte left over": right + b"\0",
             "another device's key": with_secrets(dh_secret=eve.dh_secret),
             "another user's list": with_secrets(device_list=eve.signed_list),
             "another user's entropy": with_secrets(entropy=eve.entropy),
             "a name of 65 bytes": with_secrets(profile_name="n" * 65),
             "a certificate that does not verify": with_secrets(certificate=ada.signed_certificate[:-64] + bytes(64))}
    wrong = as_bytes(wrong) | {"another password": {"bytes": right, "password_text": password + " "}}
    return "keystore", "keystore", {"bytes": right}, wrong, {"password_text": password}
