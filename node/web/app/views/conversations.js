// The list of conversations: who, what was said last, how much of it is new.
import { html, useState } from "../h.js";
import { put } from "../api.js";
import { conversations, contacts, keep, nameOf, rooms, sorted, typing } from "../state.js";
import { go, route, to } from "../route.js";
import { summary } from "../summary.js";
import { plainly } from "../text.js";
import { plural, shortly } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Button, Empty, Heading } from "../parts/bits.js";
import { Icon, Ticks } from "../parts/icon.js";
import { attempt, openMenu } from "../parts/layer.js";

function Line({ conversation: { id, kind, last, draft } }) {
  const writing = typing.value.get(id);
  if (writing) {
    const names = [...writing].map((user) => nameOf(user, id));
    return html`<span class="preview writing">${kind === "direct" ? "writes …" : `${names.slice(0, 2).join(", ")} ${names.length > 1 ? "write" : "writes"} …`}</span>`;
  }
  if (draft) return html`<span class="preview"><em>Draft:</em> ${plainly(draft)}</span>`;
  const invited = rooms.value.get(id)?.standing === "invited";
  if (!last) return html`<span class="preview">${invited ? html`<em>You are invited</em>` : kind === "room" ? "A new room" : "Say hello"}</span>`;
  const who = last.own ? "You: " : kind === "room" ? `${last.author_name}: ` : "";
  return html`<span class="preview">${last.own && kind !== "notes" && html`<${Ticks} status=${last.status} />`}${kind === "notes" ? "" : who}${summary(last)}</span>`;
}

export function Row({ conversation, current }) {
  const { id, kind, title, unread, last, muted, warning } = conversation;
  const with_ = kind === "direct" ? conversation.with : id;
  const online = kind === "direct" && contacts.value.get(conversation.with)?.presence === "online";
  return html`<li>
    <a class="row" href=${to("c", id)} aria-current=${current ? "page" : undefined}>
      <span class=${`holder ${online ? "online" : ""}`}>
        <${Avatar} of=${with_} name=${title} shape=${kind === "room" ? "arch" : "round"} icon=${kind === "notes" ? "notes" : undefined} />
      </span>
      <span class="text">
        <span class="top">
          <strong>${title}</strong>
          ${muted && html`<${Icon} name="mute" /><span class="sr">muted</span>`}
          ${warning && html`<${Icon} name="warning" /><span class="sr">needs your attention</span>`}
          ${online && html`<span class="sr">is here</span>`}
          ${last && html`<time datetime=${last.created_at}>${shortly(last.created_at)}</time>`}
        </span>
        <span class="bottom">
          <${Line} conversation=${conversation} />
          ${unread > 0 &&
          html`<span class=${`count ${muted ? "muted" : ""}`}><span aria-hidden="true">${unread > 999 ? "999+" : unread}</span><span class="sr">${plural(unread, "unread message")}</span></span>`}
        </span>
      </span>
    </a>
  </li>`;
}

export function startMenu(anchor) {
  const openNotes = async () => {
    const notes = await attempt(() => put("/notes"));
    if (!notes) return;
    keep(conversations, notes.id, notes);
    go("c", notes.id);
  };
  openMenu(
    anchor,
    [
      { icon: "door", text: "New room", act: () => go("new") },
      { icon: "search", text: "Public rooms", act: () => go("rooms") },
      { icon: "notes", text: "Notes to yourself", act: openNotes },
      null,
      { icon: "qr", text: "Invite somebody", act: () => go("people", "invite") },
      { icon: "link", text: "Open a link", act: () => go("people", "add") },
    ],
    "Begin something",
  );
}

export function Conversations() {
  const [away, setAway] = useState(false);
  const all = sorted.value;
  const shown = all.filter((one) => one.archived === away);
  const put = all.length - all.filter((one) => !one.archived).length;
  const current = route.value[0] === "c" ? route.value[1] : null;
  const tools = html`<${Button} icon="plus" label="Begin something" aria-haspopup="menu" onClick=${(event) => startMenu(event.currentTarget)} />`;
  return html`
    <${Heading} focus=${!current} tools=${tools}>${away ? "Put away" : "Talks"}<//>
    <nav class="scroll" aria-label="Conversations">
      <ul class="rows">
        ${shown.map((one) => html`<${Row} key=${one.id} conversation=${one} current=${one.id === current} />`)}
      </ul>
      ${!shown.length &&
      html`<${Empty} icon="talks" title=${away ? "Nothing is put away" : "No conversations yet"}>
        ${!away && html`<p>Invite somebody, or open a link that somebody gave you.</p>`}
      <//>`}
      ${(put > 0 || away) &&
      html`<button type="button" class="plain wide" onClick=${() => setAway(!away)}>
        <${Icon} name=${away ? "back" : "archive"} />${away ? "Back to your talks" : `Put away (${put})`}
      </button>`}
    </nav>
  `;
}
