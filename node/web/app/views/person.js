// Somebody: what they say of themselves, the safety number, and how they are kept.
import { html, useEffect, useState } from "../h.js";
import { get, part, patch, post, remove } from "../api.js";
import { contacts, keep } from "../state.js";
import { go, to } from "../route.js";
import { plural, since } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Copyable, Empty, Field, Form, Heading, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm, notice } from "../parts/layer.js";
import { Qr } from "../parts/qr.js";
import { presenceOf } from "./conversation.js";

const path = (contact, rest = "") => `/contacts/${part(contact.user_id)}${rest}`;
const kept = (changed) => changed?.user_id && keep(contacts, changed.user_id, changed);
const TRUST = {
  unverified: "You have not compared the number yet.",
  verified: "Verified: you compared the number.",
  changed: "All their devices were replaced since.",
};

function Safety({ contact }) {
  const [safety, setSafety] = useState(null);
  useEffect(() => {
    get(path(contact, "/safety")).then(setSafety, () => {});
  }, [contact.user_id, contact.trust]);
  if (!safety) return html`<${Waiting} />`;
  const devices = safety.devices ? { devices: safety.devices } : {};
  const verify = async () => {
    const sure = await confirm({
      title: "Are all twelve groups the same?",
      body: `Compare them with ${contact.display} by voice or face to face, not over a chat.`,
      action: "They are the same",
    });
    if (sure) kept(await attempt(() => post(path(contact, "/verify"), { code: safety.number, ...devices }), `${contact.display} is verified`));
  };
  const accept = async () => {
    const sure = await confirm({ title: "Accept their new devices?", body: safety.warning, action: "Accept", danger: true });
    if (sure) kept(await attempt(() => post(path(contact, "/trust"), devices)));
  };
  return html`<section class="card">
    <h2><${Icon} name="shield" />Safety number</h2>
    <p class=${`trust ${contact.trust}`}>${TRUST[contact.trust]}${contact.trust_since ? ` (${since(contact.trust_since)})` : ""}</p>
    ${safety.warning && html`<p class="warning"><${Icon} name="warning" /><span>${safety.warning}.</span></p>`}
    <div class="safety">
      <${Qr} path=${path(contact, "/safety.svg")} label="The safety number as a QR code" />
      <ol class="digits" aria-label="Safety number">${safety.number.split(" ").map((group) => html`<li>${group}</li>`)}</ol>
    </div>
    <p class="actions start">
      ${contact.trust !== "verified" && html`<button type="button" onClick=${verify}>I compared it</button>`}
      ${contact.trust === "changed" && html`<button type="button" class="quiet" onClick=${accept}>Accept without comparing</button>`}
    </p>
  </section>`;
}

function Rename({ contact, done }) {
  const submit = async ({ petname }) => {
    kept(await patch(path(contact), { petname: petname.trim() || null }));
    done();
  };
  return html`<${Form} submit=${submit} action="Save" quiet=${html`<button type="button" class="quiet" onClick=${done}>Cancel</button>`}>
    <${Field} label="What you call them" name="petname" hint=${`Only you see it. They call themselves ${contact.name || "nothing"}.`} defaultValue=${contact.petname ?? ""} maxlength="64" />
  <//>`;
}

async function block(contact) {
  const sure =
    contact.blocked ||
    (await confirm({ title: `Block ${contact.display}?`, body: "You hear nothing from them, and they are not told. What they write meanwhile comes once you unblock them.", action: "Block", danger: true }));
  if (sure) kept(await attempt(() => patch(path(contact), { blocked: !contact.blocked })));
}

async function parting(contact) {
  const history = { erase: false };
  const sure = await confirm({
    title: `Remove ${contact.display}?`,
    body: html`<p>You are no contacts any more. Nobody is told; to talk again, one of you opens a new link.</p>
      <label class="tick"><input type="checkbox" onChange=${(event) => (history.erase = event.target.checked)} />Erase what was written here, too</label>`,
    action: "Remove",
    danger: true,
  });
  if (!sure) return;
  if (await attempt(() => remove(`${path(contact)}?history=${history.erase}`))) {
    notice(`${contact.display} is no contact any more`);
    go("people");
  }
}

export function Person({ id }) {
  const contact = contacts.value.get(id);
  const [naming, setNaming] = useState(false);
  if (!contact) return html`<div class="page"><${Heading} back=${["people"]}>Nobody<//><${Empty} icon="people" title="This is no contact of yours"><p><a href=${to("people")}>Everybody you know</a></p><//></div>`;
  const { profile, display, name, petname, devices, state, reason } = contact;
  return html`<div class="page">
    <${Heading} back=${["people"]}>${display}<//>
    <div class="scroll"><div class="column">
      <section class="portrait large">
        <${Avatar} of=${id} name=${display} size="xxl" />
        <div>
          <p class="name">${display}${petname && name && name !== petname ? html` <small>calls themselves ${name}</small>` : ""}</p>
          <p class="hint">${[profile.pronouns, presenceOf(contact)].filter(Boolean).join(" · ")}</p>
          ${profile.status && html`<p class="status-line">${profile.status_emoji} ${profile.status}</p>`}
          ${profile.about && html`<p class="about-them">${profile.about}</p>`}
          <p class="actions start">
            <a class="button" href=${to("c", contact.conversation)}><${Icon} name="talks" />Talk</a>
            <button type="button" class="quiet" onClick=${() => setNaming(!naming)}><${Icon} name="edit" />Rename</button>
          </p>
        </div>
      </section>
      ${naming && html`<section class="card"><${Rename} contact=${contact} done=${() => setNaming(false)} /></section>`}
      ${state !== "accepted" && html`<p class="warning" role="note"><${Icon} name="clock" /><span>${reason ? `${reason[0].toUpperCase()}${reason.slice(1)}.` : "Not a contact yet."}</span></p>`}
      ${state === "accepted" && html`<${Safety} contact=${contact} />`}
      <section class="card">
        <h2><${Icon} name="node" />Their node</h2>
        <p class="hint">${devices.length ? plural(devices.length, "device") : "No device is known yet"}${contact.reachable ? ", connected with you now" : contact.last_seen ? `, last seen ${since(contact.last_seen)}` : ""}.</p>
        <${Copyable} text=${contact.user_id} label="User id" />
      </section>
      <section class="card">
        <h2>Keep away</h2>
        <p class="actions start">
          <button type="button" class="quiet" onClick=${() => block(contact)}><${Icon} name="ban" />${contact.blocked ? "Unblock" : "Block"}</button>
          <button type="button" class="quiet danger" onClick=${() => parting(contact)}><${Icon} name="trash" />Remove from contacts</button>
        </p>
      </section>
    </div></div>
  </div>`;
}
