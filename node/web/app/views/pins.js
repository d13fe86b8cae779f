// What is pinned in a conversation.
import { html, useEffect, useState } from "../h.js";
import { get, part } from "../api.js";
import { summary } from "../summary.js";
import { windowOf } from "../timeline.js";
import { to } from "../route.js";
import { momentOf } from "../format.js";
import { Empty, Problem, Waiting } from "../parts/bits.js";

export function Pins({ conversation: { id } }) {
  const [pins, setPins] = useState(null);
  const [error, setError] = useState(null);
  const here = windowOf(id).value.items.filter((item) => item.pinned).map((item) => item.id).join();
  useEffect(() => {
    get(`/conversations/${part(id)}/pins`).then((list) => setPins(list.items), setError);
  }, [id, here]);
  if (error) return html`<${Problem} error=${error} />`;
  if (!pins) return html`<${Waiting} />`;
  if (!pins.length) return html`<${Empty} icon="pin" title="Nothing is pinned"><p>Pin a message from its menu to find it again here.</p><//>`;
  return html`<ul class="found-list">
    ${pins.map(
      (message) => html`<li key=${message.id}>
        <a href=${to("c", id, "m", message.id)}>
          <span class="top"><strong>${message.own ? "You" : message.author_name}</strong><time datetime=${message.created_at}>${momentOf(message.created_at)}</time></span>
          <span class="snippet">${summary(message)}</span>
        </a>
      </li>`,
    )}
  </ul>`;
}
