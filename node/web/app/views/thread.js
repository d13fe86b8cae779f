// A thread: the message it is under, what was said there, and the place to say more.
import { html, useEffect, useState } from "../h.js";
import { Composer } from "./composer.js";
import { Timeline } from "./timeline.js";

/** The focus goes back to the message, if it went with the thread. */
function useWayBack(root) {
  useEffect(
    () => () => {
      if (document.activeElement === document.body) setTimeout(() => document.getElementById(`m-${root}`)?.focus({ preventScroll: true }));
    },
    [root],
  );
}

export function Thread({ conversation, which: root, deeper: jump, shut }) {
  const [answering, setAnswering] = useState(null);
  const [editing, setEditing] = useState(null);
  useWayBack(root);
  const done = () => {
    setAnswering(null);
    setEditing(null);
  };
  return html`
    <${Timeline}
      conversation=${conversation}
      thread=${root}
      jump=${jump}
      answer=${(message) => {
        done();
        setAnswering(message);
      }}
      edit=${(message) => {
        done();
        setEditing(message);
      }}
    />
    ${shut === null
      ? html`<${Composer} key=${root} conversation=${conversation} thread=${root} answering=${answering} editing=${editing} edit=${setEditing} done=${done} />`
      : html`<p class="shut">${shut}</p>`}
  `;
}
