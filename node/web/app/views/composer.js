// Where one writes. The draft is kept on the node, so that another page of it goes on where this one stopped.
import { html, later, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../h.js";
import { part, patch, put } from "../api.js";
import { inThreads, save } from "../drafts.js";
import { contacts, conversations, keep, link, members, nameOf, rooms } from "../state.js";
import { isText, summary } from "../summary.js";
import { replace, send, windowOf } from "../timeline.js";
import { span } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Button } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt, openMenu, openPopover } from "../parts/layer.js";

const Emoji = later(() => import("../parts/emoji.js"), "Emoji");
const DRAFT_MS = 800;
const TYPING_MS = 4000;
const MAX_BYTES = 16_384;
const MAX_NAMES = 6;
const HOUR = 3_600_000;
const TIMES = [HOUR, 24 * HOUR, 7 * 24 * HOUR];
const touch = matchMedia("(pointer: coarse)");

/** Whom a text can mention here. */
function people(conversation) {
  if (conversation.kind === "room") {
    return (members.value.get(conversation.id) ?? []).filter((one) => !one.own).map((one) => ({ user: one.user_id, name: one.name }));
  }
  const contact = contacts.value.get(conversation.with);
  return contact && conversation.kind === "direct" ? [{ user: contact.user_id, name: contact.display }] : [];
}

/** The name that is being written after an @, and where it begins. */
function nameAt(text, caret) {
  const match = /(?:^|\s)@([^\s@]{0,32})$/u.exec(text.slice(0, caret));
  return match ? { from: caret - match[1].length - 1, begun: match[1].toLowerCase() } : null;
}

/** Tells others that somebody writes, seldom, and when it is over. */
function useTyping(conversation) {
  const told = useRef(0);
  const tell = (typing) => {
    if (conversation.kind === "notes" || link.value !== "up") return;
    if (typing && Date.now() - told.current < TYPING_MS) return;
    if (!typing && !told.current) return;
    told.current = typing ? Date.now() : 0;
    put(`/conversations/${part(conversation.id)}/typing`, { typing }).catch(() => {});
  };
  useEffect(() => () => tell(false), []);
  return tell;
}

/** The draft of a thread: it stays while the page is open. */
function useThreadDraft(root) {
  const [text, setText] = useState(inThreads.get(root) ?? "");
  const write = (wish) => {
    setText(wish);
    if (wish) inThreads.set(root, wish);
    else inThreads.delete(root);
  };
  return [text, write];
}

/** Keeps the draft whenever one pauses, and takes over what another page of this node wrote. */
function useDraft({ id, draft = "" }) {
  const [text, setText] = useState(draft);
  const now = useRef({ text, kept: draft, timer: null });
  const store = () => {
    clearTimeout(now.current.timer);
    now.current.timer = null;
    const { text: wish, kept } = now.current;
    if (wish === kept) return;
    now.current.kept = wish;
    const conversation = conversations.value.get(id);
    if (conversation) keep(conversations, id, { ...conversation, draft: wish || undefined });
    save(id, wish);
  };
  const write = (wish, soon = false) => {
    setText(wish);
    now.current.text = wish;
    clearTimeout(now.current.timer);
    now.current.timer = setTimeout(store, soon ? 0 : DRAFT_MS);
  };
  useEffect(() => store, []);
  useEffect(() => {
    if (now.current.timer || draft === now.current.kept) return;
    now.current = { text: draft, kept: draft, timer: null };
    setText(draft);
  }, [draft]);
  return [text, write];
}

