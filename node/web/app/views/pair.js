// Without a token: a link from the node's terminal, or a name and a password.
import { html, signal, useEffect, useRef, useState } from "../h.js";
import { codeOf, logIn, pair } from "../api.js";
import { knownLogin, session } from "../session.js";
import { connect } from "../feed.js";
import { loaded, me } from "../state.js";
import { device } from "../format.js";
import { Copyable, Field, Form } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";

/** `null`, "busy", or what a link that was opened was refused with. */
export const pairing = signal(null);

function enter() {
  pairing.value = null;
  connect();
}

function ByLink() {
  const refused = pairing.value?.error;
  const submit = async ({ link }) => {
    await pair(codeOf(link));
    enter();
  };
  return html`<${Copyable} text="parlour open" label="Command" />
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
    <//>`;
}

function ByPassword({ known }) {
  const submit = async ({ name, password }, form) => {
    const before = me.value?.user_id;
    const user = await logIn({ name: name.trim(), password, device: device(navigator.userAgent) }).catch((error) => {
      form.elements.password.value = "";
      throw Object.assign(error, { field: "password" });
    });
    // Another account has nothing of what this page knows.
    if (before && before !== user) return location.reload();
    return enter();
  };
  return html`<${Form} submit=${submit} action="Sign in">
    <${Field} label="Name or e-mail address" name="name" defaultValue=${known?.name} autocomplete="username" autocapitalize="off" spellcheck="false" required />
    <${Field} label="Password" name="password" type="password" autocomplete="current-password" required />
  <//>`;
}

function words(before, byPassword) {
  const way = byPassword ? "your password brings" : "a new link brings";
  if (before) return `Your node was started anew, or this page was open for long. What you wrote is still here; ${way} you back to it.`;
  if (byPassword) return "With the name that your account has on this node, or its e-mail address.";
  return "Your node lets in only whoever can see its terminal. A link works once, for five minutes.";
}

export function Pair() {
  const before = loaded.value;
  const known = knownLogin();
  const [wished, setWished] = useState(Boolean(known?.password));
  // What a link was refused with stands at its field.
  const byPassword = wished && !pairing.value?.error;
  const busy = pairing.value === "busy";
  const title = useRef(null);
  useEffect(() => title.current?.focus(), [busy]);
  if (busy) return html`<div class="opening" role="status"><p>Opening the link …</p></div>`;
  const other = () => {
    pairing.value = null;
    setWished(!byPassword);
  };
  const again = before || session.value === "ended";
  // An account that is known to have no password cannot be asked for it.
  const both = known?.password !== false;
  return html`<main class="door">
    <div class="mark"><${Icon} name="door" /><span>parlour</span></div>
    <h1 ref=${title} tabindex="-1">${again ? "Please open the door again" : byPassword ? "Sign in" : "This page needs a link"}</h1>
    <p>${words(before, byPassword)}</p>
    ${byPassword ? html`<${ByPassword} known=${known} />` : html`<${ByLink} />`}
    ${both &&
    html`<p class="other-way">
      <button type="button" class="plain" onClick=${other}>${byPassword ? "Open a link from the terminal instead" : "Sign in with a password instead"}</button>
    </p>`}
    <p class="foot">This page comes from your own node and talks to nobody else.</p>
  </main>`;
}
