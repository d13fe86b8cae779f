// Rooms that are open to all: those that people of this node, contacts and nodes around list.
import { html, useEffect, useState } from "../h.js";
import { part, post } from "../api.js";
import { again, keep, rooms } from "../state.js";
import { go, to } from "../route.js";
import { plural } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Empty, Heading, Problem, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt } from "../parts/layer.js";

/** Nodes are asked when one looks, and have answered when one looks again. */
const ANSWERS_MS = 2000;

function Listed({ room }) {
  const [busy, setBusy] = useState(false);
  const join = async () => {
    if (busy) return;
    setBusy(true);
    const joined = await attempt(() => post(`/public-rooms/${part(room.id)}/join`));
    setBusy(false);
    if (!joined) return;
    keep(rooms, joined.id, joined);
    await again(joined.id);
    go("c", joined.id);
  };
  const inside = room.joined || rooms.value.get(room.id)?.standing === "member";
  return html`<article class="card request">
    <${Avatar} of=${room.id} name=${room.name} shape="arch" size="l" />
    <div>
      <h2>${room.name}</h2>
      <p class="hint">${plural(room.members, "member")} · made by ${room.made_by_name}</p>
      ${room.topic && html`<p class="topic">${room.topic}</p>`}
      <p class="actions start">
        ${inside
          ? html`<a class="button quiet" href=${to("c", room.id)} aria-label=${`You are in ${room.name}`}>You are in</a>`
          : html`<button type="button" aria-disabled=${busy ? "true" : undefined} aria-label=${`Join ${room.name}`} onClick=${join}>${busy ? "On the way in …" : "Join"}</button>`}
      </p>
    </div>
  </article>`;
}

export function Rooms() {
  const [all, setAll] = useState(null);
  const [error, setError] = useState(null);
  const look = () => post("/public-rooms").then((found) => (setAll(found.items), setError(null)), setError);
  useEffect(() => {
    look();
    const later = setTimeout(look, ANSWERS_MS);
    return () => clearTimeout(later);
  }, []);
  return html`<div class="page">
    <${Heading} back=${[]}>Public rooms<//>
    <div class="scroll"><div class="column">
      <p class="lead">Rooms that let anybody in, as far as people of this node, your contacts and nodes around you list them.</p>
      ${error ? html`<${Problem} error=${error} retry=${look} />` : !all && html`<${Waiting} />`}
      ${all && !all.length && html`<${Empty} icon="door" title="None is listed just now"><p>A room is public if its rules say so: “How people come in”.</p><//>`}
      ${all?.map((room) => html`<${Listed} key=${room.id} room=${room} />`)}
      ${all && html`<p class="actions start"><button type="button" class="quiet" onClick=${look}><${Icon} name="retry" />Look again</button></p>`}
    </div></div>
  </div>`;
}
