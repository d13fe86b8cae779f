"""Cards: the fields of `Profile.ext`, and pictures told by their headers (PROTOCOL.md section 8)."""

LIMITS = {1: 512, 2: 32, 3: 128, 4: 32}
NAMES = {1: "about", 2: "pronouns", 3: "status", 4: "emoji"}
AVATAR = 24_576
SIDE = 512


def text_of(data, limit):
    """A text, empty where it breaks its row."""
    try:
        return data.decode("utf-8") if len(data) <= limit else ""
    except UnicodeDecodeError:
        return ""


def read_card(ext):
    """What a card says; of a number that is there twice the first counts."""
    first = dict(reversed(ext))
    found = {name: text_of(first.get(number, b""), LIMITS[number]) for number, name in NAMES.items()}
    until = first.get(5, b"")
    found["status_expires"] = int.from_bytes(until, "big") if len(until) == 8 else 0
    avatar = first.get(6, b"")
    found["avatar"] = picture(avatar) if len(avatar) <= AVATAR else None
    return found


def picture(data):
    """The media type of a picture of at most 512 × 512 pixels, or None."""
    for kind, size_of in (("png", png), ("gif", gif), ("webp", webp), ("jpeg", jpeg)):
        try:
            size = size_of(data)
        except IndexError:              # cut short
            size = None
        if size:
            return "image/" + kind if all(1 <= side <= SIDE for side in size) else None
    return None


def number(data, at, width, order):
    if at + width > len(data):
        raise IndexError
    return int.from_bytes(data[at:at + width], order)


def png(data):
    if data[:16] == b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR":
        return number(data, 16, 4, "big"), number(data, 20, 4, "big")
    return None


def gif(data):
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return number(data, 6, 2, "little"), number(data, 8, 2, "little")
    return None


def webp(data):
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    if data[12:16] == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return number(data, 26, 2, "little") & 0x3FFF, number(data, 28, 2, "little") & 0x3FFF
    if data[12:16] == b"VP8L" and data[20:21] == b"\x2f":
        bits = number(data, 21, 4, "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if data[12:16] == b"VP8X":
        return number(data, 24, 3, "little") + 1, number(data, 27, 3, "little") + 1
    return None


def jpeg(data):
    """Segments up to the first start of frame."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while data[at] == 0xFF:
        marker, length = data[at + 1], number(data, at + 2, 2, "big")
        if at + 2 + length > len(data) or length < 2:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            segment = data[at + 4:at + 2 + length]
            return number(segment, 3, 2, "big"), number(segment, 1, 2, "big")
        at += 2 + length
    return None
