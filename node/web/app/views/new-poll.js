// A question to ask: with answers, and with rules of who sees what and until when.
import { html, useRef, useState } from "../h.js";
import { part, post } from "../api.js";
import { insert } from "../timeline.js";
import { Field, Form, Select, Switch } from "../parts/bits.js";
import { form } from "../parts/layer.js";

const MAX_OPTIONS = 20;
const HOUR = 3_600_000;
const ENDS = [["", "When I close it"], [String(HOUR), "In an hour"], [String(24 * HOUR), "In a day"], [String(168 * HOUR), "In a week"]];

/** The answers as they are written, with an empty one at the end for the next. */
function Answers({ answers, set }) {
  const list = useRef(null);
  const write = (at, text) => {
    const next = answers.with(at, text.replace(/\n/gu, " "));
    set(next.at(-1).trim() && next.length < MAX_OPTIONS ? [...next, ""] : next);
  };
  /** Enter goes on to the next answer; only in the last one it asks. */
  const onKeyDown = (event, at) => {
    const next = list.current.querySelectorAll("input")[at + 1];
    if (event.key !== "Enter" || event.isComposing || !next || !answers[at].trim()) return;
    event.preventDefault();
    next.focus();
  };
  return html`<fieldset class="answers" ref=${list}>
    <legend>Answers</legend>
    ${answers.map(
      (text, at) => html`<input
        key=${at}
        aria-label=${`Answer ${at + 1}`}
        placeholder=${at < 2 ? `Answer ${at + 1}` : "Another one"}
        value=${text}
        maxlength="256"
        autocomplete="off"
        onInput=${(event) => write(at, event.target.value)}
        onKeyDown=${(event) => onKeyDown(event, at)}
      />`,
    )}
  </fieldset>`;
}

function NewPoll({ conversation, thread, close }) {
  const [answers, setAnswers] = useState(["", ""]);
  const [multiple, setMultiple] = useState(false);
  const [anonymous, setAnonymous] = useState(false);
  const [ends, setEnds] = useState("");
  const submit = async (wish) => {
    const question = wish.question.trim();
    const options = answers.map((text) => text.trim()).filter(Boolean);
    if (!question) throw Object.assign(new Error("What do you want to ask?"), { field: "question" });
    if (options.length < 2) throw new Error("A poll has at least two answers.");
    if (new Set(options).size < options.length) throw new Error("Two answers are the same.");
    const poll = { question, options, multiple, anonymous, ...(ends && { closes_at: new Date(Date.now() + Number(ends)).toISOString() }) };
    insert(await post(`/conversations/${part(conversation)}/messages`, { poll, ...(thread && { thread }) }));
    close();
  };
  return html`<${Form} submit=${submit} action="Ask" quiet=${html`<button type="button" class="quiet" onClick=${close}>Cancel</button>`}>
    <${Field} label="Question" name="question" maxlength="1024" autocomplete="off" autofocus placeholder="When shall we meet?" />
    <${Answers} answers=${answers} set=${setAnswers} />
    <${Switch} label="Several answers" hint="Everybody may choose more than one." checked=${multiple} onChange=${setMultiple} />
    <${Switch} label="Anonymous" hint="Shows how many, not who. It is no secret ballot: the nodes of all members know." checked=${anonymous} onChange=${setAnonymous} />
    <${Select} label="It closes" options=${ENDS} value=${ends} onChange=${setEnds} />
  <//>`;
}

/** Opens the form; it stays open until the question is asked or given up. */
export const askPoll = (conversation, thread) =>
  form("Ask something", (close) => html`<${NewPoll} conversation=${conversation} thread=${thread} close=${close} />`);
