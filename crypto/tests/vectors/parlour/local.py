"""Invites, safety numbers and the keystore (PROTOCOL.md section 10)."""

import base64
import hashlib
import re

import argon2.low_level as argon2

from .blocks import ctx, dh_public, hash_blake, kdf, require, same, sign_public, uint, xaead_open, xaead_seal
from .codec import read_tlv, split, tlv, tlv_items, utf8
from .keys import device_id, identity_seed, read_certificate, read_list

# -- invites -----------------------------------------------------------------------------------------------------------

SCHEME = "parlour:"
INVITE = [(1, "version", "u8"), (2, "user", 32), (3, "peer", None), (4, "addresses", None), (5, "bundle_hash", 32),
          (6, "token", 16), (7, "expires", "u64"), (8, "name", None, "optional")]
ROOM_LINK = INVITE + [(9, "room", 32)]
ADDRESS = [field for field in INVITE if field[0] not in (5, 6, 7)]


def link_fields(f):
    """The fields that every link has."""
    addresses = b"".join(uint(len(a), 1) + a for a in f["addresses"])
    name = None if f["name"] is None else f["name"].encode()
    return [(1, b"\1"), (2, f["user"]), (3, f["peer"]), (4, addresses), (8, name)]


def invite_tlv(f):
    """The TLV of an invite, or of a room link, where there is a room."""
    own = [(5, f["bundle_hash"]), (6, f["token"]), (7, uint(f["expires"], 8)), (9, f.get("room"))]
    return tlv(*sorted(link_fields(f) + own, key=lambda field: field[0]))


def address_tlv(f):
    return tlv(*link_fields(f))


def invite_text(body):
    """The text of an invite whose TLV is given."""
    checksum = hash_blake("invite checksum", body)[:4]
    text = SCHEME + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")
    require(len(text) <= 400, "invite too long")
    return text


def read_invite(text):
    return read_link(text, INVITE)


def read_room_link(text):
    return read_link(text, ROOM_LINK)


def read_address(text):
    return read_link(text, ADDRESS)


def read_link(text, fields):
    text = text.strip()
    require(len(text) <= 400, "invite too long")
    require(re.fullmatch(SCHEME + "[A-Za-z0-9_-]*", text), "letters of the invite")
    letters = text[len(SCHEME):]
    require(len(letters) % 4 != 1, "length of the invite")
    data = base64.urlsafe_b64decode(letters + "=" * (-len(letters) % 4))
    require(base64.urlsafe_b64encode(data).decode().rstrip("=") == letters, "unused bits of the invite")
    require(len(data) >= 4, "invite cut short")
    body, checksum = data[:-4], data[-4:]
    require(same(hash_blake("invite checksum", body)[:4], checksum), "checksum of the invite")
    f = read_tlv(body, fields)
    require(f.pop("version") == 1, "version of the invite")
    require(len(f["peer"]) <= 64, "peer id of the invite")
    addresses, rest = [], f["addresses"]
    while rest:
        length, rest = split(rest, 1)
        address, rest = split(rest, length[0])
        addresses.append(address)
    require(len(addresses) <= 4, "more than 4 addresses")
    if f["name"] is not None:
        require(len(f["name"]) <= 32, "name of the invite")
        f["name"] = utf8(f["name"])
    return {**f, "addresses": addresses}


# -- safety numbers ----------------------------------------------------------------------------------------------------

def half_number(user):
    """The 30 digits of one user."""
    digest = hashlib.sha512(ctx("safety number") + user).digest()
    for _ in range(5200):
        digest = hashlib.sha512(digest + user).digest()
    return "".join(f"{int.from_bytes(digest[5 * k:5 * k + 5], 'big') % 100_000:05}" for k in range(6))


def safety_number(user, other):
    """Twelve groups of five digits."""
    digits = "".join(sorted((half_number(user), half_number(other))))
    return " ".join(digits[i:i + 5] for i in range(0, 60, 5))


# -- keystore ----------------------------------------------------------------------------------------------------------

MAGIC = b"PARLOURK"
KEYSTORE = [(1, "version", "u8"), (2, "password_slot", 100, "optional"), (3, "node_slot", 72, "optional"),
            (4, "secrets", None), (5, "checksum", 8)]
