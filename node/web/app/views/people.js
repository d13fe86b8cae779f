// Everybody one knows, and who asks to be known.
import { html, useState } from "../h.js";
import { contacts, requests } from "../state.js";
import { route, to } from "../route.js";
import { plural } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Empty, Heading } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { presenceOf } from "./conversation.js";

const compare = new Intl.Collator(undefined, { sensitivity: "base", numeric: true }).compare;

export function People() {
  const [wanted, setWanted] = useState("");
  const current = route.value[1];
  const all = [...contacts.value.values()].sort((a, b) => compare(a.display, b.display));
  const shown = all.filter((one) => one.display.toLowerCase().includes(wanted.trim().toLowerCase()));
  const entry = (key, icon, text, count = 0) => html`<li>
    <a class="row thin" href=${to("people", key)} aria-current=${current === key ? "page" : undefined}>
      <span class="glyph"><${Icon} name=${icon} /></span><span class="text"><strong>${text}</strong></span>
      ${count > 0 && html`<span class="count"><span aria-hidden="true">${count}</span><span class="sr">${plural(count, "open request")}</span></span>`}
    </a>
  </li>`;
  return html`
    <${Heading} focus=${!current}>People<//>
    <nav class="scroll" aria-label="People">
      <ul class="rows">
        ${entry("invite", "qr", "Invite somebody")}${entry("add", "link", "Open a link")}${entry("requests", "door", "Who asks", requests.value.size)}
      </ul>
      ${all.length > 8 && html`<p class="filter"><input type="search" aria-label="Find somebody" placeholder="Find somebody" value=${wanted} onInput=${(event) => setWanted(event.target.value)} /></p>`}
      <ul class="rows">
        ${shown.map(
          (one) => html`<li key=${one.user_id}>
            <a class="row" href=${to("people", one.user_id)} aria-current=${current === one.user_id ? "page" : undefined}>
              <span class=${`holder ${one.presence === "online" ? "online" : ""}`}><${Avatar} of=${one.user_id} name=${one.display} /></span>
              <span class="text">
                <span class="top"><strong>${one.display}</strong>${one.trust === "verified" && html`<${Icon} name="shield" /><span class="sr">verified</span>`}${one.warning && html`<${Icon} name="warning" /><span class="sr">needs your attention</span>`}</span>
                <span class="bottom"><span class="preview">${one.profile.status ? `${one.profile.status_emoji ?? ""} ${one.profile.status}` : presenceOf(one)}</span></span>
              </span>
            </a>
          </li>`,
        )}
      </ul>
      ${!all.length && html`<${Empty} icon="people" title="Nobody yet"><p>You become contacts by a link: one of you makes it, the other opens it.</p><//>`}
    </nav>
  `;
}
