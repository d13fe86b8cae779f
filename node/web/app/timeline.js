// The messages of a conversation, or of one thread in it, that are at hand: a window that grows at both ends, and what is still on its way out.
import { batch, signal } from "./h.js";
import { get, part, post } from "./api.js";

const PAGE = 50;
/** Messages of one window; when one end grows beyond, the other is let go. */
const MAX = 400;
/** Windows kept; the one that was opened longest ago is forgotten first. */
const WINDOWS = 12;
/** In the place of a cursor: what was let go there is found again by the message at that end. */
const EDGE = "edge";
const STATES = ["sending", "sent", "delivered", "read"];

/** By conversation, and by thread: { items, prev, next, busy, error }. `next` is null where the newest message is at hand. */
const windows = new Map();
/** Messages that the node has not taken yet. */
export const pending = signal([]);

/** `late` came by the feed while a page was on its way, which may not have it. */
const EMPTY = { items: [], prev: null, next: null, busy: false, error: null, loaded: false, late: [] };

const keyOf = (id, root) => (root ? `${id} ${root}` : id);
/** All windows that can show messages of a conversation. */
const allOf = (id) => [...windows].filter(([key]) => key === id || key.startsWith(`${id} `)).map(([, shown]) => shown);

/** The window of a conversation; with `root`, that of the thread under it, with the root as its first message. */
export function windowOf(id, root) {
  const key = keyOf(id, root);
  let found = windows.get(key);
  if (found) windows.delete(key);
  else found = signal(EMPTY);
  windows.set(key, found);
  if (windows.size > WINDOWS) windows.delete(windows.keys().next().value);
  return found;
}

/** The order all nodes share: the clock, then the bytes of the id, whose digits stand behind its letters. */
const tie = (id) => id.replace(/[2-7]/gu, (digit) => String.fromCharCode(123 + Number(digit)));
function compare(a, b) {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? -1 : 1;
  return tie(a.id) < tie(b.id) ? -1 : 1;
}

function merged(items, more) {
  const all = new Map(items.map((item) => [item.id, item]));
  for (const item of more) all.set(item.id, item);
  return [...all.values()].sort(compare);
}

const base = (id, root) => `/conversations/${part(id)}/messages?limit=${PAGE}${root ? `&thread=${part(root)}` : ""}`;

/** A root that is gone from here leaves its thread. */
const rootOf = (root) => get(`/messages/${part(root)}`).catch((error) => (error.status === 404 ? null : Promise.reject(error)));

async function read(shown, path, change, root) {
  if (shown.value.busy) return;
  shown.value = { ...shown.value, busy: true, error: null, late: [] };
  try {
    const [page, first] = await Promise.all([get(path), root && rootOf(root)]);
    if (first) page.items.unshift(first);
    const now = { ...shown.value, ...change(page, shown.value) };
    const late = now.late.filter((message) => !now.next || now.items.some((item) => item.id === message.id));
    shown.value = { ...now, items: merged(now.items, late), busy: false, loaded: true, late: [] };
  } catch (error) {
    shown.value = { ...shown.value, busy: false, error };
  }
}

/** The newest messages. */
export const latest = (id, root) =>
  read(windowOf(id, root), base(id, root), (page) => ({ items: page.items, prev: page.prev, next: null }), root);

export const around = (id, message) =>
  read(windowOf(id), `${base(id)}&around=${part(message)}`, (page) => ({ items: page.items, prev: page.prev, next: page.next }));

export function older(id, root) {
  const shown = windowOf(id, root);
  const { prev } = shown.value;
  if (!prev) return undefined;
  const from = prev === EDGE ? `around=${part(shown.value.items[0].id)}` : `before=${part(prev)}`;
  return read(shown, `${base(id, root)}&${from}`, (page, now) => {
    const items = merged(now.items, page.items);
    // A thread is read from its end alone: nothing that was let go there could be found again.
    if (items.length <= MAX || root) return { items, prev: page.prev };
    return { items: items.slice(0, MAX), prev: page.prev, next: EDGE };
  });
}

export function newer(id) {
  const shown = windowOf(id);
  const { next } = shown.value;
  if (!next) return undefined;
  const from = next === EDGE ? `around=${part(shown.value.items.at(-1).id)}` : `after=${part(next)}`;
  return read(shown, `${base(id)}&${from}`, (page, now) => {
    const items = merged(now.items, page.items);
    const over = items.length - MAX;
    if (over <= 0) return { items, next: page.next };
    return { items: items.slice(over), next: page.next, prev: EDGE };
  });
}

