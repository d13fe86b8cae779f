// Keeping order in a room: who knocks, what was reported, and sending people away.
import { html, useEffect } from "../h.js";
import { part, post, put, remove } from "../api.js";
import { contacts, knocks, knocksAgain, may, membersAgain, reports, reportsAgain, roomAgain } from "../state.js";
import { summary } from "../summary.js";
import { since } from "../format.js";
import { to } from "../route.js";
import { Avatar } from "../parts/avatar.js";
import { Field } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm } from "../parts/layer.js";

const path = (room, rest) => `/rooms/${part(room.id)}/${rest}`;

/** Reads what waits for somebody who keeps order, and answers how much that is. */
export function useOrder(room) {
  const knocking = may(room, "invite") && room.policy.join === "knock";
  const judging = may(room, "remove");
  useEffect(() => {
    if (knocking) knocksAgain(room.id);
    if (judging) reportsAgain(room.id);
  }, [room?.id, knocking, judging]);
  const count = (does, map) => (does ? (map.value.get(room.id)?.length ?? 0) : 0);
  return count(knocking, knocks) + count(judging, reports);
}

/** Sends somebody away, for good if banned. */
export async function expel(room, user, name, ban) {
  const wish = { ban, purge: false, reason: "" };
  const sure = await confirm({
    title: ban ? `Ban ${name}?` : `Remove ${name}?`,
    body: html`<p>They get nothing that is written from now on${ban ? ", and cannot come back until the ban is lifted" : ""}.</p>
      <${Field} label="Why" hint="Optional. All members can read it." maxlength="256" onInput=${(event) => (wish.reason = event.target.value)} />
      <label class="tick"><input type="checkbox" onChange=${(event) => (wish.purge = event.target.checked)} />Remove everything they wrote here, too</label>`,
    action: ban ? "Ban" : "Remove",
    danger: true,
  });
  if (!sure) return;
  if (await attempt(() => post(path(room, `members/${part(user)}/remove`), { ...wish, reason: wish.reason.trim() }))) roomAgain(room.id);
}

/** Shows nothing any more of what somebody writes, in this and all other rooms, or does again. */
export async function block(room, { user_id: user, name, blocked }) {
  const sure =
    blocked ||
    (await confirm({
      title: `Block ${name}?`,
      body: "You do not see what they write, in any room. They are not told, and the others go on seeing it.",
      action: "Block",
      danger: true,
    }));
  const at = path(room, `members/${part(user)}/block`);
  if (sure && (await attempt(() => (blocked ? remove(at) : put(at)), blocked ? `${name} is not blocked any more` : `${name} is blocked`))) membersAgain(room.id);
}

/** Says to those who keep order what is wrong with a message. */
export async function report(message) {
  const wish = { reason: "" };
  const sure = await confirm({
    title: "Report this message?",
    body: html`<p>The moderators and admins of this room are told, and that it was you.</p>
      <${Field} label="What is wrong with it" hint="Optional." area rows="3" maxlength="512" onInput=${(event) => (wish.reason = event.target.value)} />`,
    action: "Report",
  });
  if (sure) await attempt(() => post(`/messages/${part(message.id)}/report`, { reason: wish.reason.trim() }), "Reported");
}

/** Who waits to be let in. */
export function Knocks({ room }) {
  const all = knocks.value.get(room.id);
  if (!all?.length || !may(room, "invite")) return null;
  const decide = async ({ user_id: user, name }, yes) => {
    const at = path(room, `requests/${part(user)}`);
    if (await attempt(() => (yes ? post(at) : remove(at)), yes ? `${name} may come in` : `${name} is turned away`)) knocksAgain(room.id);
  };
  return html`<h3>At the door</h3>
    <ul class="cases">
      ${all.map(
        (one) => html`<li key=${one.user_id}>
          <p><${Avatar} of=${one.user_id} name=${one.name} size="s" /><span class="text"><strong>${one.name}</strong><small>asks to come in, ${since(one.asked_at)}</small></span></p>
          ${one.note && html`<blockquote>${one.note}</blockquote>`}
          <p class="buttons">
            <button type="button" class="small" aria-label=${`Let in ${one.name}`} onClick=${() => decide(one, true)}>Let in</button>
            <button type="button" class="quiet small" aria-label=${`Turn away ${one.name}`} onClick=${() => decide(one, false)}>Turn away</button>
          </p>
        </li>`,
      )}
    </ul>`;
}

/** What was reported, until somebody dismisses it. */
export function Reports({ room }) {
  const all = reports.value.get(room.id);
  if (!all?.length || !may(room, "remove")) return null;
  const done = async (doing, said) => (await attempt(doing, said)) && reportsAgain(room.id);
  const erase = async ({ message }) => {
    const sure = await confirm({ title: "Delete it for everybody?", body: "The text is erased on every node that plays fair.", action: "Delete", danger: true });
    if (sure) done(() => remove(`/messages/${part(message.id)}?for=all`), "Deleted");
  };
  return html`<h3>Reported</h3>
    <ul class="cases">
      ${all.map((one) => {
        const { message_id: id, message, name, reason } = one;
        const here = message && !message.deleted && !message.gone;
        const author = message && !message.own && message.author_name;
        return html`<li key=${`${id} ${one.user_id}`}>
          <p><span class="glyph"><${Icon} name="flag" /></span><span class="text"><strong>${name} reports ${author ? `what ${author} wrote` : "a message"}</strong><small>${since(one.reported_at)}</small></span></p>
          ${reason && html`<blockquote>${reason}</blockquote>`}
          <a class="quote" href=${to("c", room.id, "m", id)}><strong>${message?.author_name ?? ""}</strong><span>${message ? summary(message) : "It is not here"}</span></a>
          <p class="buttons">
            ${here && html`<button type="button" class="quiet small danger" aria-label=${`Delete what ${name} reports`} onClick=${() => erase(one)}>Delete</button>`}
            ${author && html`<button type="button" class="quiet small danger" aria-label=${`Remove ${author}`} onClick=${() => expel(room, message.author, contacts.value.get(message.author)?.display ?? author, false)}>Remove</button>`}
            <button type="button" class="quiet small" aria-label=${`Dismiss what ${name} reports`} onClick=${() => done(() => remove(path(room, `reports/${part(id)}`)), "Dismissed")}>Dismiss</button>
          </p>
        </li>`;
      })}
    </ul>`;
}
