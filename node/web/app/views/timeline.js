// The messages of a conversation, by day and author, growing at both ends as one scrolls.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../h.js";
import { part, post } from "../api.js";
import { keep, conversations, nameOf, typing } from "../state.js";
import { around, latest, newer, older, pending, windowOf } from "../timeline.js";
import { dayKey, dayOf, plural, timeOf } from "../format.js";
import { isHappening, summary } from "../summary.js";
import { swap, to } from "../route.js";
import { Button, Empty, Problem, Waiting } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { Happening } from "./happening.js";
import { Message, Pending } from "./message.js";

/** Messages of one author this close together stand together. */
const TOGETHER_MS = 5 * 60_000;
/** So near to an end, more is read. */
const NEAR = 500;
/** So near to the bottom, one stays there. */
const AT_END = 80;

const near = (a, b) => Math.abs(new Date(b.created_at) - new Date(a.created_at)) < TOGETHER_MS;
const sameDay = (a, b) => dayKey(a.created_at) === dayKey(b.created_at);
const joins = (a, b) =>
  a && b && !isHappening(a) && !isHappening(b) && a.thread === b.thread && a.author === b.author && sameDay(a, b) && near(a, b);

/** Where the unread ones began when the conversation was opened. */
function firstUnread(items, count) {
  if (!count) return null;
  const others = items.filter((item) => !item.own && !isHappening(item)).sort((a, b) => b.seq - a.seq);
  const unread = new Set(others.slice(0, count).map((item) => item.id));
  return items.find((item) => unread.has(item.id))?.id ?? null;
}

/** What follows in the same thread, without anything else between; `null` where it has begun before. */
function runAt(items, at, mark) {
  const goes = (to) => to > 0 && items[to].thread === items[to - 1].thread && items[to].id !== mark && sameDay(items[to - 1], items[to]);
  if (goes(at)) return null;
  let end = at + 1;
  while (end < items.length && goes(end)) end += 1;
  return items.slice(at, end);
}

/** What was said in a thread meanwhile: one line, which leads there. */
function Aside({ run, id }) {
  const names = [...new Set(run.map(({ author }) => author))].map((user) => nameOf(user, id));
  const last = run.at(-1);
  return html`<p class="happening aside">
    <a href=${to("c", id, "t", last.thread, last.id)}>
      <${Icon} name="thread" /><span><b>${names.slice(0, 3).join(", ")}</b> in a thread: ${summary(last)}</span>
      <time datetime=${last.created_at}>${timeOf(last.created_at)}</time>
    </a>
  </p>`;
}

