// What happened between the messages: one line each.
import { html } from "../h.js";
import { to } from "../route.js";
import { summary } from "../summary.js";
import { momentOf, span, timeOf } from "../format.js";
import { Icon } from "../parts/icon.js";

const ICONS = { joined: "door", created: "door", left: "leave", removed: "ban", banned: "ban", device_removed: "ban", role: "shield", transferred: "shield", pinned: "pin", unpinned: "pin", info: "edit", timer: "timer" };

function words(message) {
  const { own, author_name: name, timer, system, conversation } = message;
  if (timer) return `${own ? "You" : name} set messages to ${timer.expires_after_ms ? `disappear after ${span(timer.expires_after_ms)}` : "stay"}`;
  const text = summary(message);
  return system.target && system.kind === "pinned" ? html`<a href=${to("c", conversation, "m", system.target)}>${text}</a>` : text;
}

export function Happening({ message }) {
  const { id, created_at: at, timer, system } = message;
  return html`<p class="happening" id=${`m-${id}`} tabindex="-1">
    <${Icon} name=${timer ? "timer" : ICONS[system.kind] ?? "info"} /><span>${words(message)}</span>
    <time datetime=${at} title=${momentOf(at)}>${timeOf(at)}</time>
  </p>`;
}
