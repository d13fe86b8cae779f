"""What the cases of rooms mean. Operations are written short: users, devices, lists and operations by their numbers."""

from parlour import blocks, chains, events, keys, local, operations
from parlour import envelope as env
from parlour.blocks import ZERO32, require, uint
from parlour.fold import Fold

from .given import kind, refuses
from .kinds import postcard

DAY = keys.DAY_MS
POLICY = ("post", "invite", "pin", "info", "remove", "roles", "join", "history", "slow_mode_ms", "expires_after_ms")
BEGIN = 1_790_000_000_000


class World:
    """The users, devices, lists and operations of a case, in the order in which they are written down."""

    def __init__(self):
        self.users, self.identities, self.devices, self.lists, self.signed_lists = [], [], [], [], []
        self.events, self.taken, self.numbers, self.room = [], [], {}, None

    def user(self, identity):
        self.identities.append(identity)
        self.users.append(blocks.sign_public(identity))

    def device(self, user, signing_seed, dh_secret):
        signed = keys.issue_certificate(self.identities[user], signing_seed, dh_secret, 3, BEGIN, BEGIN + 300 * DAY, 1)
        self.devices.append((user, signing_seed, keys.read_certificate(signed)))

    def list(self, user, version, previous, devices, revoked, recovered):
        certificates = sorted((self.devices[d][2] for d in devices), key=lambda c: c.device)
        previous = ZERO32 if previous is None else self.lists[previous].hash
        signed = keys.issue_list(self.identities[user], version, previous, [c.signed for c in certificates],
                                 sorted(self.devices[d][2].device for d in revoked), recovered, BEGIN)
        self.lists.append(keys.read_list(signed))
        self.signed_lists.append(signed)

    def operation(self, by, op_seq, parents, clock, act):
        """Sign and take an operation; its number serves as log number and salt."""
        number, (user, seed, certificate) = len(self.taken), self.devices[by]
        body = {"user": self.users[user], "op_seq": op_seq, "parents": sorted(self.taken[p].id for p in parents),
                "act": self.act(number, act), "ext": None if act[0] == "Later" else []}
        fields = {"kind": operations.OPERATION, "conversation": self.room or ZERO32, "device": certificate.device,
                  "log": number, "seq": 1, "prev": None, "parents": [], "clock": clock, "view": None}
        salt, body = uint(number, 16), operations.BODY.write(body)
        made = events.issue_event(seed, fields, salt, body)
        room = self.room
        if act[0] == "Create":
            room = operations.room_id(made.header)
            self.room = self.room or room
            made = events.issue_event(seed, {**fields, "conversation": room}, salt, body)
        self.take(made.wire(), certificate, room)

    def take(self, wire, certificate, room):
        taken = operations.read_operation(wire, room, certificate)
        self.events.append(events.read_event(wire))
        self.numbers[taken.id] = len(self.taken)
        self.taken.append(taken)

    def act(self, number, short):
        """An act as it is encoded, from its short form."""
        what, given = short
        if what == "Later":
            return what, (given[0], bytes.fromhex(given[1]))
        act = dict(given or {})
        for name in ("info", "policy"):
            if name in act:
                act[name] = self._info(act[name]) if name == "info" else dict(zip(POLICY, act[name], strict=True))
        if what == "Info":
            act = self._info(act)
        if what == "Policy":
            act = dict(zip(POLICY, act["fields"], strict=True))
        if what in ("Remove", "Devices"):
            act["logs"] = []
        if what == "Remove":
            device = act["device"]
            act.update(reason="", purge=False, device=None if device is None else self.devices[device][2].device)
        if what == "Link":
            act["token"] = blocks.hash_blake("room link token", uint(number, 16))
        if act.get("user") is not None:
            act["user"] = self.users[act["user"]]
        if "device_list" in act:
            act["device_list"] = self.signed_lists[act["device_list"]]
        if what == "Join":
            act["invite"] = self._id(act["invite"])
        if what == "RevokeLink":
            act["link"] = self._id(act["link"])
        if what == "Invite" and act["link"]:
            act["link"] = [self._id(act["link"][0]), act["link"][1]]
        return what, (act or None if what == "Leave" else act)

    def _id(self, number):
        return None if number is None else self.taken[number].id

    @staticmethod
    def _info(given):
        avatar = given.get("avatar")
        return {"name": given.get("name_text"), "topic": given.get("topic_text"),
                "avatar": None if avatar is None else bytes.fromhex(avatar)}


def world_of(i):
    world = World()
    for identity in i("users"):
        world.user(identity)
    for user, signing_seed, dh_secret in i["devices"]:
        world.device(user, bytes.fromhex(signing_seed), bytes.fromhex(dh_secret))
    for each in i["lists"]:
        world.list(*each)
    for each in i["operations"]:
        if "wire" in each:
            world.take(bytes.fromhex(each["wire"]), world.devices[each["by"]][2], world.room)
        else:
            world.operation(*(each[name] for name in ("by", "op_seq", "parents", "clock", "act")))
    return world