/** With `thread`, only what is under that message, and the message above it. */
export function Timeline({ conversation, thread, jump, answer, edit }) {
  const { id, kind } = conversation;
  const shown = windowOf(id, thread).value;
  const box = useRef(null);
  const [mark, setMark] = useState(undefined);
  const [away, setAway] = useState(false);
  const kept = useRef({ atEnd: true, first: null, height: 0, top: 0 });
  const { items, prev, next, loaded, busy, error } = shown;

  useEffect(() => {
    const there = items.some((item) => item.id === jump);
    if (jump && !there && !thread) around(id, jump);
    else if (!loaded && !busy && !error) latest(id, thread);
    else if (jump && !there && !busy && prev) older(id, thread);
  }, [id, jump, loaded, thread && items]);

  // The line above what is new stays where it was while one reads on.
  useEffect(() => {
    if (loaded && !thread && mark === undefined) setMark(firstUnread(items, conversation.unread));
  }, [loaded]);

  // One stays at the end, or where one was when older messages came above.
  useLayoutEffect(() => {
    const scroller = box.current;
    const was = kept.current;
    if (!scroller || !loaded || (jump && items.some((item) => item.id === jump))) return;
    if (was.atEnd && !next) {
      const line = mark && scroller.querySelector(".new-line");
      if (line && !was.marked) {
        was.marked = true;
        scroller.scrollTop = line.offsetTop - 80;
      } else scroller.scrollTop = scroller.scrollHeight;
    } else if (was.first && items[0]?.id !== was.first) {
      scroller.scrollTop = was.top + scroller.scrollHeight - was.height;
    }
    remember();
  }, [items, pending.value, mark, loaded]);

  useLayoutEffect(() => {
    const root = jump && !thread && items.find((item) => item.id === jump)?.thread;
    if (root) return swap("c", id, "t", root, jump);
    const target = jump && document.getElementById(`${thread ? "t" : "m"}-${jump}`);
    if (!target) return;
    target.scrollIntoView({ block: "center" });
    target.focus({ preventScroll: true });
    target.classList.add("found");
    kept.current.atEnd = false;
    swap("c", id, ...(thread ? ["t", thread] : []));
  }, [jump, items]);

  function remember() {
    const scroller = box.current;
    if (!scroller) return;
    const left = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight;
    kept.current = {
      ...kept.current,
      atEnd: left < AT_END && !next,
      first: items[0]?.id ?? null,
      height: scroller.scrollHeight,
      top: scroller.scrollTop,
    };
    setAway(left > 600 || Boolean(next));
    read();
  }

  /** Tells the node what was seen: only what is on a screen that somebody looks at. */
  function read() {
    const now = conversations.value.get(id);
    if (thread || !now?.unread || !kept.current.atEnd || document.hidden || !document.hasFocus()) return;
    keep(conversations, id, { ...now, unread: 0 });
    post(`/conversations/${part(id)}/read`, { seq: now.last_seq }).catch(() => {});
  }

  useEffect(() => {
    const resized = new ResizeObserver(() => {
      if (kept.current.atEnd && box.current) box.current.scrollTop = box.current.scrollHeight;
    });
    resized.observe(box.current);
    resized.observe(box.current.firstElementChild);
    addEventListener("focus", read);
    return () => {
      resized.disconnect();
      removeEventListener("focus", read);
    };
  }, [id]);

  function onScroll() {
    if (!box.current) return;
    remember();
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    if (busy) return;
    if (scrollTop < NEAR && prev) older(id, thread);
    else if (next && scrollHeight - scrollTop - clientHeight < NEAR) newer(id);
  }

  const toEnd = async () => {
    kept.current.atEnd = true;
    if (next) await latest(id);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior: calm || next ? "auto" : "smooth" });
  };

  /** Arrow keys go from message to message. */
  const onKeyDown = (event) => {
    if (!["ArrowUp", "ArrowDown", "Home", "End"].includes(event.key) || event.altKey) return;
    if (event.target.closest("[role=menu], input, textarea, pre")) return;
    const all = [...box.current.querySelectorAll("article")];
    const at = all.indexOf(document.activeElement.closest("article"));
    const to = { ArrowUp: at < 0 ? all.length - 1 : at - 1, ArrowDown: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (!all[to]) return;
    event.preventDefault();
    all[to].focus();
  };

  const waiting = pending.value.filter((one) => one.conversation === id && one.thread === thread && !one.landed);
  const rows = [];
  items.forEach((message, at) => {
    const [before, after] = [items[at - 1], items[at + 1]];
    if (!before || !sameDay(before, message)) {
      rows.push(html`<h2 class="day" key=${`day-${dayKey(message.created_at)}`}><span>${dayOf(message.created_at)}</span></h2>`);
    }
    if (message.id === mark) rows.push(html`<p class="new-line" key="new"><span>New</span></p>`);
    if (message.thread && !thread) {
      const run = runAt(items, at, mark);
      if (run) rows.push(html`<${Aside} key=${message.id} run=${run} id=${id} />`);
      return;
    }
    if (isHappening(message)) {
      rows.push(html`<${Happening} key=${message.id} message=${message} />`);
      return;
    }
    rows.push(html`<${Message}
      key=${message.id}
      message=${message}
      kind=${kind}
      thread=${thread}
      first=${!joins(before, message) || message.id === mark}
      last=${!joins(message, after)}
      quiet=${joins(message, after) && message.status === after.status}
      answer=${answer}
      edit=${edit}
    />`);
    if (message.id === thread && message.replies) rows.push(html`<p class="day" key="replies"><span>${plural(message.replies.count, "reply", "replies")}</span></p>`);
  });

  const writing = thread ? [] : [...(typing.value.get(id) ?? [])];
  return html`<div class="timeline">
    <div
      class="scroll"
      ref=${box}
      onScroll=${onScroll}
      onKeyDown=${onKeyDown}
      role="region"
      aria-label=${thread ? "Messages of the thread" : "Messages"}
      aria-busy=${busy}
      tabindex="0"
    >
      <div class="column">
        ${prev && html`<p class="waiting">${busy ? "Reading what came before …" : ""}</p>`}
        ${!loaded && busy && html`<${Waiting} />`}
        ${error && html`<${Problem} error=${error} retry=${() => latest(id, thread)} />`}
        ${loaded && !prev && !thread && html`<${Beginning} conversation=${conversation} empty=${!items.length && !waiting.length} />`}
        ${rows}
        ${!next && waiting.map((one) => html`<${Pending} key=${one.client_id} one=${one} />`)}
        ${!next &&
        writing.length > 0 &&
        html`<p class="writer" aria-hidden="true"><i class="dots"></i>${kind === "room" ? writing.slice(0, 3).map((one) => nameOf(one, id)).join(", ") : ""}</p>`}
      </div>
    </div>
    ${away &&
    html`<${Button}
      icon="down"
      class="to-end"
      label=${conversation.unread ? `To the end, ${plural(conversation.unread, "new message")}` : "To the end"}
      badge=${conversation.unread > 0 && html`<b aria-hidden="true">${conversation.unread}</b>`}
      onClick=${toEnd}
    />`}
  </div>`;
}

function Beginning({ conversation: { kind, title }, empty }) {
  const words = {
    direct: `Only you and ${title} can read this.`,
    room: "Only the members of this room can read this.",
    notes: "A place for what you want to keep. It never leaves your disk.",
  }[kind];
  if (empty) {
    return html`<${Empty} icon=${kind === "notes" ? "notes" : kind === "room" ? "door" : "talks"} title=${kind === "notes" ? "Notes to yourself" : "Nothing was said yet"}>
      <p>${words}</p>
    <//>`;
  }
  return html`<p class="beginning">${words}</p>`;
}
