// What happened between the messages: one line each.
import { html } from "../h.js";
import { to } from "../route.js";
import { summary } from "../summary.js";
import { momentOf, timeOf } from "../format.js";
import { Icon } from "../parts/icon.js";

const ICONS = { joined: "door", created: "door", left: "leave", removed: "ban", banned: "ban", device_removed: "ban", role: "shield", transferred: "shield", pinned: "pin", unpinned: "pin", info: "edit", timer: "timer" };

export function Happening({ message }) {
  const { id, conversation, created_at: at, system } = message;
  const words = summary(message);
  return html`<p class="happening" id=${`m-${id}`} tabindex="-1">
    <${Icon} name=${ICONS[system.kind] ?? "info"} />
    <span>${system.kind === "pinned" && system.target ? html`<a href=${to("c", conversation, "m", system.target)}>${words}</a>` : words}</span>
    <time datetime=${at} title=${momentOf(at)}>${timeOf(at)}</time>
  </p>`;
}
