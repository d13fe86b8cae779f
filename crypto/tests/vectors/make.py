"""Write the files of cases: `make.py [DIR]`. Running it again gives the same bytes. `make.py DIR FROM TO`: other random histories
of rooms, for the crate's test `more_cases_agree`.

A file is `{"topic": …, "cases": [case …]}`, a case `{"name": …, "kind": …, "in": {…}, "mid": {…}, "out": {…}}`.
`in` holds everything a case begins with: private keys, seeds, random values, fields. `mid` holds what is derived on the
way and may be left out by a writer. `out` holds the results. The kinds are the functions of cases/kinds.py and
cases/sessions.py, and cases/readers.py for `refused`; there one sees which names each has.

Values: bytes are lower-case hex, integers are JSON numbers, absent optional values are null. Names ending in `_text`,
and the names `purpose`, `kind`, `type`, `do`, `by`, `name` and `reader`, hold text as it is. `X_secret` is an X25519
secret, `X_seed` an Ed25519 seed (`kem_seed`: d ‖ z of FIPS 203; `kem_random`: m), the signed forms of certificates,
lists and bundles are `certificate`, `device_list`, `bundle`. `value` is a postcard value: structures by field name,
enums as [variant, value], sequences as lists, and in it strings are text where PROTOCOL.md says string, else hex.

first_flight: `a` starts and `b` answers; `tag_key` keys the envelope's tag; the last list reference of A is in `a`.
conversation: begins with the `first_flight` given. Message 0 is that envelope, and each `seal` step makes the next
message; `envelopes` holds them all, `headers` and `message_keys` those of the `seal` steps. Steps, each `by` a or b:
  seal            seal `payload`; has `ratchet_secret` exactly where it begins a sending chain; `kem_seed` is for an offer
                  and `kem_random` for an answer, where there is one to make, and may be there without need
  drop            seal `count` times, what and with what header nonce does not matter, and throw the envelopes away
  pass            seal, what and with what header nonce does not matter; the other side opens it at once
  open            open message `message`
  refuse          message `message` must be refused, leaving the state as it was
  refuse_changed  so must it with the lowest bit of byte `at` of the envelope turned over
  refuse_seal     sealing must fail
  refuse_given    so must opening `envelope`, which the right keys sealed
  open_given      `envelope`, which the right keys sealed, opens with `payload`
  know            it becomes known that the other side takes part in refreshes
  ask             a refresh is due from now on, as after 50 messages
`drop` and `pass` have random values as `seal` has. `refreshes` is the higher count of the two sides at the end.
stream: `open` and `accept` are without their length, `records` are whole frames, length included.
fold: `operations` are made one by one, by numbers: `by` a device, `parents` and what else refers to operations by their
place in `operations`, users and devices by theirs; `devices` are [user, signing seed, X25519 secret], `lists`
[user, version, previous list, devices certified, devices revoked, recovered], a `policy` its fields in order. Certificates
and lists are of 1 790 000 000 000, the certificates for 300 days with serial 1. Header: log = salt = the number of the
operation, seq 1, no parents; a link's token is the number as 16 bytes; `reason`, `logs` and `purge` are empty. `wire`
is an operation that cannot be made so. Those that `arrived` are folded; `views` are heads, in and as what they come to.
refused: `reader` accepts `right` and must refuse each of `wrong`, all with the other inputs as context. What is read is
`bytes` or `given_text`; `edits` instead of `bytes` change those of `right`: from byte `at`, `cut` bytes give way to
`put`, repeated `times`, for each [at, cut, put, times], the offsets being those before any edit. Other names in an
entry replace context. `why_text` says what is wrong, and as a rule that is the only thing wrong: signatures and
checksums are made anew over what was changed.
"""

import json
import pathlib
import sys

from cases import bodies, histories, kinds, readers, refreshes, refusals, scenes, sessions, topics, topics_more, topics_rooms  # noqa: F401, some add to the kinds
from cases.given import plain, run

TOPICS = {"identifiers": topics.identifiers, "identity": topics.identity, "device": topics.device,
          "prekey": topics.prekey, "handshake": topics.handshake, "ratchet": topics.ratchet, "refreshes": refreshes.refreshes,
          "events": topics_more.events, "bodies": bodies.bodies, "streams": topics_more.streams, "knock": topics_more.knock,
          "invite": topics_more.invite, "safety_number": topics_more.safety_number,
          "keystore": topics_more.keystore, "fold": scenes.fold, "rooms": topics_rooms.rooms, "refused": refusals.refused}


def make_case(kind, name, inputs):
    inputs = plain(inputs)
    middle, out = run(kind, inputs)
    middle.pop("reasons_text", None)
    return {"name": name, "kind": kind, "in": inputs, "mid": middle, "out": out}


def write(path, topic, cases):
    content = {"topic": topic, "cases": [make_case(*case) for case in cases]}
    path.write_text(json.dumps(content, indent=0, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(f"{path.name}: {len(content['cases'])} cases, {path.stat().st_size} bytes")


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent
    if len(sys.argv) > 2:
        return write(folder / "more.json", "more", histories.histories(range(int(sys.argv[2]), int(sys.argv[3]))))
    for topic, cases in TOPICS.items():
        write(folder / f"{topic}.json", topic, cases())


if __name__ == "__main__":
    main()
