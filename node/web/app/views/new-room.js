// A new room: its name, what it is for, and how people come in.
import { html, useState } from "../h.js";
import { post } from "../api.js";
import { again, keep, rooms } from "../state.js";
import { go } from "../route.js";
import { Field, Form, Heading, Select } from "../parts/bits.js";
import { JOIN } from "./room.js";

const HISTORY = [
  ["last100", "The last 100 messages"],
  ["all", "Everything"],
  ["30days", "The last 30 days"],
  ["none", "Nothing from before"],
];

export function NewRoom() {
  const [join, setJoin] = useState("link");
  const [history, setHistory] = useState("last100");
  const submit = async ({ name, topic }) => {
    const room = await post("/rooms", { name: name.trim(), ...(topic.trim() && { topic: topic.trim() }), policy: { join, history } });
    keep(rooms, room.id, room);
    await again(room.id);
    go("c", room.id, "info");
  };
  return html`<div class="page">
    <${Heading} back=${[]}>New room<//>
    <div class="scroll"><div class="column">
      <p class="lead">A room belongs to its members. There is no server behind it: every member’s node keeps what was said while they were there.</p>
      <section class="card"><${Form} submit=${submit} action="Open the room">
        <${Field} label="Name" name="name" maxlength="64" autocomplete="off" required />
        <${Field} label="Topic" name="topic" hint="Optional: what it is for." area rows="2" />
        <div class="pair">
          <${Select} label="How people come in" options=${JOIN} value=${join} onChange=${setJoin} />
          <${Select} label="What newcomers can read" options=${HISTORY} value=${history} onChange=${setHistory} />
        </div>
      <//></section>
    </div></div>
  </div>`;
}
