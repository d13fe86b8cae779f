"""The cases of event kinds 1 to 9 (7 has its own), of cards, and of what else is said about messages and people."""

from parlour import keys
from parlour.blocks import uint
from parlour.events import BODIES

from .people import NOW, Draw, Person, event_inputs

EMOJI = ["👍", "❤️", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "1️⃣", "#️⃣", "☝🏿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "™", "🫩", "©️", "👩🏽‍🚀", "👁️‍🗨️",
         "🇦🇦", "☂"]


def pictures():
    """(name, header) of pictures of 512 × 512 pixels and less, and of what is none."""
    big, little = (lambda n, w=2: n.to_bytes(w, "big")), (lambda n, w=2: n.to_bytes(w, "little"))
    png = lambda w, h: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + big(w, 4) + big(h, 4) + b"\10\2\0\0\0"
    riff = lambda chunk, data: b"RIFF" + little(4 + 8 + len(data), 4) + b"WEBP" + chunk + little(len(data), 4) + data
    jpeg = lambda w, h, frame=0xC0: (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc4\0\4\0\0\xff" + bytes([frame])
                                     + b"\0\x0b\10" + big(h) + big(w) + b"\1\1\x11\0")
    lossless = lambda w, h: riff(b"VP8L", b"\x2f" + little(w - 1 | h - 1 << 14, 4))
    yield from {"png": png(512, 1), "png, too wide": png(513, 1), "png, no height": png(1, 0), "png, cut": png(9, 9)[:20],
                "gif": b"GIF89a" + little(1) + little(512), "older gif": b"GIF87a" + little(7) + little(8) + b"\0\0\0",
                "gif, too high": b"GIF89a" + little(1) + little(513),
                "jpeg": jpeg(300, 200), "progressive jpeg": jpeg(512, 512, 0xC2), "jpeg, too large": jpeg(513, 513),
                "jpeg without a frame": jpeg(9, 9)[:26],
                "webp": riff(b"VP8 ", b"\x10\2\0\x9d\1\x2a" + little(512) + little(3)), "lossless webp": lossless(512, 400),
                "lossless webp, too high": lossless(1, 513),
                "extended webp": riff(b"VP8X", b"\x10\0\0\0" + little(511, 3) + little(0, 3)),
                "extended webp, too wide": riff(b"VP8X", b"\x10\0\0\0" + little(512, 3) + little(0, 3)),
                "a webp of another chunk": riff(b"VP9 ", bytes(12)), "svg": b"<svg width='1' height='1'/>", "none": b"",
                "24 576 bytes": png(9, 9).ljust(24_576, b"\0"), "24 577 bytes": png(9, 9).ljust(24_577, b"\0")}.items()


def cards():
    full = {1: "Gärtnerin\nin Köln", 2: "sie/ihr", 3: "im Garten", 4: "🌱"}
    entries = [(number, text.encode()) for number, text in full.items()] + [(5, uint(NOW, 8))]
    yield "everything but a picture", entries
    yield "nothing", []
    yield "longest texts", [(1, b"a" * 512), (2, b"b" * 32), (3, b"c" * 128), (4, b"d" * 32)]
    yield "each a byte too long", [(1, b"a" * 513), (2, b"b" * 33), (3, b"c" * 129), (4, b"d" * 33), (5, bytes(9))]
    yield "no UTF-8, a time cut short", [(1, b"\xff"), (2, b"ok"), (3, b"\xed\xa0\x80"), (5, bytes(7))]
    yield "unknown numbers, any order", [(9, b"x"), (4, "🌱".encode()), (65_535, b""), (1, b"hi"), (0, b"y")]
    yield "a number twice", [(1, b"first"), (1, b"second"), (5, uint(1, 8)), (5, uint(2, 8))]
    yield "the first of two breaks its row", [(2, b"\xff"), (2, b"second")]
    for name, data in pictures():
        yield f"picture: {name}", [(6, data)]


