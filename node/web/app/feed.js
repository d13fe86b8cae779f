// The line to the node: a WebSocket that goes on where it was, so that nothing is missed and nothing comes twice.
import { get, put, renew } from "./api.js";
import { currentToken, rememberLogin, session } from "./session.js";
import { apply, link, load, loaded, passing, settings, typing } from "./state.js";
import { saveAll } from "./drafts.js";
import { forget, retryAll } from "./timeline.js";

const PAUSES = [300, 700, 1500, 3000, 5000];
const UNAUTHORIZED = 4401;
/** How often contacts are told that somebody is here, and for how long it holds. */
const HERE_MS = 120_000;
const HERE_S = 300;

let socket = null;
let cursor = null;
let tries = 0;
let timer = null;

export function connect() {
  clearTimeout(timer);
  if (socket || !currentToken()) return;
  const token = currentToken();
  const line = new WebSocket(`${location.origin.replace(/^http/u, "ws")}/api/v1/ws`);
  socket = line;
  line.onopen = () => line.send(JSON.stringify({ type: "auth", token }));
  line.onmessage = (event) => line === socket && take(JSON.parse(event.data));
  line.onclose = (event) => {
    if (line !== socket) return;
    socket = null;
    typing.value = new Map();
    if (event.code === UNAUTHORIZED) return admitted(token);
    link.value = "away";
    again();
  };
}

function again() {
  timer = setTimeout(connect, PAUSES[Math.min(tries, PAUSES.length - 1)]);
  tries += 1;
}

/** The token has ended: a login goes on with the next one. */
async function admitted(token) {
  if (await renew(token)) return connect();
  link.value = "away";
  if (session.value === "open") again();
}

function take(frame) {
  if (frame.type === "ready") return begin(frame.seq);
  if (frame.type === "event") {
    cursor = frame.seq;
    return apply(frame.event);
  }
  if (frame.type === "ephemeral") return passing(frame.event);
  if (frame.type === "reply" && frame.error?.code === "cursor_ahead") return anew();
  return undefined;
}

/** From the beginning: subscribed first, so that nothing falls between the lists and the feed. */
async function begin(seq) {
  const known = loaded.value && cursor !== null;
  cursor ??= seq;
  subscribe();
  try {
    if (!known) await load();
  } catch {
    return socket?.close();
  }
  tries = 0;
  link.value = "up";
  get("/me/login").then(rememberLogin, () => {});
  here();
  saveAll();
  return retryAll();
}

function subscribe() {
  socket?.send(JSON.stringify({ type: "subscribe", id: 1, after: cursor, ephemeral: true }));
}

/** The node has another history than the one seen here: all is read again. */
function anew() {
  cursor = null;
  loaded.value = false;
  forget();
  socket?.close();
}

/** Tells contacts that somebody is here, unless the settings say otherwise. */
export function here() {
  if (link.value !== "up" || document.hidden || !settings.value.share_presence) return;
  put("/me/presence", { presence: "online", for_s: HERE_S }).catch(() => {});
}

setInterval(here, HERE_MS);
document.addEventListener("visibilitychange", () => {
  here();
  if (!document.hidden && link.value === "away") connect();
});
addEventListener("online", connect);
