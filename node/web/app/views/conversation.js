// One conversation: its head, its timeline, the place to write, and a panel beside it for details.
import { html, later, signal, useEffect, useRef, useState } from "../h.js";
import { post, part } from "../api.js";
import { again, atLeast, contacts, conversations, link, members, membersAgain, nameOf, rooms, typing } from "../state.js";
import { go, to } from "../route.js";
import { plural, since } from "../format.js";
import { Avatar } from "../parts/avatar.js";
import { Button, Empty, Heading } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { attempt } from "../parts/layer.js";
import { Timeline } from "./timeline.js";
import { Composer } from "./composer.js";
import { useOrder } from "./order.js";

/** In a word or two, how somebody can be reached. */
export function presenceOf(contact) {
  if (!contact) return "";
  if (contact.blocked) return "Blocked";
  if (contact.state !== "accepted") return { former: "No contact any more", refused: contact.reason }[contact.state] ?? "Waiting for them";
  if (contact.presence === "online") return "Here now";
  if (contact.reachable) return contact.presence === "away" ? "Away, their node is on" : "Their node is on";
  return contact.last_seen ? `Last seen ${since(contact.last_seen)}` : "Not reachable just now";
}

function Subtitle({ conversation: { id, kind, with: user } }) {
  const writing = [...(typing.value.get(id) ?? [])].map((one) => nameOf(one, id));
  if (writing.length) return html`<span class="writing">${kind === "direct" ? "writes" : `${writing.slice(0, 3).join(", ")} ${writing.length > 1 ? "write" : "writes"}`}<i class="dots" aria-hidden="true"></i></span>`;
  if (kind === "notes") return "Only you read this";
  if (kind === "direct" && link.value === "away") return "";
  if (kind === "direct") return presenceOf(contacts.value.get(user));
  const room = rooms.value.get(id);
  return room ? room.topic.split("\n")[0] || plural(room.members, "member") : "";
}

/** Why nothing can be written here; nothing if it can. */
function closed(conversation) {
  if (conversation.kind === "direct") {
    const contact = contacts.value.get(conversation.with);
    if (!contact || contact.state === "former") return "You are no contacts any more.";
    return contact.blocked ? "You have blocked them." : null;
  }
  const room = conversation.kind === "room" && rooms.value.get(conversation.id);
  if (!room) return null;
  if (room.standing === "gone") return "You are no member of this room any more.";
  if (room.standing === "joining") return "On the way in: as soon as a member’s node is reached, and where one knocks, as soon as somebody lets you in.";
  if (room.standing === "refused") return `Nobody let you in: ${room.reason}.`;
  if (room.standing !== "member") return "";
  return atLeast(room.role, room.policy.post) ? null : `Here, only ${room.policy.post}s and those above them write.`;
}

function Invited({ room }) {
  const [busy, setBusy] = useState(false);
  const act = async (what) => {
    setBusy(true);
    await attempt(() => post(`/rooms/${part(room.id)}/${what}`));
    await again(room.id);
    setBusy(false);
    if (what === "leave") go();
  };
  return html`<div class="invited">
    <${Avatar} of=${room.id} name=${room.name} shape="arch" size="l" />
    <h2>${room.invited_by_name ?? "Somebody"} invites you to ${room.name}</h2>
    ${room.topic && html`<p>${room.topic}</p>`}
    <p class="actions">
      <button type="button" aria-disabled=${busy} onClick=${() => act("join")}>Join</button>
      <button type="button" class="quiet" aria-disabled=${busy} onClick=${() => act("leave")}>Decline</button>
    </p>
  </div>`;
}

/** Whether a panel covers the conversation: then it alone can be reached. */
const narrow = matchMedia("(max-width: 52rem)");
const covers = signal(narrow.matches);
narrow.addEventListener("change", () => (covers.value = narrow.matches));

/** Where a panel covers the conversation, the focus goes into it. */
function useHeading(panel, key) {
  const heading = useRef(null);
  useEffect(() => {
    if (panel && covers.value && !document.activeElement.closest(".panel")) heading.current.focus({ preventScroll: true });
  }, [panel, key]);
  return heading;
}