def contents(draw):
    """(name, content) of what a message can say beside text."""
    poll = {"question": "Tee?", "options": ["ja", "nein"], "multiple": False, "anonymous": False, "closes_at": None}
    yield "poll", ["Poll", poll]
    options = [chr(0x61 + number) * 256 for number in range(20)]
    yield "longest poll", ["Poll", {"question": "?" * 1_024, "options": options, "multiple": True, "anonymous": True,
                                    "closes_at": 2**64 - 1}]
    yield "location", ["Location", {"latitude": 1_425_200_081, "longitude": 1_934_049_540, "accuracy_m": 12, "name": "Berlin"}]
    yield "the poles", ["Location", {"latitude": 1_800_000_000, "longitude": 3_600_000_000, "accuracy_m": None, "name": ""}]
    file = {"id": draw(32).hex(), "key": draw(32).hex(), "size": 2**40, "name": "Bericht.pdf", "media_type": "application/pdf",
            "thumbnail": "", "caption": ""}
    seen = {**file, "name": "g" * 255, "media_type": "x" * 63 + "/" + "y" * 63, "thumbnail": draw(16).hex(),
            "caption": "zwei\nZeilen"}
    yield "file", ["File", file]
    yield "file, as long as can be", ["File", {**seen, "thumbnail": draw(64).hex() * 128, "caption": "c" * 4_096}]
    yield "image", ["Image", {"file": seen, "width": 4_000, "height": 3_000}]
    yield "video", ["Video", {"file": seen, "width": 1_920, "height": 1_080, "duration_ms": 90_000}]
    yield "audio", ["Audio", {"file": file, "duration_ms": 0}]
    yield "voice", ["Voice", {"file": file, "duration_ms": 5_000, "wave": draw(64).hex() * 2}]
    yield "sticker", ["Sticker", {"emoji": "🌱", "name": "", "file": None}]
    yield "sticker with a picture", ["Sticker", {"emoji": "👩🏽‍🚀", "name": "los", "file": seen}]
    for number, outcome in enumerate(["ended", "missed", "declined", "failed"]):
        yield f"call, {outcome}", ["Call", {"video": number == 1, "outcome": number, "duration_ms": 0 if number else 61_000}]


def bodies():
    draw = Draw("bodies")
    ids = lambda count: [draw(32).hex() for _ in range(count)]
    text, ext = ["Text", "Grüße"], [[1, ""], [500, draw(3).hex()]]
    message = {"content": text, "reply_to": None, "thread": None, "mentions": [], "visibility": 0, "expires_after_ms": None,
               "ext": []}
    values = {"message, to be viewed once": (1, {**message, "visibility": 1}),
              "message, to be viewed twice, that disappears": (1, {**message, "visibility": 2, "expires_after_ms": 5_000}),
              "message, as long as can be": (1, {**message, "content": ["Text", "x" * 16_384]}),
              "edit": (2, {"target": draw(32).hex(), "content": text, "mentions": [], "ext": []}),
              "edit, 64 mentions": (2, {"target": draw(32).hex(), "content": text, "mentions": ids(64), "ext": ext}),
              "delete": (3, {"targets": ids(1), "ext": []}), "delete, 64 targets": (3, {"targets": ids(64), "ext": ext}),
              "pin": (5, {"target": draw(32).hex(), "on": True, "ext": []}),
              "pin taken away": (5, {"target": draw(32).hex(), "on": False, "ext": ext}),
              "timer, shortest": (6, {"expires_after_ms": 5_000, "ext": []}),
              "timer, longest": (6, {"expires_after_ms": 31_536_000_000, "ext": ext}),
              "timer off": (6, {"expires_after_ms": None, "ext": []})}
    for name, content in contents(draw):
        values[name] = (1, {**message, "content": content})
    values["location, to be viewed once"] = (1, {**message, "visibility": 1, "content": values["location"][1]["content"]})
    values["message in a thread"] = (1, {**message, "thread": draw(32).hex()})
    values["edit that says a poll"] = (2, {"target": draw(32).hex(), "content": values["poll"][1]["content"], "mentions": [],
                                           "ext": []})
    vote = lambda *options: (8, {"poll": draw(32).hex(), "options": list(options), "ext": []})
    values |= {"vote": vote(1), "vote taken back": vote(), "vote for all": vote(*range(20))}
    values |= {name: (9, {"poll": draw(32).hex(), "counted": sorted(ids(count)), "ext": ext})
               for name, count in {"poll closed": 2, "poll closed without a vote": 0, "poll closed, many votes": 64}.items()}
    for number, emoji in enumerate(EMOJI):
        values[f"reaction {number}"] = (4, {"target": draw(32).hex(), "emoji": emoji, "on": number % 3 != 2, "ext": []})
    for name, (kind, value) in values.items():
        yield "event_body", name, {"event_kind": kind, "value": value}

    ada, other = Person(draw), draw(32)
    notes, direct = keys.notes_conversation(ada.user), keys.direct_conversation(ada.user, other)
    for number, (name, (kind, value)) in enumerate([item for item in values.items() if len(item[1][1]["ext"]) == 0][2:8]):
        of_type = BODIES[kind]
        body = of_type.write(of_type.load(value))
        inputs = event_inputs(draw, ada, notes if number % 2 else direct, body, 2 + number, kind=kind)
        yield "event", f"{name}, {'in notes' if number % 2 else 'to somebody'}", inputs
    for name, entries in cards():
        yield "card", name, {"ext": [[number, data.hex()] for number, data in entries]}
