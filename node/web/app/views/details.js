// How a message has come on its way, device by device, and what it said before.
import { html, useEffect, useState } from "../h.js";
import { get, part } from "../api.js";
import { nameOf } from "../state.js";
import { summary } from "../summary.js";
import { windowOf } from "../timeline.js";
import { momentOf, plural } from "../format.js";
import { formatted } from "../text.js";
import { Avatar } from "../parts/avatar.js";
import { Problem, Waiting } from "../parts/bits.js";
import { Ticks } from "../parts/icon.js";

const STATES = {
  queued: ["sending", "Waiting", "It goes out as soon as their node can be reached."],
  sent: ["sent", "Sent", "Handed to the network; their node has not said yet that it is safe on its disk."],
  delivered: ["delivered", "Delivered", "Safe on their disk."],
  read: ["read", "Read", "They have seen it."],
  expired: ["sending", "Not delivered", "It was tried for long; their node has not been there."],
  failed: ["failed", "Failed", "It does not come there any more."],
};

/** Why something is as it is, and since when. */
function why({ reason, since }) {
  if (!reason) return "";
  const when = since ? ` (since ${momentOf(since)})` : "";
  return ` ${reason[0].toUpperCase()}${reason.slice(1)}${when}.`;
}

/** Who chose what, where a poll says so. */
function Votes({ poll: { options, anonymous, total }, room }) {
  return html`<h3>${plural(total, "vote")}</h3>
    <dl class="facts votes">
      ${options.map(
        ({ text, votes, voters }, at) => html`<div key=${at}>
          <dt>${text}</dt>
          <dd>${anonymous ? plural(votes, "vote") : voters.map((user) => nameOf(user, room)).join(", ") || "Nobody"}</dd>
        </div>`,
      )}
    </dl>`;
}

export function Details({ conversation, which }) {
  const [facts, setFacts] = useState(null);
  const [error, setError] = useState(null);
  const shown = windowOf(conversation.id).value.items.find((item) => item.id === which);
  const stamp = `${shown?.status} ${shown?.edited_at} ${shown?.deleted} ${JSON.stringify(shown?.poll)}`;
  useEffect(() => {
    let gone = false;
    const read = Promise.all([get(`/messages/${part(which)}`), get(`/messages/${part(which)}/versions`)]);
    read.then(([message, versions]) => !gone && setFacts({ message, versions: versions.items })).catch((refused) => !gone && setError(refused));
    return () => {
      gone = true;
    };
  }, [which, stamp]);
  if (error) return html`<${Problem} error=${error} />`;
  if (!facts) return html`<${Waiting} />`;
  const { message, versions } = facts;
  return html`
    <div class="card said">${message.text ? formatted(message.text) : html`<p class=${message.deleted || message.gone ? "gone" : ""}>${summary(message)}</p>`}</div>
    <dl class="facts">
      <dt>Written</dt>
      <dd>${momentOf(message.created_at)} by ${message.own ? "you" : message.author_name}</dd>
      ${message.expires_at && html`<dt>Disappears</dt><dd>${momentOf(message.expires_at)}</dd>`}
    </dl>
    ${message.poll && html`<${Votes} poll=${message.poll} room=${conversation.id} />`}
    ${message.own &&
    conversation.kind !== "notes" &&
    html`<h3>Delivery</h3>
      ${message.reason
        ? html`<p class="hint held">${why(message)}</p>`
        : !message.devices.length && html`<p class="hint">There is no device yet that it could go to.</p>`}
      <ul class="states">
        ${message.devices.map(({ device_id: device, user_id: user, name, state, reason, since }) => {
          const [ticks, word, meaning] = STATES[state] ?? STATES.queued;
          return html`<li key=${device}>
            <${Avatar} of=${user} name=${name} size="s" />
            <div><strong>${name}</strong><p class="hint">${meaning}${why({ reason, since })}</p></div>
            <span class=${`status ${ticks}`}><${Ticks} status=${ticks} />${word}</span>
          </li>`;
        })}
      </ul>`}
    ${versions.length > 1 &&
    html`<h3>${plural(versions.length, "version")}</h3>
      <ol class="versions">
        ${versions.toReversed().map(({ id, text, created_at: at }) => html`<li key=${id}><time datetime=${at}>${momentOf(at)}</time><div>${formatted(text)}</div></li>`)}
      </ol>`}
  `;
}
