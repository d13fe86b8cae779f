// Faces: a picture if there is one, else letters in a tone of their own.
import { html, signal, useEffect } from "../h.js";
import { part, picture } from "../api.js";
import { contacts, keep, me, profile, repainted, rooms } from "../state.js";
import { initials, toneOf } from "../format.js";
import { Icon } from "./icon.js";

/** Pictures kept at once. */
const MAX = 200;
const pictures = signal(new Map());
const asked = new Set();

/** The own picture has changed. */
export function forgetOwnPicture() {
  asked.delete("me");
  drop("me");
}

function drop(key) {
  const url = pictures.value.get(key);
  if (url) URL.revokeObjectURL(url);
  keep(pictures, key, null);
}

let line = Promise.resolve();

function fetchPicture(key, path) {
  if (asked.has(key)) return;
  asked.add(key);
  if (asked.size > MAX) {
    const oldest = asked.values().next().value;
    asked.delete(oldest);
    drop(oldest);
  }
  // One after the other: a page has a limit of requests, and faces are not what one waits for.
  line = line.then(() => picture("GET", path)).then(
    (url) => keep(pictures, key, url),
    () => asked.delete(key),
  );
}

/** Whose picture it is, and where it can be had. */
function source(user) {
  const own = user === me.value?.user_id;
  const about = own ? profile.value : contacts.value.get(user)?.profile;
  if (!about?.avatar) return [null, ""];
  return own ? ["me", "/me/avatar"] : [`${user} ${about.avatar}`, `/contacts/${part(user)}/avatar`];
}

/** The same for a room. Which picture it is, is not told: only that it may be another. */
function sourceOfRoom(id) {
  if (!rooms.value.get(id)?.avatar) return [null, ""];
  return [`${id} ${repainted.value.get(id) ?? 0}`, `/rooms/${part(id)}/avatar`];
}

/** `of` is a user, or whatever else has an id; `shape` is "round" for people and "arch" for rooms. */
export function Avatar({ of, name, size = "m", shape = "round", icon }) {
  const [key, path] = icon ? [null, ""] : shape === "round" ? source(of) : sourceOfRoom(of);
  useEffect(() => {
    if (key) fetchPicture(key, path);
  }, [key]);
  const url = key && pictures.value.get(key);
  return html`<span class=${`avatar ${size} ${shape} tone-${toneOf(of)}`} aria-hidden="true">
    ${url ? html`<img src=${url} alt="" />` : icon ? html`<${Icon} name=${icon} />` : html`<span>${initials(name)}</span>`}
  </span>`;
}
