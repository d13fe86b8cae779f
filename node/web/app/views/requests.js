// Strangers who ask to become contacts. Nothing goes back to them before one decides.
import { html } from "../h.js";
import { part, post, remove } from "../api.js";
import { contacts, keep, requests } from "../state.js";
import { go } from "../route.js";
import { since } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Empty, Heading } from "../parts/bits.js";
import { attempt, confirm } from "../parts/layer.js";

const path = (request, what = "") => `/requests/${part(request.user_id)}${what}`;
const over = (request) => keep(requests, request.user_id, null);

async function accept(request) {
  const contact = await attempt(() => post(path(request, "/accept")), `${request.display} is a contact now`);
  if (!contact) return;
  over(request);
  keep(contacts, contact.user_id, contact);
  go("people", contact.user_id);
}

async function decline(request) {
  if (await attempt(() => remove(path(request)))) over(request);
}

async function block(request) {
  const sure = await confirm({ title: `Block ${request.display}?`, body: "They are not told, and cannot ask again.", action: "Block", danger: true });
  if (sure && (await attempt(() => post(path(request, "/block"))))) over(request);
}

export function Requests() {
  const all = [...requests.value.values()];
  return html`<div class="page">
    <${Heading} back=${["people"]}>Who asks<//>
    <div class="scroll"><div class="column">
      <p class="lead">They have the address of your node and did some work to knock. They learn nothing until you accept.</p>
      ${!all.length && html`<${Empty} icon="door" title="Nobody is at the door"><p>Requests come from people who opened your contact address.</p><//>`}
      ${all.map(
        (request) => html`<article class="card request" key=${request.user_id}>
          <${Avatar} of=${request.user_id} name=${request.display} size="l" />
          <div>
            <h2>${request.display}</h2>
            <p class="hint">asked ${since(request.received_at)}</p>
            ${request.note && html`<blockquote>${request.note}</blockquote>`}
            <p class="actions start">
              <button type="button" onClick=${() => accept(request)}>Accept</button>
              <button type="button" class="quiet" onClick=${() => decline(request)}>Decline</button>
              <button type="button" class="quiet danger" onClick=${() => block(request)}>Block</button>
            </p>
          </div>
        </article>`,
      )}
    </div></div>
  </div>`;
}