/** After an absence, what the windows show may not be the end any more. */
export function forget() {
  batch(() => {
    for (const shown of windows.values()) shown.value = EMPTY;
  });
}

/** The feed may be sooner than the answer: what waits for it is then shown no more, and forgotten with the answer. */
function land({ own, conversation, thread, text, id }) {
  const at = own ? pending.value.findIndex((one) => !one.landed && one.conversation === conversation && one.thread === thread && (one.view_once || one.text === text)) : -1;
  if (at < 0 || windows.get(conversation)?.value.items.some((item) => item.id === id)) return;
  pending.value = pending.value.with(at, { ...pending.value[at], landed: true });
}

export function insert(message) {
  land(message);
  const { conversation, thread } = message;
  put(windows.get(conversation), message, MAX);
  if (thread) put(windows.get(keyOf(conversation, thread)), message, Infinity);
}

function put(shown, message, most) {
  note(shown, message);
  if (shown?.value.loaded && !shown.value.next) {
    const items = merged(shown.value.items, [message]);
    const over = Math.max(0, items.length - most);
    shown.value = { ...shown.value, items: items.slice(over), prev: over ? EDGE : shown.value.prev };
  }
}

function note(shown, message) {
  if (shown?.value.busy) shown.value = { ...shown.value, late: [...shown.value.late, message] };
}

/** Messages as they are now, wherever they are shown. */
function renew(conversation, change) {
  for (const shown of allOf(conversation)) shown.value = { ...shown.value, items: shown.value.items.map(change) };
}

export function replace(message) {
  const { id, conversation, thread } = message;
  for (const key of [conversation, keyOf(conversation, thread ?? id)]) note(windows.get(key), message);
  renew(conversation, (item) => (item.id === id ? message : item));
}

export function drop(conversation, id) {
  for (const shown of allOf(conversation)) shown.value = { ...shown.value, items: shown.value.items.filter((item) => item.id !== id) };
}

const waiting = new Map();

/** Whether a message that is so far has come further by this. */
export const isFurther = (state, status) => STATES.indexOf(status) < STATES.indexOf(state);

/** How far messages have come. With one other side a receipt says all; in a room the node knows the weakest. */
export function receipt({ conversation, message_ids: ids, state }, direct) {
  if (!windows.has(conversation)) return;
  if (!direct) return readStates(conversation);
  const named = new Set(ids);
  const later = (item) => named.has(item.id) && item.own && isFurther(state, item.status);
  renew(conversation, (item) => (later(item) ? { ...item, status: state } : item));
}

function readStates(conversation) {
  if (waiting.has(conversation)) return;
  waiting.set(
    conversation,
    setTimeout(async () => {
      waiting.delete(conversation);
      const page = await get(base(conversation)).catch(() => null);
      const fresh = new Map(page?.items.map((item) => [item.id, item]));
      renew(conversation, (item) => fresh.get(item.id) ?? item);
    }, 400),
  );
}

/** Writes a message. The same client id is the same message, so trying again never makes two. */
export function send(conversation, wish) {
  const one = { ...wish, conversation, client_id: crypto.randomUUID(), error: null, landed: false };
  pending.value = [...pending.value, one];
  return attempt(one);
}

async function attempt(one) {
  const { conversation, error: _error, landed: _landed, ...wish } = one;
  try {
    const message = await post(`/conversations/${part(conversation)}/messages`, wish);
    batch(() => {
      cancel(one.client_id);
      insert(message);
    });
  } catch (error) {
    pending.value = pending.value.map((item) => (item.client_id === one.client_id ? { ...item, error } : item));
  }
}

export function cancel(clientId) {
  pending.value = pending.value.filter((item) => item.client_id !== clientId);
}

export function retry(clientId) {
  const one = pending.value.find((item) => item.client_id === clientId);
  if (!one?.error) return;
  pending.value = pending.value.map((item) => (item === one ? { ...item, error: null } : item));
  attempt(one);
}

/** In their order, once the node is back. */
export async function retryAll() {
  for (const one of pending.value) {
    if (one.error?.away || one.error?.status === 401) await attempt(one);
  }
}