def state(world, fold):
    """The state in numbers; users without a rank are not in it, nor operations which wait, but as such."""
    number, user = world.numbers, world.users.index
    device = [d[2].device for d in world.devices].index
    ranks = fold.ranks(fold.all)
    policy = fold.policy(fold.all)
    return {"heads": sorted(number[i] for i in fold.heads(fold.all)), "view": fold.view(),
            "waits": sorted(number[i] for i in fold.given if i not in fold.all),
            "void": sorted(number[i] for i in fold.all - fold.counted - fold.of(fold.all, "Later")),
            "ranks": sorted([user(u), rank] for u, rank in ranks.items()),
            "banned": sorted(user(u) for u in fold.bans()), "policy": [policy[name] for name in POLICY],
            "links": sorted([number[i], used] for i, used in fold.links().items()),
            "invites": sorted([user(u), number[i]] for u, i in fold.invites().items()),
            "devices": sorted([user(u), sorted(device(d) for d in fold.devices(u))] for u in ranks),
            "forked": sorted(device(d) for d in fold.forked()),
            "name_text": fold.info("name"), "topic_text": fold.info("topic"), "avatar": fold.info("avatar")}


def view_state(world, fold, heads):
    """What content with these heads is judged by."""
    ids = fold.closure({world.taken[n].id for n in heads})
    policy = fold.policy(ids)
    return {"view": operations.membership_view(world.room, [world.taken[n].id for n in heads]),
            "ranks": sorted([world.users.index(u), rank] for u, rank in fold.ranks(ids).items()),
            "policy": [policy[name] for name in POLICY]}


@kind
def fold(i, _):
    """The operations that `arrived`, in that order, which must not matter."""
    world = world_of(i)
    arrived = [world.taken[n] for n in i["arrived"]]
    found = Fold(world.room, arrived)
    said = state(world, found)
    require(said == state(world, Fold(world.room, arrived[::-1])), "the order of arrival matters")
    reasons = {str(world.numbers[o]): why for o, why in found.reasons.items()}
    return {"reasons_text": reasons}, {"room": world.room, **said,
                                       "views": [view_state(world, found, heads) for heads in i["views"]]}


# -- operations, chains, links -----------------------------------------------------------------------------------------

postcard("operation", operations.BODY)


@kind
def audience(i, stated):
    """Of devices that ascend, the root, and the proofs of some by their places."""
    devices = i("devices")
    root = chains.audience_root(devices)
    made = [chains.prove(devices, devices[at]) for at in i["proved"]]
    for at, proof in zip(i["proved"], (events.PROOF.load(p) for p in stated.get("proofs") or map(events.PROOF.dump, made))):
        chains.check_proof(proof, devices[at], root)
    return {"top": chains.top(devices)}, {"root": root, "proofs": [events.PROOF.dump(proof) for proof in made]}


def shared_chain(i, iteration, key, proof=None):
    return {"cert": chains_certificate(i), "iteration": iteration, "chain_key": key, "header_key": i("header_key"),
            "tag_key": i("tag_key"), "view": [], "proof": proof, "ext": []}


def chains_certificate(i):
    owner = keys.read_certificate(i("certificate"))
    return chains.issue_chain(i("signing_seed"), i("room"), i("chain"), owner.device, i("view"),
                              chains.audience_root(i("audience")), chains.chain_keys(i("header_key"), i("tag_key")))


@kind
def sender_chain(i, stated):
    """A chain from its making on: the messages sealed, and what two readers do.

    Reader 0 has the chain from the owner, at its begin; reader 1 from somebody else with a proof, before message `from`.
    """
    owner, audience = keys.read_certificate(i("certificate")), i("audience")
    key, made, at_from = i("chain_key"), [], None
    for number, message in enumerate(i["messages"]):
        at_from = key if number == i["from"] else at_from
        message_key, key = chains.step(key)
        if message is None:
            made.append(None)
            continue
        prefix = env.prefix(i("tag_key"), "envelope tag", i["day"])
        made.append(chains.seal_message(i("room"), i("chain"), prefix, i("header_key"), number, message_key,
                                        bytes.fromhex(message["header_nonce"]), b"\1" + bytes.fromhex(message["wire"])))
    first = shared_chain(i, 0, i("chain_key"))
    later = shared_chain(i, i["from"], at_from, chains.prove(audience, i("reader")))
    if stated:
        first, later = (events.SHARED_CHAIN.load(value) for value in stated["shared"])
    readers = [chains.Reader(i("room"), owner, i("reader")) for _ in range(2)]
    require(readers[0].take(first, owner.device), "the first reader has the chain already")
    require(readers[1].take(later, ZERO32), "the second reader has the chain already")
    envelopes = [e and bytes.fromhex(e) for e in stated["envelopes"]] if stated else made
    for reader, what, number, *at in i["steps"]:
        envelope = bytearray(envelopes[number] if what != "refuse_given" else i("given")[number])
        if what == "refuse_changed":
            envelope[at[0]] ^= 1
        if what == "open":
            event = readers[reader].open(bytes(envelope))
            require(event.wire().hex() == i["messages"][number]["wire"], "opens as another event")
        else:
            refuses(lambda: readers[reader].open(bytes(envelope)), f"message {number} was accepted")
    return {}, {"shared": [events.SHARED_CHAIN.dump(value) for value in (first, later)], "envelopes": made}


@kind
def room_shard(i, _):
    return {}, {"shard": env.shard(i("room"), i["day"], "room shard")}


@kind
def room_link(i, stated):
    f = {"user": i("user"), "peer": i("peer"), "addresses": i("addresses"), "bundle_hash": i("bundle_hash"),
         "token": i("token"), "expires": i["expires"], "name": i.get("name_text"), "room": i("room")}
    text = local.invite_text(local.invite_tlv(f))
    require(local.read_room_link(stated.get("link_text") or text) == f, "reads as another link")
    refuses(lambda: local.read_invite(text), "a room link read as an invite")
    return {}, {"link_text": text, "token_hash": blocks.hash_blake("room link token", i("token"))}
