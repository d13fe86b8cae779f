// What comes above the page: menus, questions, notices. One of each at a time; the focus goes back where it came from.
import { html, signal, useEffect, useLayoutEffect, useRef } from "../h.js";
import { Icon } from "./icon.js";

const menu = signal(null);
const question = signal(null);
const notices = signal([]);
const NOTICE_MS = 6000;
let noticed = 0;

/** Opens a menu at an element. Items: { icon, text, act, danger, checked }, or `null` for a line. */
export function openMenu(anchor, items, label) {
  menu.value = { anchor, items: items.filter((item) => item !== undefined && item !== false), label };
}

/** Opens anything else at an element; `close` is given to it. */
export function openPopover(anchor, view, label) {
  menu.value = { anchor, view, label };
}

export function closeMenu() {
  const open = menu.value;
  menu.value = null;
  if (open?.anchor.isConnected) open.anchor.focus();
}

/** Asks something; answers whether it is to be done. `body` may be nodes. */
export function confirm(wish) {
  return new Promise((resolve) => {
    question.value = { ...wish, resolve, from: document.activeElement };
  });
}

/** Shows something over the page until it is closed. */
export const show = (title, body) => confirm({ title, body, only: "Close" });

/** Opens a form over the page; `view` is given what closes it. */
export const form = (title, view) => confirm({ title, view });

/** Says something for a while. */
export function notice(text, kind = "done") {
  noticed += 1;
  const id = noticed;
  notices.value = [...notices.value.slice(-2), { id, text, kind }];
  setTimeout(() => {
    notices.value = notices.value.filter((one) => one.id !== id);
  }, NOTICE_MS);
}

/** Does something; a refusal is said. */
export async function attempt(doing, done) {
  try {
    const result = await doing();
    if (done) notice(done);
    return result ?? true;
  } catch (error) {
    notice(error.message, "error");
    return null;
  }
}

export async function copy(text, what = "Copied") {
  await attempt(() => navigator.clipboard.writeText(text), what);
}

export function Layers() {
  return html`
    ${menu.value && html`<${Popover} key=${menu.value.label} ...${menu.value} />`}
    ${question.value && html`<${Question} ...${question.value} />`}
    <div class="notices" role="status" aria-live="polite">
      ${notices.value.map(
        ({ id, text, kind }) => html`<p key=${id} class=${`notice ${kind}`}>
          <${Icon} name=${kind === "error" ? "warning" : "check"} /><span>${text}</span>
        </p>`,
      )}
    </div>
  `;
}

function place(box, anchor) {
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = box;
  const room = 8;
  const x = left + width + room <= innerWidth ? left : right - width;
  const y = bottom + height + room <= innerHeight || top - height < room ? bottom + 4 : top - height - 4;
  box.style.left = `${Math.max(room, Math.min(x, innerWidth - width - room))}px`;
  box.style.top = `${Math.max(room, Math.min(y, innerHeight - height - room))}px`;
}

function Popover({ anchor, items, view, label }) {
  const box = useRef(null);
  useLayoutEffect(() => {
    const sized = new ResizeObserver(() => place(box.current, anchor));
    sized.observe(box.current);
    place(box.current, anchor);
    box.current.querySelector("[role^=menuitem]")?.focus({ preventScroll: true });
    return () => sized.disconnect();
  }, [anchor]);
  useEffect(() => {
    const outside = (event) => {
      if (!box.current?.contains(event.target)) closeMenu();
    };
    const resized = () => closeMenu();
    document.addEventListener("pointerdown", outside, true);
    addEventListener("resize", resized);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      removeEventListener("resize", resized);
    };
  }, []);
  const onKeyDown = (event) => {
    if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      return closeMenu();
    }
    if (view) return undefined;
    const all = [...box.current.querySelectorAll("[role^=menuitem]")];
    const at = all.indexOf(document.activeElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return undefined;
    event.preventDefault();
    return all.at(next % all.length)?.focus();
  };
  const choose = (item) => {
    closeMenu();
    item.act();
  };
  return html`<section aria-label=${label}>
    <div class="veil" aria-hidden="true"></div>
    <div ref=${box} class=${view ? "popover" : "popover menu"} role=${view ? "dialog" : "menu"} aria-label=${label} onKeyDown=${onKeyDown}>
      ${view
        ? view(closeMenu)
        : items.map((item) =>
            item
              ? html`<button
                  type="button"
                  role=${item.checked === undefined ? "menuitem" : "menuitemradio"}
                  aria-checked=${item.checked === undefined ? undefined : String(item.checked)}
                  class=${item.danger ? "danger" : ""}
                  tabindex="-1"
                  onClick=${() => choose(item)}
                >
                  ${item.icon && html`<${Icon} name=${item.icon} />`}<span>${item.text}</span>
                  ${item.checked && html`<${Icon} name="check" />`}
                </button>`
              : html`<hr />`,
          )}
    </div>
  </section>`;
}

function Question({ title, body, view, action, danger, only, resolve, from }) {
  const box = useRef(null);
  useEffect(() => box.current.showModal(), []);
  // What is behind an open dialog takes no focus.
  const answer = (value) => {
    box.current.close();
    question.value = null;
    if (from?.isConnected) from.focus();
    resolve(value);
  };
  return html`<dialog
    ref=${box}
    aria-labelledby="question"
    onCancel=${() => answer(false)}
    onClick=${(event) => event.target === box.current && !view && answer(false)}
  >
    <div class="question">
      <h2 id="question">${title}</h2>
      ${view
        ? view(() => answer(false))
        : html`${typeof body === "string" ? html`<p>${body}</p>` : body}
            <div class="actions">
              ${only
                ? html`<button type="button" class="quiet" onClick=${() => answer(false)} autofocus>${only}</button>`
                : html`<button type="button" class="quiet" onClick=${() => answer(false)}>Cancel</button>
                    <button type="button" class=${danger ? "danger" : ""} onClick=${() => answer(true)} autofocus>${action}</button>`}
            </div>`}
    </div>
  </dialog>`;
}
