// A room: what it is called, who is in it, who may do what, and how others come in.
import { html, useEffect, useState } from "../h.js";
import { part, patch, post, remove } from "../api.js";
import { atLeast, contacts, keep, may, members, membersAgain, RANKS, repainted, roomAgain, rooms } from "../state.js";
import { go } from "../route.js";
import { momentOf, plural, span } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Button, Copyable, Field, Form, Select, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm, openMenu, show } from "../parts/layer.js";
import { Qr } from "../parts/qr.js";
import { PictureButtons } from "../parts/square.js";
import { block, expel, Knocks, Reports } from "./order.js";

const path = (room, rest = "") => `/rooms/${part(room.id)}${rest}`;
const above = (one, other) => RANKS.indexOf(one) > RANKS.indexOf(other);
const given = ["guest", "member", "moderator", "admin"];

async function change(room, wish, done) {
  const changed = await patch(path(room), wish);
  keep(rooms, room.id, changed);
  if (done) done();
}

/** There may be another picture under the same address. */
function repaint(room) {
  keep(repainted, room.id, (repainted.value.get(room.id) ?? 0) + 1);
  roomAgain(room.id);
}

async function rank(room, member, role) {
  if (role === "owner") {
    const sure = await confirm({
      title: `Give ${room.name} to ${member.name}?`,
      body: "They become its owner, and you an admin. Only they can give it back.",
      action: "Give it",
      danger: true,
    });
    if (!sure) return;
  }
  if (await attempt(() => patch(path(room, `/members/${part(member.user_id)}`), { role }))) membersAgain(room.id);
}

function memberMenu(anchor, room, member) {
  const sends = may(room, "remove") && above(room.role, member.role);
  const ranks = may(room, "roles") ? given.filter((role) => above(room.role, role)) : [];
  openMenu(
    anchor,
    [
      contacts.value.has(member.user_id) && { icon: "user", text: "Their card", act: () => go("people", member.user_id) },
      ...ranks.map((role) => ({ icon: "people", text: role[0].toUpperCase() + role.slice(1), checked: member.role === role, act: () => rank(room, member, role) })),
      room.role === "owner" && { icon: "door", text: "Make them the owner", act: () => rank(room, member, "owner") },
      null,
      { icon: "mute", text: member.blocked ? "Unblock" : "Block", danger: !member.blocked, act: () => block(room, member) },
      sends && { icon: "leave", text: "Remove", danger: true, act: () => expel(room, member.user_id, member.name, false) },
      sends && { icon: "ban", text: "Ban", danger: true, act: () => expel(room, member.user_id, member.name, true) },
    ],
    member.name,
  );
}

function Members({ room }) {
  const all = members.value.get(room.id);
  useEffect(() => {
    if (!all) membersAgain(room.id);
  }, [room.id]);
  if (!all) return html`<${Waiting} />`;
  return html`<ul class="members">
    ${all.map((member) => {
      const words = [member.role !== "member" && member.role, member.blocked && "blocked"].filter(Boolean).join(", ");
      return html`<li key=${member.user_id}>
        <${Avatar} of=${member.user_id} name=${member.name} size="s" />
        <span class="text"><strong>${member.own ? "You" : member.name}</strong>${words && html`<small>${words}</small>`}</span>
        ${!member.own && html`<${Button} icon="more" label=${`What to do with ${member.name}`} aria-haspopup="menu" onClick=${(event) => memberMenu(event.currentTarget, room, member)} />`}
      </li>`;
    })}
  </ul>`;
}

/** Who cannot come in until the ban is lifted. */
function KeptOut({ room }) {
  const lift = async ({ user_id: user, name }) => {
    if (await attempt(() => remove(path(room, `/bans/${part(user)}`)), `${name} may come in again`)) roomAgain(room.id);
  };
  return html`<h3>Kept out</h3>
    <ul class="members">
      ${room.banned.map(
        (one) => html`<li key=${one.user_id}>
          <${Avatar} of=${one.user_id} name=${one.name} size="s" />
          <span class="text"><strong>${one.name}</strong></span>
          ${may(room, "remove") && html`<button type="button" class="quiet small" aria-label=${`Lift the ban of ${one.name}`} onClick=${() => lift(one)}>Lift</button>`}
        </li>`,
      )}
    </ul>`;
}

function InviteContact({ room }) {
  const here = new Set([...(members.value.get(room.id) ?? []), ...room.banned].map((one) => one.user_id));
  const free = [...contacts.value.values()].filter((one) => one.state === "accepted" && !one.blocked && !here.has(one.user_id));
  const [asked, setAsked] = useState(new Set());
  const invite = async (contact) => {
    const sent = await attempt(() => post(path(room, "/invites"), { user: contact.user_id }), `${contact.display} is invited`);
    if (sent) setAsked(new Set([...asked, contact.user_id]));
  };
  if (!free.length) return html`<p class="hint">Everybody you know is here. A link brings in others.</p>`;
  return html`<ul class="members">
    ${free.map(
      (contact) => html`<li key=${contact.user_id}>
        <${Avatar} of=${contact.user_id} name=${contact.display} size="s" />
        <span class="text"><strong>${contact.display}</strong></span>
        <button type="button" class="quiet small" disabled=${asked.has(contact.user_id)} onClick=${() => invite(contact)}>${asked.has(contact.user_id) ? "Invited" : "Invite"}</button>
      </li>`,
    )}
  </ul>`;
}

