// Who gets in: how one signs in, the logins that go on, the tokens of programs.
import { html, useEffect, useState } from "../h.js";
import { get, part, remove } from "../api.js";
import { conversations } from "../state.js";
import { endSession } from "../session.js";
import { plural, since, until } from "../format.js";
import { Copyable, Heading, Problem, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm } from "../parts/layer.js";

const SCOPES = { read: "Reads", send: "Reads and writes", admin: "May do everything" };

function Own({ own: { name, email, password_since: set } }) {
  return html`<section class="card">
    <h2><${Icon} name="user" />Your password</h2>
    ${set
      ? html`<p class="hint">You sign in as ${email ? html`<b>${email}</b> or ` : ""}<b>${name}</b>. The password was set ${since(set)}. Another one is set in the terminal; all logins end with it.</p>`
      : html`<p class="hint">There is none yet: pages come in by link, and sessions end with the node. With a password, they go on, and you can sign in again here.</p>`}
    <${Copyable} text="parlour account set" label="Command" />
  </section>`;
}

/** One line of the lists, with what ends it. */
const Line = ({ icon, title, badge, facts, action, end }) => html`<li>
  <span class="glyph"><${Icon} name=${icon} /></span>
  <span class="text"><strong>${title}${badge && html` <span class="badge">${badge}</span>`}</strong><small>${facts.filter(Boolean).join(" · ")}</small></span>
  <button type="button" class="quiet small danger" aria-label=${`${action}: ${title}`} onClick=${end}>${action}</button>
</li>`;

function Logins({ logins, reload }) {
  const others = logins.filter((one) => !one.current);
  const end = async (one) => {
    const body = one.current ? "This page forgets its tokens and asks for the password again." : "Whatever is open there is closed at once.";
    if (!(await confirm({ title: `End ${one.current ? "this login" : `the login “${one.device}”`}?`, body, action: "End it", danger: true }))) return;
    if (!(await attempt(() => remove(`/session/logins/${part(one.id)}`), "It has ended"))) return;
    if (one.current) endSession();
    else reload();
  };
  const endOthers = async () => {
    const sure = await confirm({ title: "End all other logins?", body: `${plural(others.length, "login")} will be closed at once. This page stays.`, action: "End them", danger: true });
    if (!sure) return;
    await attempt(async () => {
      for (const one of others) await remove(`/session/logins/${part(one.id)}`);
    }, "They have ended");
    reload();
  };
  return html`<section class="card">
    <h2><${Icon} name="lock" />Logins</h2>
    <p class="hint">Where somebody has signed in with your password. Pages that came in by a link are not listed; they end with the node.</p>
    <ul class="members">
      ${logins.map(
        (one) => html`<${Line}
          key=${one.id}
          icon="keys"
          title=${one.device || "An unnamed device"}
          badge=${one.current && "This page"}
          facts=${[`Signed in ${since(one.created_at)}`, `last used ${since(one.last_used_at)}`, `ends ${until(one.expires_at)} unless it is used`]}
          action="End"
          end=${() => end(one)}
        />`,
      )}
    </ul>
    ${!logins.length && html`<p class="none">Nobody is signed in with a password.</p>`}
    ${others.length > 0 && html`<p class="actions start"><button type="button" class="quiet danger" onClick=${endOthers}>End all others</button></p>`}
  </section>`;
}

function Tokens({ tokens, reload }) {
  const end = async (one, name) => {
    const sure = await confirm({ title: `Take “${name}” back?`, body: "The program that has it is shut out at once, and for good.", action: "Take it back", danger: true });
    if (sure && (await attempt(() => remove(`/tokens/${part(one.id)}`), "It is taken back"))) reload();
  };
  return html`<section class="card">
    <h2><${Icon} name="link" />Tokens for programs</h2>
    <p class="hint">A bot or a script has its own, and no more rights than it needs. They are made in the terminal and shown once.</p>
    <ul class="members">
      ${tokens.map((one) => {
        const name = one.label || one.id;
        const place = one.conversation && (conversations.value.get(one.conversation)?.title ?? "one conversation");
        const ends = one.expires_at ? `ends ${until(one.expires_at)}` : "has no end";
        const facts = [`${SCOPES[one.scope] ?? one.scope}${place ? ` in ${place}` : ""}`, one.last_used_at ? `last used ${since(one.last_used_at)}` : "never used", ends];
        return html`<${Line} key=${one.id} icon="link" title=${name} facts=${facts} action="Take back" end=${() => end(one, name)} />`;
      })}
    </ul>
    ${!tokens.length && html`<p class="none">There are none.</p>`}
    <${Copyable} text="parlour token new --scope read --label dashboard" label="Command" />
  </section>`;
}

export function Access() {
  const [facts, setFacts] = useState(null);
  const [error, setError] = useState(null);
  const read = () =>
    Promise.all([get("/me/login"), get("/session/logins"), get("/tokens")]).then(([own, logins, tokens]) => setFacts({ own, logins: logins.items, tokens: tokens.items }), setError);
  useEffect(() => {
    read();
  }, []);
  const body = () => html`<${Own} own=${facts.own} /><${Logins} logins=${facts.logins} reload=${read} /><${Tokens} tokens=${facts.tokens} reload=${read} />`;
  return html`<div class="page">
    <${Heading} back=${["settings"]}>Logins and tokens<//>
    <div class="scroll"><div class="column">${error ? html`<${Problem} error=${error} />` : facts ? body() : html`<${Waiting} />`}</div></div>
  </div>`;
}
