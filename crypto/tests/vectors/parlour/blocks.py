"""Building blocks: hashes, key derivation, signatures, encryption, key agreement (PROTOCOL.md section 1)."""

import hashlib
import hmac

import blake3
import nacl.bindings as sodium
from kyber_py.ml_kem import ML_KEM_768
from nacl.exceptions import CryptoError

P = b"parlour/1"
ZERO32 = bytes(32)
KEM_CIPHERTEXT = 1088
KEM_PUBLIC = 1184


class Refused(Exception):
    """What was read is not exactly what PROTOCOL.md describes, or does not verify."""


def require(condition, why):
    """Refuse with a reason unless the condition holds."""
    if not condition:
        raise Refused(why)


def uint(value, width):
    """An unsigned big-endian integer of `width` bytes."""
    return value.to_bytes(width, "big")


def lp(field):
    return uint(len(field), 4) + field


def ctx(purpose):
    return P + b"\0" + purpose.encode("ascii") + b"\0"


def framed(purpose, fields):
    return ctx(purpose) + b"".join(map(lp, fields))


def hash_blake(purpose, *fields):
    """HASH of section 1."""
    return blake3.blake3(framed(purpose, fields)).digest()


def hash_sha(purpose, *fields):
    """HASH256 of section 1."""
    return hashlib.sha256(framed(purpose, fields)).digest()


def mac(key, purpose, *fields):
    return hmac.digest(key, framed(purpose, fields), "sha256")


def same(a, b):
    """Compare two MAC outputs whole and in constant time."""
    return hmac.compare_digest(a, b)


def kdf(salt, ikm, purpose, length, *fields):
    """KDF of section 1: HKDF-SHA-256, an empty salt being 32 zero bytes."""
    prk = hmac.digest(salt or ZERO32, ikm, "sha256")
    info, block, out = framed(purpose, fields), b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(prk, block + info + bytes([counter]), "sha256")
        out += block
    return out[:length]


def xof(key, purpose, length, *fields):
    return blake3.blake3(framed(purpose, fields), key=key).digest(length=length)


def sign_public(seed):
    return sodium.crypto_sign_seed_keypair(seed)[0]


def sign(seed, purpose, message):
    secret = sodium.crypto_sign_seed_keypair(seed)[1]
    return sodium.crypto_sign(ctx(purpose) + message, secret)[:64]


def verify(public, purpose, message, signature):
    """A strict Ed25519 check: canonical S, neither the key nor R of small order."""
    try:
        sodium.crypto_sign_open(signature + ctx(purpose) + message, public)
    except (CryptoError, ValueError) as error:
        raise Refused(f"bad signature: {purpose}") from error


def aead_seal(key, nonce, ad, text):
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(text, ad, nonce, key)


def aead_open(key, nonce, ad, sealed):
    return _open(sodium.crypto_aead_chacha20poly1305_ietf_decrypt, key, nonce, ad, sealed)


def xaead_seal(key, nonce, ad, text):
    return sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(text, ad, nonce, key)


def xaead_open(key, nonce, ad, sealed):
    return _open(sodium.crypto_aead_xchacha20poly1305_ietf_decrypt, key, nonce, ad, sealed)


def _open(decrypt, key, nonce, ad, sealed):
    require(len(sealed) >= 16, "sealed text shorter than its tag")
    try:
        return decrypt(sealed, ad, nonce, key)
    except CryptoError as error:
        raise Refused("the sealed text does not open") from error


def dh_public(secret):
    return sodium.crypto_scalarmult_base(secret)


def dh(secret, public):
    """X25519; an all-zero result is an error."""
    try:
        shared = sodium.crypto_scalarmult(secret, public)
    except (CryptoError, RuntimeError) as error:
        raise Refused("X25519 key of low order") from error
    require(shared != ZERO32, "X25519 key of low order")
    return shared


def kem_keys(seed):
    """ML-KEM-768 (encapsulation key, decapsulation key) from the 64 bytes d ‖ z of FIPS 203."""
    return ML_KEM_768.key_derive(seed)


def kem_encaps(public, random):
    """(shared secret, ciphertext) from the 32 random bytes m of FIPS 203."""
    kem_check(public)
    return ML_KEM_768._encaps_internal(public, random)


def kem_decaps(secret, ciphertext):
    return ML_KEM_768.decaps(secret, ciphertext)


def kem_check(public):
    """The encapsulation key check of FIPS 203: every coefficient is below 3329."""
    require(len(public) == KEM_PUBLIC, "width of the ML-KEM key")
    for i in range(0, 1152, 3):
        three = int.from_bytes(public[i:i + 3], "little")
        require(three & 0xFFF < 3329 and three >> 12 < 3329, "ML-KEM key out of range")