async function makeLink(room, knock) {
  const made = await attempt(() => post(path(room, "/links"), { knock }));
  if (!made) return;
  await show(
    `A link to ${room.name}`,
    html`<p>Whoever opens it ${knock ? "knocks, and waits until somebody here lets them in" : "comes in"}. It works until ${momentOf(made.expires_at)}.</p>
      <${Qr} text=${made.link} label=${`QR code of a link to ${room.name}`} />
      <${Copyable} text=${made.link} label="Link" />`,
  );
}

export const JOIN = [
  ["link", "By invitation or link"],
  ["invite", "By invitation alone"],
  ["knock", "They knock, and somebody lets them in"],
  ["public", "Anybody who finds it"],
];
const RANK_OPTIONS = [
  ["guest", "Everybody, guests too"],
  ["member", "Members"],
  ["moderator", "Moderators"],
  ["admin", "Admins"],
  ["owner", "The owner"],
];
const RULES = [
  ["post", "Who writes", RANK_OPTIONS],
  ["invite", "Who invites", RANK_OPTIONS],
  ["pin", "Who pins", RANK_OPTIONS],
  ["info", "Who changes name and topic", RANK_OPTIONS],
  ["remove", "Who removes people", RANK_OPTIONS],
  ["roles", "Who gives ranks", RANK_OPTIONS],
  ["join", "How people come in", JOIN],
  ["history", "What newcomers can read", [["none", "Nothing from before"], ["last100", "The last 100 messages"], ["30days", "The last 30 days"], ["all", "Everything"]]],
];
const SLOW = [0, 5_000, 30_000, 300_000, 3_600_000];

/** What holds is shown, even if it cannot be chosen here. */
const known = (options, value) => (options.some(([key]) => key === value) ? options : [...options, [value, value]]);

function Rules({ room }) {
  const set = (wish) => attempt(() => change(room, { policy: wish }));
  const slow = SLOW.includes(room.policy.slow_mode_ms) ? SLOW : [...SLOW, room.policy.slow_mode_ms];
  const fixed = !atLeast(room.role, "admin");
  return html`<div class="rules">
    ${RULES.map(([key, label, options]) => html`<${Select} key=${key} label=${label} options=${known(options, room.policy[key])} value=${room.policy[key]} disabled=${fixed} onChange=${(value) => set({ [key]: value })} />`)}
    <${Select}
      label="Slow mode"
      options=${slow.map((ms) => [String(ms), ms ? `A message every ${span(ms)}` : "Off"])}
      value=${String(room.policy.slow_mode_ms)}
      disabled=${fixed}
      onChange=${(value) => set({ slow_mode_ms: Number(value) })}
    />
    ${fixed && html`<p class="hint">Only admins and the owner change these.</p>`}
  </div>`;
}

export function Room({ room }) {
  const [editing, setEditing] = useState(false);
  const save = ({ name, topic }) => change(room, { name: name.trim(), topic: topic.trim() }, () => setEditing(false));
  const member = room.standing === "member";
  return html`
    <div class="portrait">
      <${Avatar} of=${room.id} name=${room.name} shape="arch" size="xl" />
      <h3>${room.name}</h3>
      <p class="hint">${plural(room.members, "member")}${member ? ` · you are ${room.role === "owner" ? "the owner" : `a${/^[ao]/u.test(room.role) ? "n" : ""} ${room.role}`}` : ""}</p>
      ${room.topic && html`<p class="topic">${room.topic}</p>`}
      ${may(room, "info") && !editing && html`<p><button type="button" class="quiet" onClick=${() => setEditing(true)}><${Icon} name="edit" />Name, topic, picture</button></p>`}
      ${editing && html`<p class="buttons"><${PictureButtons} size="small" path=${path(room, "/avatar")} there=${room.avatar} done=${() => repaint(room)} changed="The picture is changed" gone="The picture is gone" /></p>`}
    </div>
    ${editing &&
    html`<${Form} submit=${save} action="Save" quiet=${html`<button type="button" class="quiet" onClick=${() => setEditing(false)}>Cancel</button>`}>
      <${Field} label="Name" name="name" defaultValue=${room.name} maxlength="64" required />
      <${Field} label="Topic" name="topic" area defaultValue=${room.topic} rows="3" />
    <//>`}
    <${Knocks} room=${room} />
    <${Reports} room=${room} />
    <h3>Members</h3>
    <${Members} room=${room} />
    ${may(room, "invite") &&
    html`<h3>Bring in</h3>
      <${InviteContact} room=${room} />
      <div class="buttons"><button type="button" class="quiet" onClick=${() => makeLink(room, room.policy.join === "knock")}><${Icon} name="link" />Make a link${room.policy.join === "knock" ? " to knock with" : ""}</button></div>`}
    ${room.banned.length > 0 && html`<${KeptOut} room=${room} />`}
    ${member && html`<details><summary>Rules of this room</summary><${Rules} room=${room} /></details>`}
  `;
}
