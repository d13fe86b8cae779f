"""Histories of rooms made by hand: the ways in which somebody might gain from what the rules leave open."""

import hashlib
from dataclasses import replace

import nacl.bindings as sodium

from parlour import blocks

from .histories import FAR, History, histories

OPEN = [2, 2, 2, 2, 3, 3, 3, 1, 0, None]
LINKS = [2, 2, 2, 2, 3, 3, 1, 1, 0, None]


class Scene(History):
    """Users 0, 1, 2 and 3 in a room; 0 owns it, and 0 and 1 have two devices each: 0 and 1, 2 and 3, the others 4, 5 …"""

    def __init__(self, name, policy=LINKS, members=4, users=4):
        super().__init__(name, users)
        self.begin(members, policy)
        for device in range(len(self.known)):
            self.sync(device, 0)
        self.meet()

    def meet(self):
        """Everybody learns everything."""
        everything = set().union(*self.known)
        self.known = [set(everything) for _ in self.known]

    def role(self, device, user, role):
        return self.do(device, "Role", {"user": user, "role": role})

    def remove(self, device, user, of=None, ban=False):
        return self.do(device, "Remove", {"user": user, "device": of, "ban": ban})

    def invite(self, device, user, role=2, link=None):
        return self.do(device, "Invite", {"user": user, "role": role, "link": link})

    def join(self, device, invite=None):
        user = self.user_of(device)
        return self.do(device, "Join", {"invite": invite, "device_list": self.newest[user]})

    def rename(self, device, name, **given):
        return self.do(device, "Info", {"name_text": name}, **given)

    def hand_over(self, device, user):
        return self.do(device, "Transfer", {"user": user})


def another_signature(seed, message):
    """A second signature of the same bytes, which the rules of signing forbid but those of verifying do not."""
    digest = hashlib.sha512(seed).digest()
    low, public = bytearray(digest[:32]), blocks.sign_public(seed)
    low[0] &= 248
    low[31] = low[31] & 127 | 64
    secret = sodium.crypto_core_ed25519_scalar_reduce(bytes(low) + bytes(32))
    nonce = sodium.crypto_core_ed25519_scalar_reduce(hashlib.sha512(b"another" + message).digest())
    point = sodium.crypto_scalarmult_ed25519_base_noclamp(nonce)
    factor = sodium.crypto_core_ed25519_scalar_reduce(hashlib.sha512(point + public + message).digest())
    return point + sodium.crypto_core_ed25519_scalar_add(nonce, sodium.crypto_core_ed25519_scalar_mul(factor, secret))


def two_beginnings(scene):
    """The creator signs the header twice: two roots that say the same."""
    world, first = scene.world, scene.world.events[0]
    wire = replace(first, signature=another_signature(world.devices[0][1], blocks.ctx("event") + first.header)).wire()
    scene.inputs["operations"].append({"by": 0, "wire": wire.hex()})
    world.take(wire, world.devices[0][2], world.room)
    second = len(world.taken) - 1
    scene.rename(0, "above the first alone")
    scene.known[1] = {second}
    scene.rename(1, "above the second alone")
    scene.do(1, "Devices", {"device_list": scene.list(0, [1], [0])})
    scene.do(2, "Info", {"topic_text": "above both"}, knows=scene.known[2] | {second})


def two_heirs(scene):
    """The owner's two devices give the room to different users; both heirs act, and the owner acts beside it."""
    scene.role(0, 3, 4)
    scene.meet()
    scene.hand_over(0, 1)
    scene.hand_over(1, 2)
    scene.remove(2, 3)
    scene.remove(4, 3)
    scene.meet()
    scene.remove(2, 2)
    scene.hand_over(4, 0)
    scene.role(0, 3, 3)


def round_of_transfers(scene):
    scene.hand_over(0, 1)
    scene.meet()
    scene.hand_over(2, 2)
    scene.meet()
    scene.do(2, "Leave")
    scene.hand_over(4, 0)
    scene.do(4, "Leave")
    scene.meet()
    scene.do(0, "Leave")
    scene.remove(0, 3)
    scene.role(0, 2, 3)
    scene.hand_over(0, 1)
    scene.meet()
    scene.do(0, "Leave")
    scene.meet()
    scene.role(2, 0, 3)


def admins_fall_out(scene):
    """Two admins remove each other; of two others the owner raises one beside their removals of each other."""
    scene.role(0, 1, 4)
    scene.role(0, 2, 4)
    scene.meet()
    scene.remove(2, 2)
    scene.remove(4, 1)
    scene.meet()
    scene.role(2, 3, 3)
    scene.remove(4, 3)
    scene.remove(0, 1)
    scene.role(1, 1, 3)


def raised_beside(scene):
    """Beside what an admin does to those below, the owner raises one to the admin's height and one only to the height of a moderator."""
    scene.role(0, 1, 4)
    scene.meet()
    for user, role in ((2, 4), (3, 3)):
        scene.remove(2, user)
        scene.role(0, user, role)
    scene.rename(4, "raised beside the removal")
    scene.rename(5, "removed beside it")
    scene.meet()
    scene.role(4, 1, 3)
    scene.role(4, 3, 2)
    scene.role(0, 3, 2)
    scene.meet()
    scene.role(4, 3, 4)


