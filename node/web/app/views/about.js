// Beside a conversation: who it is with, how it is kept, and for a room its members and rules.
import { html, useEffect, useState } from "../h.js";
import { get, part, patch, post, put, remove } from "../api.js";
import { contacts, conversations, keep, rooms } from "../state.js";
import { go, to } from "../route.js";
import { momentOf, span } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Select, Switch } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm, openMenu } from "../parts/layer.js";
import { presenceOf } from "./conversation.js";
import { Room } from "./room.js";

const HOUR = 3_600_000;
const TIMERS = [
  ["0", "Off: messages stay"],
  [String(HOUR), "An hour"],
  [String(24 * HOUR), "A day"],
  [String(7 * 24 * HOUR), "A week"],
  [String(30 * 24 * HOUR), "30 days"],
];

async function change(conversation, wish) {
  const changed = await attempt(() => patch(`/conversations/${part(conversation.id)}`, wish));
  if (changed) keep(conversations, changed.id, changed);
}

function muteMenu(anchor, conversation) {
  const until = (hours) => change(conversation, { muted_until: new Date(Date.now() + hours * HOUR).toISOString() });
  openMenu(
    anchor,
    [
      { icon: "mute", text: "For an hour", act: () => until(1) },
      { icon: "mute", text: "For eight hours", act: () => until(8) },
      { icon: "mute", text: "For a week", act: () => until(168) },
      { icon: "mute", text: "For ever", act: () => change(conversation, { muted_until: "forever" }) },
    ],
    "Mute",
  );
}

function Keeping({ conversation }) {
  const { id, muted, muted_until: until, archived } = conversation;
  const [timer, setTimer] = useState(null);
  useEffect(() => {
    get(`/conversations/${part(id)}/timer`).then((found) => setTimer(String(found.expires_after_ms ?? 0)), () => {});
  }, [id]);
  const setAfter = async (wish) => {
    const path = `/conversations/${part(id)}/timer`;
    const changed = await attempt(() => (wish === "0" ? remove(path) : put(path, { expires_after_ms: Number(wish) })));
    if (changed) setTimer(wish);
  };
  const known = TIMERS.some(([ms]) => ms === timer);
  const options = known || timer === null ? TIMERS : [...TIMERS, [timer, span(Number(timer))]];
  return html`<h3>How it is kept</h3>
    <${Select} label="New messages disappear after" options=${options} value=${timer ?? "0"} disabled=${timer === null} onChange=${setAfter} />
    <div class="buttons">
      ${muted
        ? html`<button type="button" class="quiet" onClick=${() => change(conversation, { muted_until: null })}><${Icon} name="bell" />Unmute${until ? html`<small>muted until ${momentOf(until)}</small>` : ""}</button>`
        : html`<button type="button" class="quiet" aria-haspopup="menu" onClick=${(event) => muteMenu(event.currentTarget, conversation)}><${Icon} name="mute" />Mute …</button>`}
      <button type="button" class="quiet" onClick=${() => change(conversation, { archived: !archived })}><${Icon} name="archive" />${archived ? "Take it out again" : "Put it away"}</button>
    </div>`;
}

function Other({ conversation: { with: user, title } }) {
  const contact = contacts.value.get(user);
  if (!contact) return html`<p class="hint">You are no contacts any more.</p>`;
  const { about, pronouns, status, status_emoji: emoji } = contact.profile;
  return html`<div class="portrait">
    <${Avatar} of=${user} name=${title} size="xl" />
    <h3>${title}</h3>
    <p class="hint">${[pronouns, presenceOf(contact)].filter(Boolean).join(" · ")}</p>
    ${status && html`<p class="status-line">${emoji} ${status}</p>`}
    ${about && html`<p>${about}</p>`}
    <p><a class="button quiet" href=${to("people", user)}><${Icon} name="user" />Their card</a></p>
  </div>`;
}

export function About({ conversation }) {
  const { kind, id } = conversation;
  const room = rooms.value.get(id);
  return html`
    ${kind === "direct" && html`<${Other} conversation=${conversation} />`}
    ${kind === "room" && room && html`<${Room} room=${room} />`}
    <${Keeping} conversation=${conversation} />
    ${kind === "room" && room?.standing === "member" && html`<${Leave} room=${room} />`}
  `;
}

function Leave({ room }) {
  const leave = async () => {
    const sure = await confirm({
      title: `Leave ${room.name}?`,
      body: "What was said so far stays on your disk. To come back you need a new invitation.",
      action: "Leave",
      danger: true,
    });
    if (sure && (await attempt(() => post(`/rooms/${part(room.id)}/leave`)))) go();
  };
  if (room.role === "owner") return html`<p class="hint">The owner cannot leave: make somebody else the owner first.</p>`;
  return html`<div class="buttons"><button type="button" class="quiet danger" onClick=${leave}><${Icon} name="leave" />Leave the room</button></div>`;
}
