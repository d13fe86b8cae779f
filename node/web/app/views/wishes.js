// Settings with few words: what others are told, how the page looks, which keys there are.
import { html, signal } from "../h.js";
import { patch, post } from "../api.js";
import { endSession } from "../session.js";
import { here } from "../feed.js";
import { settings } from "../state.js";
import { Choice, Heading, Switch } from "../parts/bits.js";
import { attempt } from "../parts/layer.js";

const THEME = "parlour.theme";
const theme = signal(localStorage.getItem(THEME) ?? "system");

const page = (title, ...children) => html`<div class="page">
  <${Heading} back=${["settings"]}>${title}<//>
  <div class="scroll"><div class="column">${children}</div></div>
</div>`;

async function set(wish) {
  const changed = await attempt(() => patch("/me/settings", wish));
  if (changed) settings.value = changed;
  here();
}

export function Privacy() {
  const { read_receipts: marks, share_presence: presence } = settings.value;
  return page(
    "Privacy",
    html`<section class="card">
      <${Switch} label="Read marks" hint="Others see that you have read what they wrote." checked=${marks} onChange=${(on) => set({ read_receipts: on })} />
      <${Switch} label="Presence" hint="Contacts see when you are here, when you were last seen, and that you write." checked=${presence} onChange=${(on) => set({ share_presence: on })} />
    </section>`,
    html`<section class="card">
      <h2>This page</h2>
      <p class="hint">Whoever can use this browser tab can read and write as you. Closing the door makes it forget; a new link, or your password, opens it again.</p>
      <p class="actions start"><button type="button" class="quiet" onClick=${leave}>Close the door</button></p>
    </section>`,
  );
}

/** The node forgets the session, too; if it is away, the page does it alone. */
async function leave() {
  await post("/session/logout").catch(() => {});
  endSession("none");
  location.reload();
}

function choose(wish) {
  theme.value = wish;
  if (wish === "system") localStorage.removeItem(THEME);
  else localStorage.setItem(THEME, wish);
  document.documentElement.dataset.theme = wish;
}

export function Appearance() {
  return page(
    "Appearance",
    html`<section class="card">
      <${Choice} label="Colours" options=${[["system", "As the system"], ["light", "Light"], ["dark", "Dark"]]} value=${theme.value} onChange=${choose} />
      <p class="hint">Kept in this browser. Motion follows the system’s own wish.</p>
    </section>`,
  );
}

const KEYS = [
  ["Ctrl K", "Search"],
  ["Alt ↑ ↓", "The conversation above or below"],
  ["Enter", "Send; on a message: what can be done with it"],
  ["Shift Enter", "A new line"],
  ["↑", "In an empty field: edit your last message"],
  ["@", "Mention somebody"],
  ["↑ ↓ Home End", "Among messages: from one to the next"],
  ["Esc", "Close what is open; end a reply or an edit"],
];

export function Keys() {
  return page(
    "Keyboard",
    html`<section class="card"><dl class="keys">${KEYS.map(([keys, what]) => html`<div><dt>${keys.split(" ").map((key) => html`<kbd>${key}</kbd>`)}</dt><dd>${what}</dd></div>`)}</dl></section>`,
  );
}