def joined_twice(scene):
    """A user's two devices join beside each other; the second join does not lower what the owner made of the first."""
    scene.remove(0, 1)
    invite = scene.invite(0, 1)
    scene.meet()
    before = set(scene.known[2])
    scene.join(2, invite)
    scene.sync(0, 2)
    scene.role(0, 1, 3)
    scene.do(3, "Join", {"invite": invite, "device_list": scene.newest[1]}, knows=before)
    scene.meet()
    scene.remove(2, 3)


def circle_of_removals(scene):
    """Everybody removes the next one, none knowing of the others, and the owner removes one of them."""
    for user in (1, 2, 3):
        scene.role(0, user, 3)
    scene.meet()
    for device, user in ((2, 2), (4, 3), (5, 1)):
        scene.remove(device, user)
    scene.remove(0, 2)


def back_dated(scene):
    """Who was an admin goes back to when they were one, with new numbers and with used ones."""
    scene.role(0, 1, 4)
    scene.role(0, 2, 3)
    scene.meet()
    then = set(scene.known[2])
    scene.remove(0, 1, ban=True)
    scene.meet()
    for seq in (None, 4, 3):
        scene.remove(2, 2)
        scene.do(2, "Invite", {"user": 3, "role": 1, "link": None}, knows=then, seq=seq)
    scene.do(3, "Policy", {"fields": OPEN}, knows=then)
    scene.do(3, "Unban", {"user": 1}, knows=then, seq=2)
    scene.do(2, "Join", {"invite": None, "device_list": scene.newest[1]})


def one_number_twice(scene):
    """A device makes two operations of one number; others build on each, and on both."""
    scene.role(0, 1, 4)
    scene.meet()
    before = set(scene.known[2])
    ban = scene.do(2, "Remove", {"user": 3, "device": None, "ban": True}, knows=before)
    kind = scene.do(2, "Role", {"user": 3, "role": 3}, knows=before)
    scene.do(4, "Info", {"name_text": "knows the ban"}, knows=before | {ban})
    scene.do(0, "Info", {"name_text": "knows the role"}, knows=before | {kind})
    scene.do(5, "Info", {"name_text": "knows both"}, knows=before | {ban, kind})


def stolen_device(scene):
    """The owner's second device goes on beside and after the list that revokes it, and a member's too."""
    late = scene.list(0, [0], [1])
    member = scene.list(1, [2], [3])
    scene.remove(1, 3)
    scene.hand_over(1, 1)
    scene.do(0, "Devices", {"device_list": late})
    scene.do(2, "Devices", {"device_list": member})
    scene.rename(3, "beside the member's list")
    scene.meet()
    scene.rename(1, "after the owner's list")
    scene.rename(3, "after the member's list", seq=7)
    scene.rename(3, "again", seq=7, knows=scene.known[2])


def ended_and_out_of_sequence(scene):
    """What a revoked device does out of sequence is no second operation of a number."""
    scene.rename(3, "first", knows=set(scene.known[3]))
    scene.rename(3, "second")
    number = scene.next_seq(3, scene.known[3])
    scene.do(2, "Devices", {"device_list": scene.list(1, [2], [3])})
    beside = set(scene.known[3])
    scene.rename(3, "third", knows=beside)
    scene.rename(3, "out of sequence, its device being ended", knows=set(scene.known[2]), seq=number)


def recovery(scene):
    """Recovered lists end what they do not certify, unless a later list certifies it again."""
    new = scene._device(1)
    recovered = scene.list(1, [new], [], 1)
    back = scene.list(1, [2, new], [])
    scene.known[new] = set(scene.known[2])
    scene.do(new, "Devices", {"device_list": recovered})
    scene.rename(2, "beside the recovered list")
    scene.rename(3, "beside it as well")
    scene.sync(2, new)
    scene.rename(2, "after the recovered list")
    scene.sync(3, new)
    scene.rename(3, "after it as well")
    scene.do(new, "Devices", {"device_list": back})


def device_of_another(scene):
    """A moderator names a device of the owner as if a member had it; then one of the member's, which goes on."""
    scene.role(0, 1, 3)
    scene.meet()
    scene.remove(2, 3, of=0)
    scene.remove(2, 3, of=5)
    scene.rename(5, "beside the removal of the device")
    scene.role(0, 2, 3)
    scene.meet()
    scene.rename(0, "the owner goes on")
    scene.do(5, "Leave")
    scene.meet()
    scene.invite(4, 3)
    scene.meet()
    scene.join(5, len(scene.world.taken) - 1)
    scene.remove(2, 1, of=3)


