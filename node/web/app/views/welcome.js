// What stands beside a list while nothing of it is open.
import { html } from "../h.js";
import { contacts, conversations, me } from "../state.js";
import { to } from "../route.js";
import { Icon } from "../parts/icon.js";

const WORDS = {
  talks: ["A quiet room", "Choose a conversation, or begin one."],
  people: ["Who you know", "Choose somebody to see their card and the safety number you share."],
  search: ["Everything you said", "Search runs on your own disk, without a network, through every message that is still there."],
  settings: ["Your house", "How you appear, what you tell others, and how your node is doing."],
};

export function Welcome({ section }) {
  const alone = !contacts.value.size && !conversations.value.size && section === "talks";
  const [title, words] = alone
    ? [`Welcome, ${me.value.name}`, "This is your parlour: a room of your own, with no landlord. Bring somebody in."]
    : WORDS[section];
  return html`<div class="welcome">
    <svg viewBox="0 0 240 200" aria-hidden="true">
      <path class="wall" d="M20 172V96a100 78 0 0 1 200 0v76z" />
      <path class="arch" d="M66 172v-66a54 54 0 0 1 108 0v66" />
      <path class="light" d="M92 172v-62a28 28 0 0 1 56 0v62z" />
      <path class="floor" d="M8 172h224M52 184h136" />
    </svg>
    <h2>${title}</h2>
    <p>${words}</p>
    ${(alone || section === "talks") &&
    html`<p class="ways">
      <a class="button" href=${to("people", "invite")}><${Icon} name="qr" />Invite somebody</a>
      <a class="button quiet" href=${to("people", "add")}><${Icon} name="link" />Open a link</a>
      <a class="button quiet" href=${to("new")}><${Icon} name="door" />New room</a>
    </p>`}
  </div>`;
}
