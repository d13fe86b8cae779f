// One message, and what can be done with it.
import { html, later } from "../h.js";
import { part, post, put, remove } from "../api.js";
import { atLeast, keep, me, nameOf, rooms, conversations } from "../state.js";
import { holds, isHere, isText } from "../summary.js";
import { cancel, replace, retry } from "../timeline.js";
import { go, to } from "../route.js";
import { formatted } from "../text.js";
import { emojiOnly, momentOf, plural, shortly, since, span, timeOf, toneOf } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Button } from "../parts/bits.js";
import { Icon, Ticks } from "../parts/icon.js";
import { attempt, confirm, copy, openMenu, openPopover, show } from "../parts/layer.js";
import { Content } from "./content.js";
import { report } from "./order.js";
import { Poll, closePoll, hasVoted, isOpen, vote } from "./poll.js";

const Emoji = later(() => import("../parts/emoji.js"), "Emoji");
const GONE = {
  deleted: "This message was deleted",
  expired: "This message has disappeared",
  viewed: "This message was seen",
  erased: "This message was erased",
  hidden: "You have deleted this message for yourself",
  too_soon: "This message came too soon: the room is in slow mode",
  void: "Whoever wrote this had no right to",
};
const STATUS = { sending: "Waiting for their node", sent: "Sent", delivered: "Delivered", read: "Read", received: "" };
const ABSENT = { ...GONE, missing: "A message that is not here", hidden: "A message you have deleted for yourself", on_demand: "A message to look at once" };

export async function react(message, emoji) {
  const mine = message.reactions.some((one) => one.emoji === emoji && one.mine);
  const path = `/messages/${part(message.id)}/reactions/${part(emoji)}`;
  const changed = await attempt(() => (mine ? remove(path) : put(path)));
  if (changed?.id) replace(changed);
}

export async function pin(message) {
  const path = `/messages/${part(message.id)}/pin`;
  const changed = await attempt(() => (message.pinned ? remove(path) : put(path)), message.pinned ? "Not pinned any more" : "Pinned");
  if (changed?.id) replace(changed);
}

async function discard(message, whose) {
  const all = whose === "all";
  const sure = await confirm({
    title: all ? "Delete it for everybody?" : "Delete it for you?",
    body: all
      ? "The text is erased on every node that plays fair. Whoever has seen it may remember it."
      : "It vanishes from your timeline and search. The others keep it.",
    action: "Delete",
    danger: true,
  });
  if (sure) await attempt(() => remove(`/messages/${part(message.id)}?for=${whose}`));
}

async function look(message) {
  const left = message.views_left;
  const sure = await confirm({
    title: "Look at it now?",
    body: left > 1 ? `You can look at it ${left} times.` : "You can look at it once; then it is erased.",
    action: "Show it",
  });
  const seen = sure && (await attempt(() => post(`/messages/${part(message.id)}/view`)));
  if (seen) await show(message.author_name, html`<div class="looked">${isText({ ...seen, text: seen.text || null }) ? formatted(seen.text) : html`<${Content} message=${seen} />`}</div>`);
}

const canPin = ({ conversation }) => {
  const room = rooms.value.get(conversation);
  return !room || atLeast(room.role, room.policy.pin);
};

function actions(message, { answer, edit, thread }) {
  const { poll } = message;
  const there = isHere(message);
  const voting = there && poll && isOpen(poll);
  return [
    there && { icon: "reply", text: "Reply", act: () => answer(message) },
    there && !message.thread && !thread && { icon: "thread", text: message.replies ? "Open the thread" : "Reply in a thread", act: () => go("c", message.conversation, "t", message.id) },
    voting && hasVoted(poll) && { icon: "back", text: "Take your vote back", act: () => vote(message, []) },
    voting && message.own && { icon: "lock", text: "Close the poll", act: () => closePoll(message) },
    isText(message) && message.own && { icon: "edit", text: "Edit", act: () => edit(message) },
    message.text && { icon: "copy", text: "Copy the text", act: () => copy(message.text) },
    there && canPin(message) && { icon: "pin", text: message.pinned ? "Unpin" : "Pin", act: () => pin(message) },
    { icon: "info", text: message.own ? "Delivery and versions" : "Details", act: () => go("c", message.conversation, "d", message.id) },
    null,
    there && !message.own && rooms.value.get(message.conversation)?.standing === "member" && { icon: "flag", text: "Report", act: () => report(message) },
    { icon: "trash", text: "Delete for me", act: () => discard(message, "me"), danger: true },
    !message.deleted && message.own && { icon: "trash", text: "Delete for everybody", act: () => discard(message, "all"), danger: true },
  ];
}

