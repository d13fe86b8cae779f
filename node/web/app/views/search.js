// Search through everything on this disk; a click leads to the place where it was said.
import { html, signal, useEffect, useRef } from "../h.js";
import { get } from "../api.js";
import { conversations } from "../state.js";
import { to } from "../route.js";
import { plural, shortly } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Empty, Heading, Problem } from "../parts/bits.js";

const PAUSE_MS = 180;
/** Kept while one looks at what was found. */
const wanted = signal("");
const where = signal("");
const found = signal({ items: null, error: null, for: "" });
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The snippet with what was looked for marked; ranges count bytes. */
function marked(text, ranges) {
  const bytes = encoder.encode(text);
  const out = [];
  let at = 0;
  for (const [from, to_] of ranges) {
    if (from > at) out.push(decoder.decode(bytes.slice(at, from)));
    out.push(html`<mark>${decoder.decode(bytes.slice(from, to_))}</mark>`);
    at = to_;
  }
  out.push(decoder.decode(bytes.slice(at)));
  return out;
}

async function look(text, conversation) {
  const key = `${text} ${conversation}`;
  if (!text) {
    found.value = { items: null, error: null, for: key };
    return;
  }
  const query = new URLSearchParams({ q: text, limit: "50", ...(conversation && { conversation }) });
  try {
    const { items } = await get(`/search?${query}`);
    if (wanted.value.trim() === text) found.value = { items, error: null, for: key };
  } catch (error) {
    found.value = { items: null, error, for: key };
  }
}

export function Search() {
  const field = useRef(null);
  const [text, place] = [wanted.value.trim(), where.value];
  useEffect(() => field.current.focus(), []);
  useEffect(() => {
    if (found.value.for === `${text} ${place}`) return undefined;
    const timer = setTimeout(() => look(text, place), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text, place]);
  const { items, error } = found.value;
  const talks = [...conversations.value.values()];
  return html`
    <${Heading} focus=${false}>Search<//>
    <div class="search-box" role="search">
      <input ref=${field} type="search" aria-label="What to look for" placeholder="Words, “a phrase”, begin*" value=${wanted.value} onInput=${(event) => (wanted.value = event.target.value)} />
      <select aria-label="Where to look" value=${place} onChange=${(event) => (where.value = event.target.value)}>
        <option value="">Everywhere</option>
        ${talks.map((one) => html`<option key=${one.id} value=${one.id} selected=${one.id === place}>${one.title}</option>`)}
      </select>
    </div>
    <div class="scroll">
      <p class="sr" role="status">${items ? plural(items.length, "message found", "messages found") : ""}</p>
      ${error && html`<${Problem} error=${error} />`}
      ${items &&
      html`<ul class="found-list">
        ${items.map((one) => {
          const talk = conversations.value.get(one.conversation);
          return html`<li key=${one.id}>
            <a href=${to("c", one.conversation, "m", one.id)}>
              <${Avatar} of=${one.author} name=${one.author_name} size="s" />
              <span class="text">
                <span class="top"><strong>${one.own ? "You" : one.author_name}</strong><time datetime=${one.created_at}>${shortly(one.created_at)}</time></span>
                <span class="snippet">${marked(one.snippet, one.ranges)}</span>
                <span class="place">${talk?.title ?? ""}</span>
              </span>
            </a>
          </li>`;
        })}
      </ul>`}
      ${items?.length === 0 && html`<${Empty} icon="search" title="Nothing found"><p>Small slips are forgiven; other words may help.</p><//>`}
    </div>
  `;
}
