// A poll: what is asked, how it stands, and one's own vote.
import { html, useEffect, useId, useState } from "../h.js";
import { part, post, put, remove } from "../api.js";
import { me, nameOf } from "../state.js";
import { replace } from "../timeline.js";
import { plural, until } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Icon } from "../parts/icon.js";
import { attempt, confirm } from "../parts/layer.js";

/** Faces beside an option; the others are counted. */
const FACES = 3;
/** What a browser can wait for. */
const MAX_WAIT_MS = 2 ** 31 - 1;

export const isOpen = ({ closed, closes_at: ends }) => !closed && (!ends || new Date(ends) > Date.now());

const chosen = (poll) => poll.options.flatMap(({ mine }, at) => (mine ? [at] : []));
export const hasVoted = (poll) => poll.options.some(({ mine }) => mine);

/** Votes for these options; for none, the vote is taken back. */
export async function vote(message, options) {
  const path = `/messages/${part(message.id)}/vote`;
  const changed = await attempt(() => (options.length ? put(path, { options }) : remove(path)));
  if (changed?.id) replace(changed);
}

export async function closePoll(message) {
  const sure = await confirm({ title: "Close the poll?", body: "Nobody can vote or change their vote any more. It stays closed.", action: "Close it" });
  const changed = sure && (await attempt(() => post(`/messages/${part(message.id)}/close`), "The poll is closed"));
  if (changed?.id) replace(changed);
}

/** Draws anew when a poll closes by its time. */
function useEnd(ends) {
  const [, again] = useState(0);
  useEffect(() => {
    const left = ends ? new Date(ends) - Date.now() : 0;
    if (left <= 0 || left > MAX_WAIT_MS) return undefined;
    const timer = setTimeout(() => again((count) => count + 1), left + 1);
    return () => clearTimeout(timer);
  }, [ends]);
}

function Faces({ voters = [], room }) {
  if (!voters.length) return null;
  return html`<span class="faces" aria-hidden="true">
    ${voters.slice(0, FACES).map((user) => html`<${Avatar} key=${user} of=${user} name=${user === me.value.user_id ? me.value.name : nameOf(user, room)} size="xs" />`)}
  </span>`;
}

function Option({ option: { text, votes, mine, voters }, share, leads, open, room, choose }) {
  const names = voters?.map((user) => nameOf(user, room)).join(", ");
  const inside = html`
    <span class="bar" aria-hidden="true" style=${{ width: `${share}%` }}></span>
    <span class="box" aria-hidden="true">${mine && html`<${Icon} name="check" />`}</span>
    <span class="answer">${text}</span>
    <${Faces} voters=${voters} room=${room} />
    <span class="share"><span aria-hidden="true">${votes}</span><span class="sr">${`, ${plural(votes, "vote")}, ${share} %${names ? `: ${names}` : ""}${mine && !open ? ", your vote" : ""}`}</span></span>
  `;
  const look = `option ${mine ? "mine" : ""} ${leads ? "leads" : ""}`;
  return html`<li>
    ${open
      ? html`<button type="button" class=${look} aria-pressed=${mine} title=${names} onClick=${choose}>${inside}</button>`
      : html`<div class=${look} title=${names}>${inside}</div>`}
  </li>`;
}

export function Poll({ message }) {
  const { poll, conversation: room } = message;
  const [busy, setBusy] = useState(false);
  const title = useId();
  useEnd(poll.closes_at);
  const open = isOpen(poll);
  const most = Math.max(1, ...poll.options.map(({ votes }) => votes));
  const choose = async (at) => {
    if (busy) return;
    const now = chosen(poll);
    const others = poll.multiple ? now.filter((one) => one !== at) : [];
    setBusy(true);
    await vote(message, now.includes(at) ? others : [...others, at].sort((a, b) => a - b));
    setBusy(false);
  };
  const rules = [open ? (poll.multiple ? "Choose as many as you like" : "Choose one") : "Closed", poll.anonymous && "anonymous"];
  const state = [poll.total ? `${plural(poll.total, "person", "people")} voted` : open ? "Nobody has voted yet" : "Nobody voted", open && poll.closes_at && `closes ${until(poll.closes_at)}`];
  return html`<section class=${`poll ${poll.multiple ? "many" : ""} ${open ? "open" : ""}`} aria-labelledby=${title} aria-busy=${busy}>
    <p class="asked" id=${title}><span class="sr">Poll: </span>${poll.question}</p>
    <p class="rules">${!open && html`<${Icon} name="lock" />`}${rules.filter(Boolean).join(" · ")}</p>
    <ul>
      ${poll.options.map(
        (option, at) => html`<${Option}
          key=${at}
          option=${option}
          share=${poll.total ? Math.round((100 * option.votes) / poll.total) : 0}
          leads=${option.votes === most}
          open=${open}
          room=${room}
          choose=${() => choose(at)}
        />`,
      )}
    </ul>
    <p class="rules">${state.filter(Boolean).join(" · ")}</p>
  </section>`;
}
