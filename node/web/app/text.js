// What people wrote, as nodes: a little Markdown, links and mentions. A text never becomes HTML.
import { html } from "./h.js";

const BLOCK = /```(?:[\w-]{0,20}\n)?([\s\S]*?)```/gu;
/** What is marked has at most so many characters: without an end to it, a text made for that would take seconds. */
const INLINE =
  /(`[^`\n]{1,1000}`)|(https?:\/\/[^\s<>"']{1,2000})|(\*\*(?=\S)[^\n]{0,1000}?\S\*\*)|(?<![\w*])(\*(?=[^\s*])[^*\n]{0,1000}?[^\s*]\*)(?!\w)|(?<!\w)(_(?=\S)[^_\n]{0,1000}?\S_)(?!\w)|(~~(?=\S)[^\n]{0,1000}?\S~~)/gu;
/** Emphasis within emphasis within … ends here. */
const DEPTH = 4;

/** A whole message. */
export function formatted(text, names = []) {
  const nodes = [];
  let at = 0;
  for (const match of text.matchAll(BLOCK)) {
    nodes.push(...lines(text.slice(at, match.index), names));
    nodes.push(html`<pre tabindex="0"><code>${match[1].replace(/\n$/u, "")}</code></pre>`);
    at = match.index + match[0].length;
  }
  nodes.push(...lines(text.slice(at), names));
  return nodes;
}

/** Quoted lines stand together; others follow one another as they were written. */
function lines(text, names) {
  const out = [];
  let plain = [];
  let quoted = [];
  const flush = (to) => {
    if (plain.length && to !== plain) out.push(html`<span>${inline(plain.join("\n"), names)}</span>`);
    if (quoted.length && to !== quoted) out.push(html`<blockquote>${inline(quoted.join("\n"), names)}</blockquote>`);
    if (to !== plain) plain = [];
    if (to !== quoted) quoted = [];
  };
  for (const line of text.replace(/^\n+|\n+$/gu, "").split("\n")) {
    if (line.startsWith("> ")) {
      flush(quoted);
      quoted.push(line.slice(2));
    } else {
      flush(plain);
      plain.push(line);
    }
  }
  flush();
  return out;
}

function inline(text, names, depth = 0) {
  const out = [];
  let at = 0;
  for (const match of depth < DEPTH ? text.matchAll(INLINE) : []) {
    const [all, code, link, strong, star, under, gone] = match;
    if (match.index > at) out.push(...mentions(text.slice(at, match.index), names));
    at = match.index + all.length;
    if (code) out.push(html`<code>${code.slice(1, -1)}</code>`);
    else if (link) at -= pushLink(out, link);
    else if (strong) out.push(html`<strong>${inline(strong.slice(2, -2), names, depth + 1)}</strong>`);
    else if (gone) out.push(html`<s>${inline(gone.slice(2, -2), names, depth + 1)}</s>`);
    else out.push(html`<em>${inline((star ?? under).slice(1, -1), names, depth + 1)}</em>`);
  }
  if (at < text.length) out.push(...mentions(text.slice(at), names));
  return out;
}

/** Returns how many characters at its end belong to the sentence instead. */
function pushLink(out, text) {
  let url = text.replace(/[.,;:!?…]+$/u, "");
  while (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
  const safe = URL.canParse(url) && /^https?:$/u.test(new URL(url).protocol);
  out.push(safe ? html`<a href=${url} target="_blank" rel="noopener noreferrer nofollow">${url}</a>` : url);
  return text.length - url.length;
}

function mentions(text, names) {
  if (!names.length || !text.includes("@")) return [text];
  const longestFirst = names.toSorted((a, b) => b.length - a.length).map(RegExp.escape ?? escaped);
  const parts = text.split(new RegExp(`(@(?:${longestFirst.join("|")}))`, "gu"));
  return parts.map((part, at) => (at % 2 ? html`<span class="mention">${part}</span>` : part)).filter((part) => part !== "");
}

const escaped = (name) => name.replace(/[\^$.*+?()[\]{}|/]/gu, "\\$&");

/** One line of it, without marks, for lists. */
export const plainly = (text) => text.slice(0, 400).replace(/```[\w-]*\n?|\*\*|~~|(?<![\w*])\*(?=[^\s*])|(?<=[^\s*])\*(?![\w*])/gu, "").replace(/\s+/gu, " ").trim();
