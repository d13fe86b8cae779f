// Small pieces that many views are made of.
import { html, useEffect, useId, useRef, useState } from "../h.js";
import { go } from "../route.js";
import { Icon } from "./icon.js";
import { copy } from "./layer.js";

/** The heading of a pane. It takes the focus when the pane comes, so that screen readers say where one is. */
export function Heading({ children, sub, back, tools, focus = true }) {
  const title = useRef(null);
  useEffect(() => {
    if (focus && !document.querySelector("dialog[open]")) title.current?.focus({ preventScroll: true });
  }, []);
  return html`<header class="heading">
    ${back && html`<${Button} icon="back" label="Back" class="back" onClick=${() => go(...back)} />`}
    <div>
      <h1 ref=${title} tabindex="-1">${children}</h1>
      ${sub && html`<p>${sub}</p>`}
    </div>
    ${tools && html`<div class="tools">${tools}</div>`}
  </header>`;
}

/** A button that is a picture. */
export function Button({ icon, label, class: name = "", badge, ...rest }) {
  return html`<button type="button" class=${`tool ${name}`} aria-label=${label} title=${label} ...${rest}>
    <${Icon} name=${icon} />${badge}
  </button>`;
}

/** Where nothing is yet: what it is for, and how to begin. */
export function Empty({ icon, title, children }) {
  return html`<div class="empty">
    ${icon && html`<span class="ornament"><${Icon} name=${icon} /></span>`}
    <h2>${title}</h2>
    ${children}
  </div>`;
}

export function Field({ label, hint, error, area, ...rest }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const own = { id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined, ...rest };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${area ? html`<textarea ...${own} /> ` : html`<input ...${own} />`}
    ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

export function Select({ label, hint, options, value, onChange, disabled }) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <select id=${id} value=${value} disabled=${disabled} aria-describedby=${hint && `${id}-hint`} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([key, text]) => html`<option value=${key} selected=${key === value}>${text}</option>`)}
    </select>
  </div>`;
}

export function Switch({ label, hint, checked, onChange }) {
  const id = useId();
  return html`<div class="switch">
    <div>
      <label for=${id}>${label}</label>
      ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    </div>
    <input
      id=${id}
      type="checkbox"
      role="switch"
      checked=${checked}
      aria-describedby=${hint && `${id}-hint`}
      onChange=${(event) => onChange(event.target.checked)}
    />
  </div>`;
}

/** A form that says what went wrong, at the field where it can be mended. `submit` gets the values. */
export function Form({ submit, action, children, class: name = "", quiet }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const form = useRef(null);
  const onSubmit = async (event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setError(null);
    try {
      await submit(Object.fromEntries(new FormData(form.current)), form.current);
    } catch (refused) {
      setError(refused);
      form.current?.elements[refused.field]?.focus();
    }
    setBusy(false);
  };
  return html`<form ref=${form} class=${name} onSubmit=${onSubmit} novalidate>
    ${children}
    <p class="error" role="alert">${error?.message}</p>
    <div class="actions">
      ${quiet}
      <button type="submit" aria-disabled=${busy ? "true" : undefined}>${action}</button>
    </div>
  </form>`;
}

/** A link or an id that is to be copied. */
export function Copyable({ text, label }) {
  return html`<div class="copyable">
    <code tabindex="0" role="textbox" aria-readonly="true" aria-label=${label}>${text}</code>
    <${Button} icon="copy" label=${`Copy the ${label.toLowerCase()}`} onClick=${() => copy(text)} />
  </div>`;
}

/** A row of choices of which one holds. */
export function Choice({ label, options, value, onChange }) {
  const name = useId();
  return html`<fieldset class="choice">
    <legend>${label}</legend>
    <div>
      ${options.map(
        ([key, text, icon]) => html`<label>
          <input type="radio" name=${name} value=${key} checked=${key === value} onChange=${() => onChange(key)} />
          <span>${icon && html`<${Icon} name=${icon} />`}${text}</span>
        </label>`,
      )}
    </div>
  </fieldset>`;
}

/** Loading, without jumping: seen only if it takes a while. */
export const Waiting = ({ label = "Loading …" }) => html`<p class="waiting" role="status">${label}</p>`;

export function Problem({ error, retry }) {
  return html`<div class="problem" role="alert">
    <p>${error.message}</p>
    ${retry && html`<button type="button" class="quiet" onClick=${retry}>Try again</button>`}
  </div>`;
}