SECRETS = [(1, "entropy", 32, "optional"), (2, "signing_seed", 32), (3, "dh_secret", 32), (4, "certificate", None),
           (5, "device_list", None), (6, "profile_name", None)]


def password_key(password, memory, passes, lanes, salt):
    """wk; parameters out of bounds are refused unused."""
    require(19_456 <= memory <= 1_048_576 and 2 <= passes <= 16 and 1 <= lanes <= 4, "parameters of the password slot")
    raw = argon2.hash_secret_raw(password, salt, passes, memory, lanes, 32, argon2.Type.ID, version=0x13)
    return kdf(b"", raw, "keystore password", 32)


def node_key(file):
    require(len(file) == 32, "length of the node key file")
    return kdf(b"", file, "keystore node key", 32)


def secrets_key(data_key):
    return kdf(b"", data_key, "keystore secrets", 32)


def subkey(data_key, name):
    return kdf(b"", data_key, "keystore subkey", 32, name.encode())


def password_slot(password, memory, passes, lanes, salt, nonce, data_key):
    wk = password_key(password, memory, passes, lanes, salt)
    return uint(memory, 4) + uint(passes, 4) + uint(lanes, 4) + salt + nonce + xaead_seal(wk, nonce, b"", data_key)


def node_slot(file, nonce, data_key):
    return nonce + xaead_seal(node_key(file), nonce, b"", data_key)


def secrets_tlv(s):
    return tlv((1, s["entropy"]), (2, s["signing_seed"]), (3, s["dh_secret"]), (4, s["certificate"]),
               (5, s["device_list"]), (6, s["profile_name"].encode()))


def sealed_secrets(data_key, nonce, secrets):
    return nonce + xaead_seal(secrets_key(data_key), nonce, MAGIC, secrets)


def keystore_file(password, node, secrets):
    """The file from its two slots (either may be None) and the sealed secrets."""
    require(password or node, "a keystore without a slot")
    body = MAGIC + tlv((1, b"\1"), (2, password), (3, node), (4, secrets))
    return body + tlv((5, hash_blake("keystore checksum", body)[:8]))


def check_secrets(s):
    """The secrets must belong together."""
    certificate = read_certificate(s["certificate"])
    own = device_id(sign_public(s["signing_seed"]), dh_public(s["dh_secret"]))
    require(certificate.device == own, "the certificate of another device")
    require(read_list(s["device_list"]).user == certificate.user, "the device list of another user")
    if s["entropy"] is not None:
        require(sign_public(identity_seed(s["entropy"])) == certificate.user, "the entropy of another user")


def read_keystore(file, password=None, node=None):
    """(data key, secrets) with a password or a node key file."""
    magic, body = split(file, len(MAGIC))
    require(magic == MAGIC, "not a keystore")
    f = read_tlv(body, KEYSTORE)
    require(f["version"] == 1, "version of the keystore")
    end = len(MAGIC) + tlv_items(body)[-1][2]
    require(same(hash_blake("keystore checksum", file[:end])[:8], f["checksum"]), "the keystore is damaged")
    require(f["password_slot"] or f["node_slot"], "a keystore without a slot")
    if password is not None:
        require(f["password_slot"], "no password slot")
        memory, passes, lanes, salt, nonce, sealed = split(f["password_slot"], 4, 4, 4, 16, 24)
        wk = password_key(password, *(int.from_bytes(n, "big") for n in (memory, passes, lanes)), salt)
        data_key = xaead_open(wk, nonce, b"", sealed)
    else:
        require(f["node_slot"], "no node key slot")
        nonce, sealed = split(f["node_slot"], 24)
        data_key = xaead_open(node_key(node), nonce, b"", sealed)
    nonce, sealed = split(f["secrets"], 24)
    secrets = read_tlv(xaead_open(secrets_key(data_key), nonce, MAGIC, sealed), SECRETS)
    require(len(secrets["profile_name"]) <= 64, "profile name")
    check_secrets(secrets)
    return data_key, {**secrets, "profile_name": utf8(secrets["profile_name"])}
