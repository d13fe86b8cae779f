// Links for people to come: one that makes contacts at once, and an address at which anybody may ask.
import { html, useEffect, useState } from "../h.js";
import { get, part, post, remove } from "../api.js";
import { momentOf, plural, span } from "../format.js";
import { Choice, Copyable, Form, Heading, Problem, Select, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt } from "../parts/layer.js";
import { Qr } from "../parts/qr.js";

const DAY = 86_400;
const LASTS = [DAY / 24, DAY, 7 * DAY, 30 * DAY].map((s) => [String(s), span(s * 1000)]);
const USES = [["1", "One person"], ["5", "Up to 5 people"], ["25", "Up to 25 people"]];

const Reach = ({ works, hint }) => html`<p class="reach"><${Icon} name="node" /><span>Works from <b>${works}</b>: ${hint}.</span></p>`;

function Made({ link, works, hint, children, label }) {
  return html`<div class="card made">
    <${Qr} text=${link} label=${`QR code of the ${label.toLowerCase()}`} />
    <div>
      ${children}
      <${Copyable} text=${link} label=${label} />
      <${Reach} works=${works} hint=${hint} />
    </div>
  </div>`;
}

function Open({ again }) {
  const [list, setList] = useState([]);
  const read = () => get("/invites").then((found) => setList(found.items.filter((one) => one.state === "open")), () => {});
  useEffect(() => void read(), [again]);
  if (!list.length) return null;
  return html`<section>
    <h2>Open invitations</h2>
    <ul class="members">
      ${list.map(
        (one) => html`<li key=${one.token}>
          <span class="glyph"><${Icon} name="link" /></span>
          <span class="text"><strong>${one.uses} of ${plural(one.max_uses, "use")}</strong><small>until ${momentOf(one.expires_at)}</small></span>
          <button type="button" class="quiet small" onClick=${async () => (await attempt(() => remove(`/invites/${part(one.token)}`), "It does not work any more")) && read()}>Take back</button>
        </li>`,
      )}
    </ul>
  </section>`;
}

function Link() {
  const [made, setMade] = useState(null);
  const [uses, setUses] = useState("1");
  const [lasts, setLasts] = useState(String(7 * DAY));
  const submit = async () => setMade(await post("/invites", { expires_in_s: Number(lasts), max_uses: Number(uses) }));
  return html`
    <p class="lead">Whoever opens this link is your contact at once, and you are theirs. Send it to somebody you know, or let them scan it.</p>
    ${made
      ? html`<${Made} ...${made} label="Invitation"><p><strong>For ${USES.find(([count]) => count === String(made.max_uses))?.[1].toLowerCase()}</strong>, until ${momentOf(made.expires_at)}.</p><//>
          <p><button type="button" class="quiet" onClick=${() => setMade(null)}>Make another one</button></p>`
      : html`<section class="card"><${Form} submit=${submit} action="Make the link">
          <div class="pair">
            <${Select} label="For" options=${USES} value=${uses} onChange=${setUses} />
            <${Select} label="Good for" options=${LASTS} value=${lasts} onChange=${setLasts} />
          </div>
        <//></section>`}
    <${Open} again=${made} />
  `;
}

function Address() {
  const [address, setAddress] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => void get("/me/address").then(setAddress, setError), []);
  return html`
    <p class="lead">For a profile or a card. Whoever opens it asks you first; you accept or decline under “Who asks”.</p>
    ${error ? html`<${Problem} error=${error} />` : address ? html`<${Made} ...${address} label="Address"><p><strong>Where you can be asked</strong></p><//>` : html`<${Waiting} />`}
  `;
}

export function Invite() {
  const [kind, setKind] = useState("link");
  return html`<div class="page">
    <${Heading} back=${["people"]}>Invite somebody<//>
    <div class="scroll"><div class="column">
      <${Choice} label="Who is to come" options=${[["link", "Somebody you know", "link"], ["address", "Anybody", "door"]]} value=${kind} onChange=${setKind} />
      ${kind === "link" ? html`<${Link} />` : html`<${Address} />`}
    </div></div>
  </div>`;
}
