// The page: who it belongs to, what stands where, and the keys that work everywhere.
import { html, later, render, useEffect } from "./h.js";
import { codeOf, pair } from "./api.js";
import { session } from "./session.js";
import { connect } from "./feed.js";
import { announced, conversations, link, loaded, me, requests, sorted, unread } from "./state.js";
import { go, route, to } from "./route.js";
import { Avatar } from "./parts/avatar.js";
import { Icon } from "./parts/icon.js";
import { Layers, notice } from "./parts/layer.js";
import { plural } from "./format.js";
import { Pair, pairing } from "./views/pair.js";
import { Conversations } from "./views/conversations.js";
import { Conversation } from "./views/conversation.js";
import { People } from "./views/people.js";
import { Settings, SETTINGS } from "./views/settings.js";
import { Welcome } from "./views/welcome.js";

const Person = later(() => import("./views/person.js"), "Person");
const Requests = later(() => import("./views/requests.js"), "Requests");
const Invite = later(() => import("./views/invite.js"), "Invite");
const Add = later(() => import("./views/add.js"), "Add");
const NewRoom = later(() => import("./views/new-room.js"), "NewRoom");
const Rooms = later(() => import("./views/rooms.js"), "Rooms");
const Search = later(() => import("./views/search.js"), "Search");

/** What stands in the list and what beside it. `null` as the second: a phone shows the list. */
function panes([section = "", ...rest]) {
  switch (section) {
    case "c":
      return [html`<${Conversations} />`, html`<${Conversation} key=${rest[0]} id=${rest[0]} rest=${rest.slice(1)} />`, "talks"];
    case "new":
      return [html`<${Conversations} />`, html`<${NewRoom} />`, "talks"];
    case "rooms":
      return [html`<${Conversations} />`, html`<${Rooms} />`, "talks"];
    case "people":
      return [html`<${People} />`, person(rest), "people"];
    case "search":
      return [html`<${Search} />`, null, "search"];
    case "settings":
      return [html`<${Settings} />`, rest[0] in SETTINGS ? html`<${SETTINGS[rest[0]].view} key=${rest[0]} />` : null, "settings"];
    default:
      return [html`<${Conversations} />`, null, "talks"];
  }
}

function person([what, who]) {
  switch (what) {
    case undefined:
      return null;
    case "invite":
      return html`<${Invite} />`;
    case "add":
      return html`<${Add} />`;
    case "requests":
      return html`<${Requests} />`;
    default:
      return html`<${Person} key=${what} id=${what} tab=${who} />`;
  }
}

function Rail({ section }) {
  const item = (key, href, icon, label, count = 0) => html`<a href=${href} aria-current=${section === key ? "page" : undefined}>
    <span class="face"><${Icon} name=${icon} />${count > 0 && html`<b aria-hidden="true">${count > 99 ? "99+" : count}</b>`}</span>
    <span class="word">${label}</span>${count > 0 && html`<span class="sr">, ${plural(count, "new one", "new ones")}</span>`}
  </a>`;
  return html`<nav class="rail" aria-label="Sections">
    <span class="mark" aria-hidden="true"><${Icon} name="door" /></span>
    ${item("talks", to(), "talks", "Talks", unread.value)}
    ${item("people", to("people"), "people", "People", requests.value.size)}
    ${item("search", to("search"), "search", "Search")}
    <span class="gap"></span>
    <a href=${to("settings")} aria-current=${section === "settings" ? "page" : undefined}>
      <span class=${`face ${link.value}`}><${Avatar} of=${me.value.user_id} name=${me.value.name} size="s" /></span>
      <span class="word">Settings</span>
    </a>
  </nav>`;
}

/** Said while the node is away. What is written stays: drafts here, messages in the queue. */
function Away() {
  return html`<div class="away" role="status">
    ${loaded.value &&
    link.value === "away" &&
    html`<p><${Icon} name="node" /><span><b>Your node is away.</b> What you write is kept here and goes out when it is back.</span></p>`}
  </div>`;
}

function App() {
  const count = unread.value;
  useEffect(() => {
    document.title = count ? `(${count}) parlour` : "parlour";
  }, [count]);
  // What had the focus may have gone with its view: then it goes to the heading of what came.
  useEffect(() => {
    const headings = [...document.querySelectorAll("h1[tabindex]")].filter((one) => one.checkVisibility());
    if (document.activeElement === document.body) headings.at(-1)?.focus({ preventScroll: true });
  }, [route.value]);
  if (session.value !== "open" || pairing.value) return html`<${Pair} /><${Layers} />`;
  if (!loaded.value) {
    return html`<div class="opening" role="status">
      <span class="mark"><${Icon} name="door" /></span>
      <p class="sr">Opening parlour …</p>
      ${link.value === "away" && html`<p>Your node does not answer yet. Is it running?</p>`}
    </div>`;
  }
  const [list, main, section] = panes(route.value);
  return html`
    <${Away} />
    <div class=${`app ${main ? "in-main" : "in-list"}`}>
      <${Rail} section=${section} />
      <main class="panes">
        <section class="list" aria-label="List">${list}</section>
        <section class="sheet" aria-label="What is open">${main ?? html`<${Welcome} section=${section} />`}</section>
      </main>
    </div>
    <${Layers} />
    <p class="sr" role="log" aria-live="polite" aria-label="New messages">${announced.value}</p>
  `;
}

/** Keys that work wherever one is. */
function shortcut(event) {
  const modified = event.ctrlKey || event.metaKey;
  if (modified && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return go("search");
  }
  if (event.altKey && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const all = sorted.value.filter((one) => !one.archived);
    const at = all.findIndex((one) => one.id === route.value[1]);
    const next = all[Math.max(0, Math.min(all.length - 1, at + (event.key === "ArrowDown" ? 1 : -1)))];
    return next && go("c", next.id);
  }
  if (event.key === "Escape" && !event.defaultPrevented) {
    const [section, id, panel] = route.value;
    if (section === "c" && panel && conversations.value.has(id)) go("c", id);
  }
  return undefined;
}

/** The code of a link is used at once, and nothing of it stays in the address. */
async function opened() {
  if (!/^#pair=/u.test(location.hash)) return;
  const code = codeOf(location.hash);
  history.replaceState(null, "", to());
  pairing.value = "busy";
  try {
    await pair(code);
    pairing.value = null;
    connect();
  } catch (error) {
    pairing.value = null;
    if (session.value === "open") notice(error.message, "error");
    else pairing.value = { error };
  }
}

addEventListener("hashchange", opened);
addEventListener("keydown", shortcut);
await opened();
if (session.value === "open") connect();
const place = document.getElementById("app");
place.replaceChildren();
render(html`<${App} />`, place);
