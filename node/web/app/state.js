// What this page knows of its node. Lists are read once; from then on the feed says what changes.
import { batch, computed, signal } from "./h.js";
import { get, part } from "./api.js";
import { withDraft } from "./drafts.js";
import { isHappening, summary } from "./summary.js";
import * as timeline from "./timeline.js";
import { notice } from "./parts/layer.js";

/** "opening", "up" or "away". */
export const link = signal("opening");
export const loaded = signal(false);
export const me = signal(null);
export const profile = signal(null);
export const settings = signal({ read_receipts: true, share_presence: true });
export const conversations = signal(new Map());
export const contacts = signal(new Map());
export const requests = signal(new Map());
export const rooms = signal(new Map());
/** Members of the rooms that were looked at. */
export const members = signal(new Map());
/** By room: who knocks, and what was reported, where one keeps order. */
export const knocks = signal(new Map());
export const reports = signal(new Map());
/** How often a room was told to have another name, topic or picture. */
export const repainted = signal(new Map());
/** Who writes, by conversation. */
export const typing = signal(new Map());
/** Said once to screen readers. */
export const announced = signal("");

const stamp = (conversation) => conversation.last?.created_at ?? conversation.created_at;
export const sorted = computed(() =>
  [...conversations.value.values()].sort((a, b) => (stamp(a) < stamp(b) ? 1 : stamp(a) > stamp(b) ? -1 : 0)),
);
export const unread = computed(() =>
  sorted.value.reduce((sum, one) => sum + (one.muted || one.archived ? 0 : one.unread), 0),
);

const byId = (list, key) => new Map(list.items.map((item) => [item[key], item]));

/** A map with one entry set, or taken out. */
export function keep(map, key, value) {
  const next = new Map(map.value);
  if (value === undefined || value === null) next.delete(key);
  else next.set(key, value);
  map.value = next;
}

export async function load() {
  const [who, talks, people, asked, places, wishes, self] = await Promise.all([
    get("/me"),
    get("/conversations"),
    get("/contacts"),
    get("/requests"),
    get("/rooms"),
    get("/me/settings"),
    get("/me/profile"),
  ]);
  batch(() => {
    me.value = who;
    conversations.value = byId({ items: talks.items.map(withDraft) }, "id");
    contacts.value = byId(people, "user_id");
    requests.value = byId(asked, "user_id");
    rooms.value = byId(places, "id");
    settings.value = wishes;
    profile.value = self;
    for (const map of [members, knocks, reports]) map.value = new Map();
    loaded.value = true;
  });
}

/** One change of the feed. */
export function apply(change) {
  batch(() => {
    switch (change.type) {
      case "message":
        return arrived(change.message);
      case "system":
        return happened(change.message);
      case "message_updated":
        return updated(change.message);
      case "message_hidden":
        timeline.drop(change.conversation, change.id);
        return again(change.conversation);
      case "receipt":
        return receipt(change);
      case "contact":
        return known(change.contact);
      case "conversation":
        return told(change.conversation);
      case "report":
        return reported(change);
      case "room_request":
        return knocked(change);
      case "request":
        return keep(requests, change.user_id, change.request);
      case "me":
        return own(change);
      default:
    }
  });
}

function own(change) {
  me.value = { ...me.value, name: change.profile.name };
  profile.value = change.profile;
  settings.value = change.settings;
}

function known(contact) {
  const away = contact.state === "former" && !contact.blocked;
  keep(contacts, contact.user_id, away ? null : contact);
  const conversation = conversations.value.get(contact.conversation);
  if (conversation) again(conversation.id);
}

function told(conversation) {
  keep(conversations, conversation.id, withDraft(conversation));
  if (conversation.kind === "room") roomAgain(conversation.id);
}

function happened(message) {
  timeline.insert(message);
  if (message.system.kind === "info") keep(repainted, message.conversation, (repainted.value.get(message.conversation) ?? 0) + 1);
}

function knocked({ conversation: id, request }) {
  const room = rooms.value.get(id);
  if (!may(room, "invite")) return;
  knocksAgain(id);
  if (request) notice(`${request.name || "Somebody"} knocks at ${room.name}`);
}

function reported({ conversation: id, report }) {
  const room = rooms.value.get(id);
  if (!may(room, "remove")) return;
  reportsAgain(id);
  if (report.open && report.user_id !== me.value?.user_id) notice(`${report.name} reports a message in ${room.name}`);
}

