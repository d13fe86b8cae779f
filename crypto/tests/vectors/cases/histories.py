"""Random histories of rooms, the same in every run: people who see parts of what the others do, and some who cheat."""

from parlour.fold import Fold
from parlour.operations import Operation

from .people import Draw
from .rooms import BEGIN, World

FAR = 2 ** 63
HISTORIES = 30
# What is tried, with its weight; what counts whoever does it is rarer.
ACTS = [act for act, weight in {"Invite": 3, "Role": 5, "Remove": 3, "Ban": 2, "Unban": 1, "Device": 2, "Policy": 2, "Info": 3,
                                "Transfer": 3, "Link": 2, "Through": 4, "RevokeLink": 1, "Join": 3, "Devices": 1, "Leave": 1,
                                "Later": 1}.items() for _ in range(weight)]


class History:
    def __init__(self, topic, users=6):
        self.draw, self.world = Draw(topic), World()
        self.inputs = {"users": [], "devices": [], "lists": [], "operations": []}
        self.known, self.newest, self.now, self.fresh_devices = [], {}, BEGIN, {}
        for user in range(users):
            self._user(user, 2 if user < 2 else 1)

    # -- chance --------------------------------------------------------------------------------------------------------

    def below(self, limit):
        return int.from_bytes(self.draw(6), "big") % limit

    def once_in(self, count):
        return self.below(count) == 0

    def pick(self, those):
        those = list(those)
        return those[self.below(len(those))]

    # -- people --------------------------------------------------------------------------------------------------------

    def _user(self, user, devices):
        identity = self.draw(32)
        self.inputs["users"].append(identity)
        self.world.user(identity)
        self.list(user, [self._device(user) for _ in range(devices)])

    def _device(self, user):
        secrets = self.draw(32), self.draw(32)
        self.inputs["devices"].append([user, *secrets])
        self.world.device(user, *secrets)
        self.known.append(set())
        return len(self.known) - 1

    def list(self, user, devices, revoked=(), recovered=0):
        """A next list of the user, and its number."""
        last = self.newest.get(user)
        version = 1 if last is None else self.world.lists[last].version + 1
        made = [user, version, None if recovered else last, list(devices), list(revoked), recovered]
        self.inputs["lists"].append(made)
        self.world.list(*made)
        self.newest[user] = len(self.inputs["lists"]) - 1
        return self.newest[user]

    def user_of(self, device):
        return self.world.devices[device][0]

    # -- operations ----------------------------------------------------------------------------------------------------

    def fold(self, numbers):
        return Fold(self.world.room, [self.world.taken[n] for n in sorted(numbers)])

    def heads(self, numbers):
        taken = self.world.taken
        named = {p for n in numbers for p in taken[n].parents}
        return [n for n in sorted(numbers) if taken[n].id not in named]

    def past(self, number):
        """The operation and what it builds on."""
        found, todo = set(), [number]
        while todo:
            n = todo.pop()
            if n not in found:
                found.add(n)
                todo += [self.world.numbers[p] for p in self.world.taken[n].parents]
        return found

    def next_seq(self, device, numbers):
        own = self.world.devices[device][2].device
        return 1 + max((self.world.taken[n].op_seq for n in numbers if self.world.taken[n].device == own), default=0)

    def do(self, device, what, act=None, knows=None, seq=None, clock=None):
        """The next operation of a device, which knows what it knows unless it says otherwise; its number."""
        knows = self.known[device] if knows is None else knows
        self.now += 1000
        made = {"by": device, "op_seq": seq or self.next_seq(device, knows), "parents": self.heads(knows)[:16],
                "clock": clock or self.now, "act": [what, act]}
        self.world.operation(*made.values())
        self.inputs["operations"].append(made)
        number = len(self.world.taken) - 1
        self.known[device] |= knows | {number}
        return number

    def counts(self, device, what, act, knows):
        """Whether it would count."""
        taken, (user, _, certificate) = self.world.taken, self.world.devices[device]
        kind, value = self.world.act(len(taken), (what, act))
        carried = self.world.lists[act["device_list"]] if isinstance(act, dict) and "device_list" in act else None
        parents = tuple(taken[n].id for n in self.heads(knows))
        trial = Operation(b"?" * 32, certificate.device, self.world.users[user], self.next_seq(device, knows), parents, self.now,
                          kind, value, carried)
        return trial.id in Fold(self.world.room, [*(taken[n] for n in sorted(knows)), trial]).counted

    def sync(self, device, other):
        self.known[device] |= self.known[other]

    def begin(self, members, policy):
        """A room of the owner and members, each of whom knows no more than their own invite when they join."""
        create = self.do(0, "Create", {"info": {"name_text": "room"}, "policy": policy, "device_list": self.newest[0]})
        joins = []
        for user in range(1, members):
            device = next(d for d in range(len(self.known)) if self.user_of(d) == user)
            invite = self.do(0, "Invite", {"user": user, "role": 2, "link": None})
            self.sync(device, 0)
            joins.append(self.do(device, "Join", {"invite": invite, "device_list": self.newest[user]}))
        for device in range(len(self.known)):
            self.known[device] |= {create, *self.known[0], *joins}

    def policy(self):
        return [self.below(2) + 2, self.below(3) + 2, 3, self.below(3) + 2, self.below(2) + 3, self.below(3) + 3, self.below(4),
                self.below(4), self.below(3) * 1000, self.pick([None, 5_000, 60_000])]

    def act(self, device, user, knows):
        """Something this user might do, in its short form."""
        what, target, taken = self.pick(ACTS), self.below(len(self.world.users)), self.world.taken
        of = lambda kind: [n for n in sorted(knows) if taken[n].what == kind] or [None]  # noqa: E731
        if what == "Invite":
            return what, {"user": target, "role": self.below(2) + 1, "link": None}
        if what == "Through":
            link = self.pick(of("Link"))
            role = self.below(2) + 1 if link is None or self.once_in(4) else taken[link].act["role"]
            return "Invite", {"user": target, "role": role, "link": link and [link, self.below(3)]}
        if what == "Join":
            mine = [n for n in of("Invite") if n is not None and taken[n].about == self.world.users[user]]
            return what, {"invite": self.pick(mine) if mine else None, "device_list": self.newest[user]}
        if what in ("Remove", "Ban", "Device"):
            theirs = [d for d in range(len(self.known)) if self.user_of(d) == target]
            return "Remove", {"user": target, "device": self.pick(theirs) if what == "Device" else None, "ban": what == "Ban"}
        if what == "Unban" or what == "Transfer":
            return what, {"user": target}
        if what == "Role":
            return what, {"user": target, "role": self.below(4) + 1}
        if what == "Policy":
            return what, {"fields": self.policy()}
        if what == "Info":
            fields = {"name_text": f"name {self.below(100)}", "topic_text": f"topic {self.below(100)}", "avatar": self.draw(2).hex()}
            return what, {name: value for name, value in fields.items() if self.once_in(2)}
        if what == "Link":
            return what, {"role": self.below(2) + 1, "uses": self.pick([None, 1, 2]),
                          "expires": self.pick([None, None, self.now + 3000])}
        if what == "RevokeLink":
            return what, {"link": self.pick(of("Link") + of("Invite")[:1])}
        if what == "Devices":
            return what, {"device_list": self._next_list(device, user)}
        return (what, [self.below(3) + 13, "0102"]) if what == "Later" else (what, None)

    def _next_list(self, device, user):
        if not self.once_in(2) or sum(row[0] == user for row in self.inputs["lists"]) > 3:
            return self.newest[user]
        last = self.inputs["lists"][self.newest[user]]
        certified, revoked = last[3], last[4]
        if self.once_in(3):
            return self.list(user, [self._device(user)], [], 1)
        if len(certified) > 1:
            gone = self.pick(certified)
            return self.list(user, [d for d in certified if d != gone], [*revoked, gone])
        fresh = self._device(user)
        self.known[fresh] |= self.known[device]
        return self.list(user, [*certified, fresh], revoked)

    def step(self, cheats):
        """Somebody does something, most often what they may."""
        device = self.below(2) if self.once_in(4) else self.below(len(self.known))
        if self.once_in(4):
            self.sync(device, self.below(len(self.known)))
        knows, seq, clock = set(self.known[device]), None, None
        if not knows:
            return
        if self.once_in(cheats):
            knows = self.past(self.pick(sorted(knows)))
        if self.once_in(3 * cheats):
            seq = self.next_seq(device, knows) + self.pick([1, 2])
        if self.once_in(8):
            clock = FAR + self.below(1000)
        user = self.user_of(device)
        for _ in range(6):
            lists = dict(self.newest), len(self.inputs["lists"]), len(self.known)
            what, act = self.act(device, user, knows)
            if what in ("Leave", "Later") and not self.once_in(3):
                continue
            if what == "RevokeLink" and act["link"] is None:
                continue
            if self.counts(device, what, act, knows) or self.once_in(12) or lists[1] != len(self.inputs["lists"]):
                self.do(device, what, act, knows, seq, clock)
                return

    def finish(self, missing=0, views=2):
        """The inputs of the case; of the operations so many do not arrive."""
        count = len(self.world.taken)
        arrived = list(range(count))
        for _ in range(missing):
            arrived.pop(len(arrived) // 2 + self.below(len(arrived) // 2))
        for i in range(len(arrived) - 1, 0, -1):
            j = self.below(i + 1)
            arrived[i], arrived[j] = arrived[j], arrived[i]
        part = [n for n in range(count) if self.world.taken[n].id in self.fold(arrived).all]
        views = [self.heads(self.past(self.pick(part)) | self.past(self.pick(part))) for _ in range(views)]
        return {**self.inputs, "arrived": arrived, "views": views}


def random_history(number):
    history = History(f"fold {number}")
    policy = history.policy()
    policy[6] = [0, 1, 2, 3][number % 4]
    history.begin(2 + number % 4, policy)
    for device, user in ((2, 1), (4, 2)):
        if user < 2 + number % 4:
            history.do(0, "Role", {"user": user, "role": 4 - (number + user) % 2})
    for device in range(len(history.known)):
        history.sync(device, 0)
    for _ in range(22):
        history.step(cheats=4 if number % 3 else 20)
    return history.finish(missing=number % 3 if number % 2 else 0)


def histories(numbers=range(HISTORIES)):
    for number in numbers:
        yield "fold", f"random history {number}", random_history(number)
