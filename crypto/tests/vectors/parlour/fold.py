"""The fold of a set of operations (PROTOCOL.md section 11, "The fold"); the numbers are its steps.

Written blind, then changed with the crate's fold in sight where the page was open: the author's rank at the create operation, what
`RevokeLink` needs, the links and invites of the result.
"""

from .operations import membership_view

NONE, GUEST, MEMBER, MODERATOR, ADMIN, OWNER = range(6)
ABOVE = 6
PUBLIC = 3
NAMES = ("post", "invite", "pin", "info", "remove", "roles")
STATEMENTS = ("Create", "Role", "Join", "Leave", "Remove")


def merge(policies):
    """Step 6: of several policies the stricter in each field."""
    never = float("inf")
    spans = [never if p["expires_after_ms"] is None else p["expires_after_ms"] for p in policies]
    merged = {name: max(p[name] for p in policies) for name in NAMES}
    merged |= {name: min(p[name] for p in policies) for name in ("join", "history")}
    merged["slow_mode_ms"] = max(p["slow_mode_ms"] for p in policies)
    return merged | {"expires_after_ms": None if min(spans) == never else min(spans)}


class Fold:
    """What a set of operations says. Sets of operations are sets of their ids; `past` leaves the operation itself out."""

    def __init__(self, room, operations):
        self.room, self.given = room, {o.id: o for o in operations}
        self.reasons = {}
        self._roots()                                                       # 1
        self.lists = [o for o in self.ops.values() if o.list is not None]
        self.let = {i for i, o in self.ops.items() if self._lets(o)}        # 2 (what is in its past), 3
        self._transfers()                                                   # 4
        self._beside()                                                      # 2 (what is beside)
        self.counted, self.height = set(self.transfers), {}
        self._ranks()                                                       # 5, 6, 7

    # -- order ---------------------------------------------------------------------------------------------------------

    def _roots(self):
        """Step 1: which take part, in an order of causality, with the past of each."""
        self.ops, self.past = {}, {}
        waiting = dict(self.given)
        while True:
            ready = [o for o in waiting.values() if all(p in self.ops for p in o.parents)
                     and (o.parents or o.what == "Create")]
            if not ready:
                break
            for o in ready:
                self.ops[o.id] = waiting.pop(o.id)
                self.past[o.id] = set(o.parents).union(*(self.past[p] for p in o.parents))
        self.all = set(self.ops)

    def beside(self, a, b):
        return a != b and a not in self.past[b] and b not in self.past[a]

    def heads(self, ids):
        return {a for a in ids if not any(a in self.past[b] for b in ids)}

    def of(self, ids, *what):
        return {i for i in ids if self.ops[i].what in what}

    # -- steps 2 and 3 -------------------------------------------------------------------------------------------------

    def ends(self, n, device):
        """Whether operation `n`, which carries a list of the device's user, ends the device."""
        if device in n.list.revoked:
            return True
        certified = {c.device for c in n.list.certificates}
        return n.list.recovered and device not in certified and not any(
            device in {c.device for c in later.list.certificates} for later in self.lists
            if later.user == n.user and later.list.version > n.list.version)

    def enders(self, user, device):
        return [n for n in self.lists if n.user == user and self.ends(n, device)]

    def _lets(self, o):
        if any(n.id in self.past[o.id] for n in self.enders(o.user, o.device)):
            self.reasons[o.id] = "its device is ended"
            return False
        if not self.in_sequence(o):
            self.reasons[o.id] = "out of sequence"
            return False
        return True

    def in_sequence(self, o):
        before = [self.ops[i].op_seq for i in self.past[o.id] if self.ops[i].device == o.device]
        return o.op_seq == 1 + max(before, default=0)

    def _beside(self):
        for i in sorted(self.let):
            o = self.ops[i]
            if o.what not in ("Create", "Transfer") and any(
                    self.beside(n.id, i) and self.owns_at(o.user, n) for n in self.enders(o.user, o.device)):
                self.let.discard(i)
                self.reasons[i] = "its device is ended beside it"

    def forked(self):
        """The devices of which two operations in sequence have one number."""
        seen, forked = {}, set()
        for i, o in self.ops.items():
            if self.in_sequence(o) and seen.setdefault((o.device, o.op_seq), i) != i:
                forked.add(o.device)
        return forked

    # -- step 4 --------------------------------------------------------------------------------------------------------

    def _transfers(self):
        self.transfers = set()
        for i, o in self.ops.items():
            if o.what == "Transfer" and i in self.let and self.owns(o.user, self.past[i]) and (
                    o.about == self.creator(self.past[i]) or self._joined(o.about, self.past[i])):
                self.transfers.add(i)

    def creator(self, ids):
        return next(self.ops[i].user for i in self.of(ids, "Create"))

    def _joined(self, user, ids):
        return any(self.ops[i].user == user for i in self.of(ids, "Join"))

    def owns(self, user, ids):
        heads = self.heads(self.of(ids, "Create") | (self.transfers & ids))
        named = {self.ops[i].about if self.ops[i].what == "Transfer" else self.ops[i].user for i in heads}
        return named == {user}

    def owns_at(self, user, o):
        return self.owns(user, self.past[o.id]) and (o.what == "Transfer" or not any(
            self.ops[t].user == user and self.beside(t, o.id) for t in self.transfers))

    # -- step 5 --------------------------------------------------------------------------------------------------------

    def says(self, i):
        o = self.ops[i]
        return {"Create": OWNER, "Role": o.act["role"] if o.what == "Role" else 0,
                "Join": self.join_role.get(i, 0)}.get(o.what, NONE)

    def statements(self, user, k):
        """S(k) of the user."""
        return {i for i in self.of(self.counted, *STATEMENTS) if self.height[i] > k and user == (
            self.ops[i].about if self.ops[i].what in ("Role", "Remove") else self.ops[i].user)
            and not (self.ops[i].what == "Remove" and self.ops[i].act["device"])}

    def has(self, user, k, ids):
        if k == OWNER:
            return self.owns(user, ids)
        heads = self.heads(self.statements(user, k) & ids)
        return bool(heads) and all(self.says(i) >= k for i in heads)

    def has_at(self, user, k, o):
        if k == OWNER:
            return self.owns_at(user, o)
        if not self.has(user, k, self.past[o.id]):
            return False
        lowers = self.of(self.statements(user, k), "Role", "Remove")
        if any(self.beside(i, o.id) and self.says(i) < k for i in lowers):
            return False
        return not any(self.ops[i].about == o.user and self.ops[i].act["device"] == o.device and self.height[i] > k
                       and (self.beside(i, o.id) or i in self.past[o.id]) for i in self.of(self.counted, "Remove"))

    def rank(self, user, ids, least=GUEST):
        """Of those ranks that are known, the greatest; 0 if it is below `least`."""
        return next((k for k in range(OWNER, least - 1, -1) if self.has(user, k, ids)), NONE)

    def rank_at(self, o, least=GUEST):
        """The rank of its author at an operation."""
        return next((k for k in range(OWNER, least - 1, -1) if self.has_at(o.user, k, o)), NONE)

    # -- steps 6 and 7 -------------------------------------------------------------------------------------------------

    def policy(self, ids):
        heads = self.heads(self.of(ids, "Create") | (self.of(ids, "Policy") & self.counted))
        return merge([self.ops[i].act["policy"] if self.ops[i].what == "Create" else self.ops[i].act for i in heads])

    def _ranks(self):
        self.join_role = {}
        for i in self.let:
            o = self.ops[i]
            if o.what in ("Create", "Devices", "Later"):
                self._count(i, ABOVE)
            elif o.what == "Leave" and not self.owns_at(o.user, o):
                self._count(i, ABOVE)
        for k in (OWNER, ADMIN, MODERATOR):
            # Who has rank k is known here; Policy needs no policy, and what the others need of it is counted with it.
            mine = [i for i in self.ops if i in self.let and self.rank_at(self.ops[i], k) == k]
            new = [i for i in mine if self.ops[i].what == "Policy" and k >= ADMIN]
            for i in new:
                self._count(i, k)
            new = [i for i in mine if self.ops[i].what in ("Role", "Remove", "Unban") and self._above(self.ops[i], k)]
            for i in new:
                self._count(i, k)
        for i, o in self.ops.items():
            if i in self.let and i not in self.counted:
                if o.what == "Join" and self._joins(o):
                    self._count(i, MODERATOR)
                elif o.what in ("Info", "Invite", "Link", "RevokeLink") and self._may(o):
                    self._count(i, NONE)
        for i in self.all - self.counted:
            self.reasons.setdefault(i, "without right")

    def _count(self, i, height):
        self.counted.add(i)
        self.height[i] = height

    def _above(self, o, rank):
        """Whether an author of this rank may do what a moderator or more may, to the user it is done to."""
        policy = self.policy(self.past[o.id])
        needed = policy["roles" if o.what == "Role" else "remove"]
        if rank < OWNER and rank < needed:
            return False
        if o.what == "Unban":
            return True
        if o.about == o.user or self.rank(o.about, self.past[o.id], rank) >= rank:
            return False
        return o.what == "Remove" or (rank > o.act["role"] and self._consents(o))

    def _consents(self, o):
        past = self.past[o.id]
        if o.about == self.creator(past):
            return True
        leaves = [i for i in self.of(past, "Leave") if self.ops[i].user == o.about]
        return any(self.ops[i].user == o.about and not any(i in self.past[leave] for leave in leaves)
                   for i in self.of(past, "Join"))

    def _may(self, o):
        past, rank = self.past[o.id], self.rank_at(o)
        policy = self.policy(past)
        if o.what == "RevokeLink":
            name = o.act["link"]
            return name in self.of(past & self.counted, "Link") and (rank >= MODERATOR or self.ops[name].user == o.user)
        if rank < policy["info" if o.what == "Info" else "invite"] and rank < OWNER:
            return False
        if o.what == "Info":
            return True
        return o.act["role"] <= rank and (o.what == "Link" or o.act["link"] is None or self._through(o, policy))

    def _through(self, o, policy):
        """Whether an invite through a link keeps to the link."""
        past, (name, number) = self.past[o.id], o.act["link"]
        if name not in self.of(past & self.counted, "Link"):
            return False
        link = self.ops[name]
        revoked = any(self.ops[i].act["link"] == name for i in self.of(past & self.counted, "RevokeLink"))
        ended = link.act["expires"] is not None and o.clock >= link.act["expires"]
        if revoked or ended or o.act["role"] != link.act["role"] or policy["join"] == 0:
            return False
        if link.act["uses"] is None:
            return True
        used = [self.ops[i].act["link"] for i in self.of(past & self.counted, "Invite")]
        return o.device == link.device and 1 <= number <= link.act["uses"] and [name, number] not in used

    def banned(self, user, ids):
        bans = {i for i in self.of(ids & self.counted, "Remove", "Unban") if self.ops[i].about == user
                and (self.ops[i].what == "Unban" or self.ops[i].act["ban"])}
        return any(self.ops[i].what == "Remove" for i in self.heads(bans))

    def _serves(self, i, user, ids):
        """Whether in this set an invite lets the user in."""
        return i in self.of(ids & self.counted, "Invite") and self.ops[i].about == user and (
            self.statements(user, NONE) & ids <= self.past[i])

    def _joins(self, o):
        past = self.past[o.id]
        if self.rank(o.user, past) != NONE or self.banned(o.user, past):
            return False
        if self.policy(past)["join"] == PUBLIC:
            self.join_role[o.id] = MEMBER
            return True
        if self._serves(o.act["invite"], o.user, past):
            self.join_role[o.id] = self.ops[o.act["invite"]].act["role"]
            return True
        return False

    # -- step 8 --------------------------------------------------------------------------------------------------------

    def closure(self, heads):
        """The operations of a view with these heads."""
        return set(heads).union(*(self.past[i] for i in heads))

    def ranks(self, ids):
        ranks = {user: self.rank(user, ids) for user in {o.user for o in self.ops.values()} | {
            o.about for o in self.ops.values() if o.about}}
        return {user: rank for user, rank in ranks.items() if rank}

    def bans(self):
        return {o.about for o in self.ops.values() if o.what == "Remove" and self.banned(o.about, self.all)}

    def links(self):
        revoked = {self.ops[i].act["link"] for i in self.of(self.counted, "RevokeLink")}
        uses = {tuple(self.ops[i].act["link"] or ()) for i in self.of(self.counted, "Invite")}
        return {i: sorted(use[1] for use in uses if use[:1] == (i,)) if self.ops[i].act["uses"] else []
                for i in self.of(self.counted, "Link") if i not in revoked}

    def invites(self):
        """Who could join now, and with which invite: the highest role, then the smallest id."""
        found = {i for i in self.of(self.counted, "Invite") if self._serves(i, self.ops[i].about, self.all)
                 and not self.rank(self.ops[i].about, self.all) and not self.banned(self.ops[i].about, self.all)}
        best = sorted(found, key=lambda i: (-self.ops[i].act["role"], i))
        return {self.ops[i].about: i for i in reversed(best)}

    def devices(self, user):
        lists = [n.list for n in self.lists if n.user == user]
        newest = max((each.version for each in lists), default=0)
        certified = [{c.device for c in each.certificates} for each in lists if each.version == newest]
        removed = {self.ops[i].act["device"] for i in self.of(self.counted, "Remove") if self.ops[i].about == user}
        return {d for d in (set.intersection(*certified) if certified else set())
                if not self.enders(user, d) and d not in removed}

    def info(self, name):
        setting = {}
        for i in self.of(self.counted, "Create", "Info"):
            fields = self.ops[i].act["info"] if self.ops[i].what == "Create" else self.ops[i].act
            if fields[name] is not None:
                setting[i] = fields[name]
        heads = [self.ops[i] for i in self.heads(set(setting))]
        best = min(heads, key=lambda o: (-self.rank_at(o), o.user, o.device, o.id), default=None)
        return None if best is None else setting[best.id]

    def view(self):
        return membership_view(self.room, self.heads(self.all))