function Tools({ message, answer, edit, thread }) {
  const there = isHere(message);
  const pick = (event) =>
    openPopover(
      event.currentTarget,
      (close) => html`<${Emoji}
        pick=${(emoji) => {
          close();
          react(message, emoji);
        }}
      />`,
      "React with an emoji",
    );
  return html`<div class="tools" role="group" aria-label="What to do with it">
    ${there && html`<${Button} icon="smile" label="React" aria-haspopup="dialog" onClick=${pick} />`}
    ${there && html`<${Button} icon="reply" label="Reply" onClick=${() => answer(message)} />`}
    <${Button} icon="more" label="More" aria-haspopup="menu" onClick=${(event) => openMenu(event.currentTarget, actions(message, { answer, edit, thread }), "Message")} />
  </div>`;
}

export function Quote({ reply, conversation, thread }) {
  const words = reply.snippet ?? ABSENT[reply.reason] ?? "A message";
  const inside = html`<strong>${reply.author ? nameOf(reply.author, conversation) : ""}</strong><span>${words}</span>`;
  if (reply.reason === "missing") return html`<div class="quote">${inside}</div>`;
  return html`<a class="quote" href=${thread ? to("c", conversation, "t", thread, reply.id) : to("c", conversation, "m", reply.id)}><span class="sr">In reply to </span>${inside}</a>`;
}

function Reactions({ message }) {
  if (!message.reactions.length) return null;
  return html`<ul class="reactions" aria-label="Reactions">
    ${message.reactions.map(({ emoji, count, mine, users }) => {
      const names = users.slice(0, 8).map((user) => nameOf(user, message.conversation)).join(", ");
      return html`<li key=${emoji}>
        <button type="button" class=${mine ? "mine" : ""} aria-pressed=${mine} title=${names} aria-label=${`${emoji} ${plural(count, "person", "people")}: ${names}`} onClick=${() => react(message, emoji)}>
          <span>${emoji}</span>${count > 1 && html`<b>${count}</b>`}
        </button>
      </li>`;
    })}
  </ul>`;
}

/** How those whom a message mentions are written in it. */
const mentioned = (users = [], room) => users.map((user) => (user === me.value.user_id ? me.value.name : nameOf(user, room))).filter(Boolean);

function Body({ message }) {
  if (message.deleted || message.gone) return html`<p class="gone">${GONE[message.gone ?? "deleted"] ?? "This message is gone"}</p>`;
  if (message.views_left) {
    return html`<button type="button" class="veiled" disabled=${message.own} onClick=${() => look(message)}>
      <${Icon} name="eye" />${message.own ? "To be looked at once" : message.views_left > 1 ? `Look at it (${message.views_left} times)` : "Look at it once"}
    </button>`;
  }
  if (message.poll) return html`<${Poll} message=${message} />`;
  if (message.unsupported || !holds(message)) return html`<p class="gone">This needs a newer version of parlour</p>`;
  if (!isText(message)) return html`<${Content} message=${message} />`;
  const big = emojiOnly(message.text);
  if (big) return html`<p class=${`huge huge-${big}`}>${message.text}</p>`;
  return html`<div class="words">${formatted(message.text, mentioned(message.mentions, message.conversation))}</div>`;
}