const PANELS = {
  info: ["About", later(() => import("./about.js"), "About")],
  pins: ["Pinned", later(() => import("./pins.js"), "Pins")],
  d: ["Message", later(() => import("./details.js"), "Details")],
  t: ["Thread", later(() => import("./thread.js"), "Thread")],
};

export function Conversation({ id, rest: [what, which, deeper] }) {
  const conversation = conversations.value.get(id);
  const [answering, setAnswering] = useState(null);
  const [editing, setEditing] = useState(null);
  const isRoom = conversation?.kind === "room";
  const [panelTitle, Panel] = PANELS[what] ?? [];
  const heading = useHeading(Panel, which);
  const tasks = useOrder(isRoom ? rooms.value.get(id) : null);
  useEffect(() => {
    if (isRoom && !members.value.has(id)) membersAgain(id);
  }, [id, isRoom]);
  if (!conversation) {
    return html`<div class="page"><${Heading} back=${[]}>Nothing here<//><${Empty} icon="talks" title="There is no such conversation"><p><a href=${to()}>All talks</a></p><//></div>`;
  }
  const { kind, title, warning } = conversation;
  const room = isRoom ? rooms.value.get(id) : null;
  const shut = closed(conversation);
  const content = Panel && html`<${Panel} key=${which} conversation=${conversation} which=${which} deeper=${deeper} shut=${shut} />`;
  return html`<div class=${`talk ${Panel ? "with-panel" : ""} ${what === "t" ? "with-thread" : ""}`}>
    <section class="paper" aria-label=${title} inert=${Boolean(Panel) && covers.value}>
      <header class="heading">
        <${Button} icon="back" label="Back to the list" class="back" onClick=${() => go()} />
        <a class="who" href=${what === "info" ? to("c", id) : to("c", id, "info")}>
          <${Avatar} of=${kind === "direct" ? conversation.with : id} name=${title} shape=${isRoom ? "arch" : "round"} icon=${kind === "notes" ? "notes" : undefined} />
          <span>
            <h1 tabindex="-1">${title}</h1>
            <span class="sub"><${Subtitle} conversation=${conversation} /></span>
          </span>
        </a>
        <div class="tools">
          <${Button} icon="pin" label="Pinned messages" aria-pressed=${what === "pins"} onClick=${() => go("c", id, ...(what === "pins" ? [] : ["pins"]))} />
          <${Button} icon="info" label=${isRoom ? `About this room${tasks ? `: ${plural(tasks, "thing")} to decide` : ""}` : "About this conversation"} badge=${tasks > 0 && html`<b aria-hidden="true">${tasks}</b>`} aria-pressed=${what === "info"} onClick=${() => go("c", id, ...(what === "info" ? [] : ["info"]))} />
        </div>
      </header>
      ${warning &&
      html`<p class="warning" role="note">
        <${Icon} name="warning" /><span>${warning}. <a href=${to("people", conversation.with)}>Look at it</a></span>
      </p>`}
      ${room?.standing === "invited"
        ? html`<${Invited} room=${room} />`
        : html`
            <${Timeline}
              conversation=${conversation}
              jump=${what === "m" ? which : null}
              answer=${(message) => {
                setEditing(null);
                setAnswering(message);
              }}
              edit=${(message) => {
                setAnswering(null);
                setEditing(message);
              }}
            />
            ${shut === null
              ? html`<${Composer}
                  key=${id}
                  conversation=${conversation}
                  answering=${answering}
                  editing=${editing}
                  edit=${setEditing}
                  done=${() => {
                    setAnswering(null);
                    setEditing(null);
                  }}
                />`
              : html`<p class="shut" role="status">${shut}</p>`}
          `}
    </section>
    ${Panel &&
    html`<aside class="panel" aria-label=${panelTitle}>
      <header class="heading">
        <h2 ref=${heading} tabindex="-1">${panelTitle}</h2>
        <div class="tools"><${Button} icon="close" label="Close" onClick=${() => go("c", id)} /></div>
      </header>
      ${what === "t" ? content : html`<div class="scroll">${content}</div>`}
    </aside>`}
  </div>`;
}
