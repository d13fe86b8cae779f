// Without a token: where a link comes from, and a field for it.
import { html, signal } from "../h.js";
import { codeOf, pair, session } from "../api.js";
import { connect } from "../feed.js";
import { loaded } from "../state.js";
import { Copyable, Field, Form } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";

/** `null`, "busy", or what a link that was opened was refused with. */
export const pairing = signal(null);

export function Pair() {
  const before = loaded.value;
  const refused = pairing.value?.error;
  const submit = async ({ link }) => {
    await pair(codeOf(link));
    pairing.value = null;
    connect();
  };
  if (pairing.value === "busy") return html`<div class="opening" role="status"><p>Opening the link …</p></div>`;
  return html`<main class="door">
    <div class="mark"><${Icon} name="door" /><span>parlour</span></div>
    <h1>${before || session.value === "ended" ? "Please open the door again" : "This page needs a link"}</h1>
    <p>
      ${before
        ? "Your node was started anew, or this page was open for long. What you wrote is still here; a new link brings you back to it."
        : "Your node lets in only whoever can see its terminal. A link works once, for five minutes."}
    </p>
    <${Copyable} text="parlour open" label="Command" />
    <${Form} submit=${submit} action="Open">
      <${Field}
        label="The link it prints"
        name="link"
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        placeholder="http://127.0.0.1:7700/#pair=…"
        error=${refused?.message}
        required
      />
    <//>
    <p class="foot">This page comes from your own node and talks to nobody else.</p>
  </main>`;
}