/** With `thread`, what is written goes under that message. */
export function Composer({ conversation, thread, answering, editing, edit, done }) {
  const { id, kind, title } = conversation;
  const [draft, writeDraft] = thread ? useThreadDraft(thread) : useDraft(conversation);
  const names = useId();
  const [change, setChange] = useState("");
  const [caret, setCaret] = useState(0);
  const [picked, setPicked] = useState(0);
  const [once, setOnce] = useState(false);
  const [ends, setEnds] = useState(undefined);
  const field = useRef(null);
  const tell = useTyping(conversation);
  const text = editing ? change : draft;
  const size = useMemo(() => new TextEncoder().encode(text).length, [text]);
  const muted = kind === "room" && rooms.value.get(id)?.policy.slow_mode_ms;

  const asked = !editing && nameAt(text, caret);
  const matching = asked
    ? people(conversation).filter(({ name }) => name.toLowerCase().split(/\s+/u).concat(name.toLowerCase()).some((word) => word.startsWith(asked.begun))).slice(0, MAX_NAMES)
    : [];

  useEffect(() => {
    if (editing) setChange(editing.text);
  }, [editing?.id]);
  useEffect(() => {
    if (!touch.matches || answering || editing) field.current?.focus({ preventScroll: true });
  }, [answering?.id, editing?.id]);
  useLayoutEffect(() => {
    const box = field.current;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight}px`;
  }, [text]);

  const write = (wish) => {
    if (editing) return setChange(wish);
    writeDraft(wish);
    return tell(wish !== "");
  };

  const insert = (what, from = field.current.selectionStart, to = field.current.selectionEnd) => {
    const next = text.slice(0, from) + what + text.slice(to);
    write(next);
    const place = from + what.length;
    requestAnimationFrame(() => {
      field.current?.focus();
      field.current?.setSelectionRange(place, place);
      setCaret(place);
    });
  };
  const name = (person) => insert(`@${person.name} `, asked.from, caret);

  const submit = async (event) => {
    event?.preventDefault();
    const wish = text.trim();
    if (!wish || size > MAX_BYTES) return;
    if (editing) {
      if (wish === editing.text) return done();
      const changed = await attempt(() => patch(`/messages/${part(editing.id)}`, { text: wish }));
      if (!changed) return;
      replace(changed);
      return done();
    }
    const mentions = people(conversation).filter((one) => wish.includes(`@${one.name}`)).map((one) => one.user);
    writeDraft("", true);
    tell(false);
    setOnce(false);
    setEnds(undefined);
    done();
    send(id, {
      text: wish,
      ...(thread && { thread }),
      ...(answering && { reply_to: answering.id }),
      ...(mentions.length && { mentions }),
      ...(ends !== undefined && { expires_after_ms: ends }),
      ...(once && { view_once: true }),
    });
    return undefined;
  };

  const editLast = () => {
    const own = windowOf(id, thread).value.items.filter((one) => one.own && isText(one) && one.thread === thread);
    if (own.length) edit(own.at(-1));
  };

  const onKeyDown = (event) => {
    if (event.isComposing) return;
    if (matching.length) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) {
        event.preventDefault();
        return setPicked((picked + step + matching.length) % matching.length);
      }
      if (event.key === "Enter" || event.key === "Tab") {
        event.preventDefault();
        return name(matching[picked % matching.length]);
      }
    }
    if (event.key === "Enter" && !event.shiftKey && !touch.matches) return submit(event);
    if (event.key === "ArrowUp" && text === "") {
      event.preventDefault();
      return editLast();
    }
    if (event.key === "Escape" && (answering || editing)) {
      event.preventDefault();
      return done();
    }
    return undefined;
  };

  const ask = async () => (await import("./new-poll.js")).askPoll(id, thread);
  const options = (event) =>
    openMenu(
      event.currentTarget,
      [
        { icon: "poll", text: "Ask with a poll", act: ask },
        null,
        { icon: "timer", text: "Stays as the conversation says", checked: ends === undefined && !once, act: () => (setEnds(undefined), setOnce(false)) },
        ...TIMES.map((ms) => ({ icon: "timer", text: `Disappears after ${span(ms)}`, checked: ends === ms, act: () => setEnds(ms) })),
        kind !== "notes" && null,
        kind !== "notes" && { icon: "eye", text: "Can be looked at once", checked: once, act: () => setOnce(!once) },
      ].filter((item) => item !== false),
      "More than words",
    );
  const smile = (event) =>
    openPopover(
      event.currentTarget,
      (close) => html`<${Emoji}
        pick=${(emoji) => {
          close();
          insert(emoji);
        }}
      />`,
      "Emoji",
    );

  const about = answering ?? editing;
  return html`<form class="composer" onSubmit=${submit}>
    ${about &&
    html`<div class="about">
      <${Icon} name=${editing ? "edit" : "reply"} />
      <p><strong>${editing ? "Edit your message" : `Reply to ${nameOf(about.author, id)}`}</strong><span>${summary(about)}</span></p>
      <${Button} icon="close" label="Cancel" onClick=${done} />
    </div>`}
    ${(once || ends !== undefined) &&
    html`<p class="wishes">
      ${once && html`<span><${Icon} name="eye" />Can be looked at once</span>`}
      ${ends !== undefined && html`<span><${Icon} name="timer" />Disappears after ${span(ends)}</span>`}
    </p>`}
    ${matching.length > 0 &&
    html`<ul class="names" id=${names} role="listbox" aria-label="Mention">
      ${matching.map(
        (one, at) => html`<li
          key=${one.user}
          id=${`${names}-${at}`}
          role="option"
          aria-selected=${at === picked % matching.length}
          onMouseDown=${(event) => (event.preventDefault(), name(one))}
        >
          <${Avatar} of=${one.user} name=${one.name} size="xs" />${one.name}
        </li>`,
      )}
    </ul>`}
    <div class="write">
      ${!editing && html`<${Button} icon="plus" label="Poll, disappearing" aria-haspopup="menu" class=${once || ends !== undefined ? "on" : ""} onClick=${options} />`}
      <textarea
        ref=${field}
        rows="1"
        aria-label=${editing ? "Your message" : thread ? "Reply in the thread" : `Message to ${title}`}
        placeholder=${thread ? "Reply in the thread" : kind === "notes" ? "A note to yourself" : `Message to ${title}`}
        value=${text}
        aria-autocomplete="list"
        aria-controls=${matching.length ? names : undefined}
        aria-activedescendant=${matching.length ? `${names}-${picked % matching.length}` : undefined}
        onInput=${(event) => {
          write(event.target.value);
          setCaret(event.target.selectionStart);
          setPicked(0);
        }}
        onSelect=${(event) => setCaret(event.target.selectionStart)}
        onKeyDown=${onKeyDown}
        onBlur=${() => tell(false)}
      ></textarea>
      
      <${Button} icon="smile" label="Emoji" aria-haspopup="dialog" onClick=${smile} />
      <button type="submit" class="go" aria-label=${editing ? "Save" : "Send"} title=${editing ? "Save" : "Send"} disabled=${!text.trim() || size > MAX_BYTES}>
        <${Icon} name=${editing ? "check" : "send"} />
      </button>
    </div>
    ${size > MAX_BYTES && html`<p class="error" role="alert">This is too long by ${(size - MAX_BYTES).toLocaleString()} bytes.</p>`}
    ${muted > 0 && html`<p class="hint">Slow mode: one message every ${span(muted)}.</p>`}
  </form>`;
}