def uses_of_a_link(scene):
    """A link for two uses: a number twice, in one branch and in two; not by its maker's other device; revoked from afar."""
    link = scene.do(2, "Link", {"role": 2, "uses": 2, "expires": None})
    scene.meet()
    scene.known[2] = set(scene.known[2])
    before = set(scene.known[2])
    scene.do(2, "Invite", {"user": 4, "role": 2, "link": [link, 1]}, knows=before)
    scene.do(2, "Invite", {"user": 5, "role": 2, "link": [link, 1]}, knows=before)
    scene.invite(2, 5, 2, [link, 1])
    scene.invite(2, 5, 2, [link, 3])
    scene.invite(2, 5, 1, [link, 2])
    scene.invite(3, 5, 2, [link, 2])
    scene.do(4, "RevokeLink", {"link": link})
    scene.role(0, 3, 3)
    scene.meet()
    scene.do(5, "RevokeLink", {"link": link})
    scene.invite(2, 4, 2, [link, 2])


def link_not_in_the_past(scene):
    """A moderator ends a link that they cannot know; a link ends by its time, which is the inviter's clock."""
    scene.role(0, 1, 3)
    scene.meet()
    before = set(scene.known[2])
    link = scene.do(0, "Link", {"role": 1, "uses": None, "expires": scene.now + 9000})
    scene.do(2, "RevokeLink", {"link": link}, knows=before)
    scene.meet()
    scene.invite(4, 4, 1, [link, 0])
    scene.do(5, "Invite", {"user": 5, "role": 1, "link": [link, 0]}, clock=FAR)
    scene.do(2, "Policy", {"fields": [2, 2, 2, 2, 3, 3, 0, 0, 5, 60_000]})
    scene.do(0, "Policy", {"fields": [3, 2, 4, 2, 4, 3, 1, 2, 0, 5_000]})
    scene.meet()
    scene.do(0, "Policy", {"fields": [2, 2, 2, 3, 3, 3, 0, 3, 9, None]})
    scene.invite(0, 5, 1, [link, 0])


def bans_and_joins(scene):
    """Bans beside pardons, joins beside bans, an invite older than the removal, a public room."""
    scene.role(0, 1, 4)
    scene.meet()
    old = scene.invite(2, 3)
    scene.meet()
    scene.remove(2, 3, ban=True)
    scene.meet()
    scene.do(0, "Unban", {"user": 3})
    scene.remove(2, 3, ban=True)
    scene.join(5)
    scene.meet()
    scene.join(5, old)
    scene.do(0, "Unban", {"user": 3})
    scene.meet()
    scene.join(5, old)
    scene.do(0, "Policy", {"fields": OPEN})
    scene.meet()
    scene.join(5, old)
    scene.remove(0, 3)
    scene.meet()
    scene.join(5, scene.invite(0, 3, 1))


def consent(scene):
    """Ranks for who left, who never came, who left beside the rank, and who was removed and has not gone."""
    scene.role(0, 4, 3)
    scene.do(4, "Leave")
    scene.role(0, 2, 4)
    scene.meet()
    scene.role(0, 2, 3)
    scene.remove(0, 3)
    scene.meet()
    scene.role(0, 3, 2)
    scene.hand_over(0, 4)
    scene.hand_over(0, 2)
    scene.meet()
    scene.role(4, 0, 3)


def names(scene):
    """Beside each other: of the highest rank, then of the smallest user, device and id; a name and a topic apart."""
    scene.role(0, 1, 4)
    scene.role(0, 2, 4)
    scene.meet()
    for device in (2, 4, 5, 3):
        scene.rename(device, f"by device {device}")
    before = set(scene.known[2])
    for topic in ("one", "two"):
        scene.do(2, "Info", {"topic_text": topic}, knows=before)
    scene.do(5, "Info", {"topic_text": "by a member", "avatar": ""})


def two_users_of_a_device(scene):
    """Two users certify one device: it has one sequence."""
    _, *secrets = scene.inputs["devices"][4]
    scene.inputs["devices"].append([3, *secrets])
    scene.world.device(3, *secrets)
    scene.known.append(set(scene.known[5]))
    both = len(scene.known) - 1
    scene.do(5, "Devices", {"device_list": scene.list(3, [5, both], [])})
    scene.rename(4, "as the one")
    scene.rename(both, "as the other", knows=set(scene.known[5]))
    scene.meet()
    scene.do(5, "Devices", {"device_list": scene.list(3, [5], [both])})
    scene.meet()
    scene.rename(4, "the one goes on")
    scene.rename(both, "the other does not")


SCENES = {two_beginnings: {}, two_heirs: {}, round_of_transfers: {}, admins_fall_out: {}, raised_beside: {}, joined_twice: {}, circle_of_removals: {}, back_dated: {},
          one_number_twice: {}, stolen_device: {}, ended_and_out_of_sequence: {}, recovery: {}, device_of_another: {},
          uses_of_a_link: {"users": 6}, link_not_in_the_past: {"users": 6}, bans_and_joins: {}, consent: {"users": 5}, names: {},
          two_users_of_a_device: {}}


def scenes():
    for made, given in SCENES.items():
        name = made.__name__.replace("_", " ")
        scene = Scene(f"fold {name}", **given)
        made(scene)
        yield "fold", name, scene.finish(views=4)


def fold():
    yield from scenes()
    yield from histories()