function arrived(message) {
  const { conversation: id, seq } = message;
  timeline.insert(message);
  if (typing.value.get(id)?.has(message.author)) writes(id, message.author, false);
  const conversation = conversations.value.get(id);
  if (!conversation) return again(id);
  if (seq <= conversation.last_seq) return;
  const newest = !conversation.last || conversation.last.created_at <= message.created_at;
  keep(conversations, id, {
    ...conversation,
    last: newest ? message : conversation.last,
    last_seq: seq,
    unread: conversation.unread + (message.own || isHappening(message) ? 0 : 1),
  });
  if (!message.own && !conversation.muted) announce(message, conversation);
}

function announce(message, conversation) {
  const where = conversation.kind === "room" ? ` in ${conversation.title}` : "";
  const words = `${message.author_name}${where}: ${summary(message)}`.slice(0, 300);
  // The same words again are news, too.
  announced.value = announced.value === words ? `${words}\u00a0` : words;
}

function updated(message) {
  timeline.replace(message);
  const conversation = conversations.value.get(message.conversation);
  if (conversation?.last?.id === message.id) keep(conversations, conversation.id, { ...conversation, last: message });
}

const waiting = new Set();

function receipt(change) {
  const { conversation: id, message_ids: ids, state } = change;
  const conversation = conversations.value.get(id);
  const direct = conversation?.kind === "direct";
  timeline.receipt(change, direct);
  const last = conversation?.last;
  if (!last?.own || !ids.includes(last.id)) return;
  if (direct) {
    if (timeline.isFurther(state, last.status)) keep(conversations, id, { ...conversation, last: { ...last, status: state } });
  } else if (!waiting.has(id)) {
    // Each member confirms it; the node knows what they say together.
    waiting.add(id);
    setTimeout(() => again(id).finally(() => waiting.delete(id)), 400);
  }
}

const asking = new Map();

/** Reads something anew, once for all who ask meanwhile and once more for them: it may have changed since. What is gone is forgotten. */
function anew(key, path, map, id, shown = (value) => value) {
  const running = asking.get(key);
  if (running) {
    running.late = true;
    return running.done;
  }
  const reading = { late: false };
  asking.set(key, reading);
  reading.done = get(path)
    .then((value) => keep(map, id, shown(value.items ?? value)))
    .catch((error) => error.status === 404 && keep(map, id, null))
    .finally(() => {
      asking.delete(key);
      return reading.late ? anew(key, path, map, id, shown) : undefined;
    });
  return reading.done;
}

export const again = (id) => anew(`c${id}`, `/conversations/${part(id)}`, conversations, id, withDraft);
export const membersAgain = (id) => anew(`m${id}`, `/rooms/${part(id)}/members`, members, id);

export const knocksAgain = (id) => anew(`k${id}`, `/rooms/${part(id)}/requests`, knocks, id);
export const reportsAgain = (id) => anew(`o${id}`, `/rooms/${part(id)}/reports`, reports, id);

export function roomAgain(id) {
  anew(`r${id}`, `/rooms/${part(id)}`, rooms, id);
  if (knocks.value.has(id)) knocksAgain(id);
  if (members.value.has(id)) membersAgain(id);
}

/** What happens just now. */
export function passing(event) {
  if (event.type === "typing") writes(event.conversation, event.user_id, event.typing);
  if (event.type === "presence") {
    const contact = contacts.value.get(event.user_id);
    if (contact) keep(contacts, event.user_id, { ...contact, presence: event.presence });
  }
}

function writes(conversation, user, on) {
  const there = new Set(typing.value.get(conversation));
  if (on) there.add(user);
  else there.delete(user);
  keep(typing, conversation, there.size ? there : null);
}

/** What somebody is called here. */
export function nameOf(user, room) {
  if (user === me.value?.user_id) return "You";
  const contact = contacts.value.get(user);
  if (contact) return contact.display;
  const member = room && members.value.get(room)?.find((one) => one.user_id === user);
  return member?.name ?? `${user.slice(0, 13)}…`;
}

export const RANKS = ["none", "guest", "member", "moderator", "admin", "owner"];
export const atLeast = (role, needed) => RANKS.indexOf(role) >= RANKS.indexOf(needed);
/** Whether the rules of a room let us do something in it. */
export const may = (room, what) => room?.standing === "member" && atLeast(room.role, room.policy[what]);