function Foot({ message, quiet }) {
  const { edited_at: edited, expires_at: ends, pinned, late, around_removal: around, own, status, created_at: created } = message;
  const details = to("c", message.conversation, "d", message.id);
  return html`<footer class=${quiet && !edited && !ends && !pinned && !late && !around ? "quiet" : ""}>
    ${pinned && html`<span class="flag"><${Icon} name="pin" /><span class="sr">Pinned</span></span>`}
    ${ends && html`<span class="flag" title=${`Disappears ${momentOf(ends)}`}><${Icon} name="timer" />${span(Math.max(1000, new Date(ends) - Date.now()))}</span>`}
    ${edited && html`<a class="flag" href=${details}>edited</a>`}
    ${late && html`<span class="flag late" title="It came when you had seen what is below it">late</span>`}
    ${around && html`<span class="flag late" title="Whoever removed its author from this room had not seen it">around a removal</span>`}
    <time datetime=${created} title=${momentOf(created)}>${timeOf(created)}</time>
    ${own &&
    message.kind !== "notes" &&
    html`<a class=${`status ${status}`} href=${details} title=${STATUS[status]}><${Ticks} status=${status} /><span class="sr">${STATUS[status]}</span></a>`}
  </footer>`;
}

/** What is under a message. */
function Replies({ message: { id, conversation, replies } }) {
  return html`<a class="replies" href=${to("c", conversation, "t", id)}>
    <${Icon} name="thread" /><b>${plural(replies.count, "reply", "replies")}</b><span>last ${since(replies.last_at)}</span>
  </a>`;
}

/** With `thread`, it stands in the view of that thread. */
export function Message({ message, kind, thread, first, last, quiet, answer, edit }) {
  const { id, own, author, author_name: name, reply, sticker } = message;
  const bare = (sticker || (isText(message) && emojiOnly(message.text) > 0)) && isHere(message) && !reply;
  const toMe = !own && message.mentions?.includes(me.value.user_id);
  const face = kind === "room" && !own;
  const shape = ["message", own ? "own" : "other", first && "first", last && "last", face && "faced", bare && "bare", toMe && "to-me"];
  const onKeyDown = (event) => {
    if (event.key !== "Enter" || event.target !== event.currentTarget) return;
    event.preventDefault();
    openMenu(event.currentTarget, actions(message, { answer, edit, thread }), "Message");
  };
  return html`<article id=${`${thread ? "t" : "m"}-${id}`} class=${shape.filter(Boolean).join(" ")} tabindex="-1" aria-label=${`${own ? "You" : name}, ${shortly(message.created_at)}`} onKeyDown=${onKeyDown}>
    ${face && (first ? html`<${Avatar} of=${author} name=${name} size="s" />` : html`<span class="avatar s none"></span>`)}
    <div class="stack">
      ${face && first && html`<p class=${`author tone-${toneOf(author)}`}>${name}</p>`}
      <div class="line">
        <div class="bubble">
          ${reply && html`<${Quote} reply=${reply} conversation=${message.conversation} thread=${thread} />`}
          <${Body} message=${message} />
        </div>
        <${Tools} message=${message} answer=${answer} edit=${edit} thread=${thread} />
      </div>
      <${Reactions} message=${message} />
      ${message.replies && !thread && html`<${Replies} message=${message} />`}
      <${Foot} message=${{ ...message, kind }} quiet=${quiet} />
    </div>
  </article>`;
}

/** Written, and not yet with the node. */
export function Pending({ one }) {
  const { client_id: id, text, error } = one;
  const again = () => {
    cancel(id);
    const now = conversations.value.get(one.conversation);
    if (now) keep(conversations, now.id, { ...now, draft: text });
  };
  return html`<article class="message own first last pending" tabindex="-1" aria-label="You, not sent yet">
    <div class="stack">
      <div class="line"><div class="bubble"><div class="words">${formatted(text, mentioned(one.mentions, one.conversation))}</div></div></div>
      ${!error && html`<footer><span class="flag"><${Icon} name="clock" />Being written</span></footer>`}
      ${error?.away && html`<footer><span class="flag"><${Icon} name="clock" />Goes out when your node is back</span></footer>`}
      ${error &&
      !error.away &&
      html`<footer class="failed" role="alert">
        <span><${Icon} name="warning" />${error.message}</span>
        <button type="button" class="plain" onClick=${() => retry(id)}>Try again</button>
        <button type="button" class="plain" onClick=${again}>Take it back</button>
      </footer>`}
    </div>
  </article>`;
}
