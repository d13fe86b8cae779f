// How the node is doing: from where it can be reached, who is connected, what waits, what is on the disk.
import { html, useEffect, useState } from "../h.js";
import { get } from "../api.js";
import { me } from "../state.js";
import { to } from "../route.js";
import { bytes, plural, since, span } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Copyable, Heading, Problem, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";

const EVERY_MS = 5000;
const HEALTH = {
  ok: ["check", "Well", "Everything that is accepted is safe on the disk."],
  disk_full: ["warning", "The disk is full", "Nothing new is taken until there is room again. Reading goes on."],
  storage_failed: ["warning", "The storage failed", "Nothing new is taken. The node’s log says why."],
};

const REACH = {
  anywhere: "Others can connect from the internet.",
  "this LAN": "Others can connect from the same network.",
  "this machine": "Other machines cannot connect: that needs a listen address of this machine’s network.",
};

/** An address without the names of its layers. */
function plainly(address) {
  const [, kind, host, transport, port, quic] = address.split("/");
  if (!kind?.startsWith("ip") && !kind?.startsWith("dns")) return address;
  const place = kind === "ip6" ? `[${host}]` : host;
  return `${place}:${port} (${quic?.startsWith("quic") ? "QUIC" : transport?.toUpperCase()})`;
}

function Contact({ one }) {
  const { connected, reachable, failure, waiting, display, user_id: user } = one;
  const words = reachable ? "Connected" : connected ? "Connected, no stream yet" : failure ? `${failure.reason} (${since(failure.since)})` : "Not connected";
  return html`<li>
    <${Avatar} of=${user} name=${display} size="s" />
    <span class="text"><strong><a href=${to("people", user)}>${display}</a></strong><small>${words}${waiting.count ? ` · ${plural(waiting.count, "message")} on the way` : ""}</small></span>
    <span class=${`lamp ${reachable ? "on" : ""}`} aria-hidden="true"></span>
  </li>`;
}

export function NodeView() {
  const [facts, setFacts] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const read = async () => {
      try {
        const [stats, doctor, address] = await Promise.all([get("/stats"), get("/doctor"), get("/me/address").catch(() => null)]);
        setFacts({ stats, doctor, address });
        setError(null);
      } catch (refused) {
        setError(refused);
      }
    };
    read();
    const timer = setInterval(() => !document.hidden && read(), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  const body = () => {
    const { stats, doctor, address } = facts;
    const [icon, word, meaning] = HEALTH[stats.store.health] ?? HEALTH.storage_failed;
    return html`
      <section class="card">
        <h2><${Icon} name=${icon} />${word}</h2>
        <p class="hint">${meaning}</p>
        <dl class="figures">
          <div><dt>Running for</dt><dd>${span(stats.uptime_s * 1000)}</dd></div>
          <div><dt>On the disk</dt><dd>${bytes(stats.store.bytes)}</dd></div>
          <div><dt>Peers</dt><dd>${stats.peers.length}</dd></div>
          <div><dt>On the way</dt><dd>${stats.outbox}</dd></div>
        </dl>
        ${stats.store.damage.map((one) => html`<p class="warning"><${Icon} name="warning" /><span>${one}</span></p>`)}
      </section>
      <section class="card">
        <h2><${Icon} name="node" />Reachable from ${address?.works ?? "nowhere"}</h2>
        <p class="hint">${doctor.network ? REACH[address?.works] ?? "The node listens nowhere." : "The network is switched off."}${doctor.mdns ? " It finds others in its own network." : ""}</p>
        <ul class="addresses">${stats.listen.map((one) => html`<li key=${one}><code>${plainly(one)}</code></li>`)}</ul>
      </section>
      ${doctor.contacts.length > 0 &&
      html`<section class="card"><h2><${Icon} name="people" />Contacts</h2><ul class="members">${doctor.contacts.map((one) => html`<${Contact} key=${one.user_id} one=${one} />`)}</ul></section>`}
      <section class="card">
        <h2>About</h2>
        <p class="hint">parlour ${stats.version}, API at ${stats.api}</p>
        <${Copyable} text=${me.value.peer_id} label="Peer id" />
      </section>
    `;
  };
  return html`<div class="page">
    <${Heading} back=${["settings"]}>Node<//>
    <div class="scroll"><div class="column">${error ? html`<${Problem} error=${error} />` : facts ? body() : html`<${Waiting} />`}</div></div>
  </div>`;
}
