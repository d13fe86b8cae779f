// A link that somebody gave: an invitation, an address to ask at, or a way into a room.
import { html } from "../h.js";
import { post } from "../api.js";
import { again, contacts, conversations, keep, rooms } from "../state.js";
import { go } from "../route.js";
import { Field, Form, Heading } from "../parts/bits.js";
import { notice } from "../parts/layer.js";

async function open({ link, petname, note }) {
  const wish = { link: link.trim() };
  if (petname.trim()) wish.petname = petname.trim();
  if (note.trim()) wish.note = note.trim();
  let contact;
  try {
    contact = await post("/contacts", wish);
  } catch (error) {
    if (error.code !== "bad_invite") throw error;
    // It may be a way into a room; if not, what was said first holds.
    const room = await post("/room-links", { link: wish.link }).catch((other) => {
      throw other.code === "bad_link" || other.code === "bad_invite" ? error : other;
    });
    keep(rooms, room.id, room);
    await again(room.id);
    notice(`On the way into ${room.name || "the room"}`);
    return go("c", room.id);
  }
  keep(contacts, contact.user_id, contact);
  await again(contact.conversation);
  notice(contact.already ? `${contact.display} is a contact already` : `${contact.display} is added`);
  return conversations.value.has(contact.conversation) ? go("c", contact.conversation) : go("people", contact.user_id);
}

export function Add() {
  return html`<div class="page">
    <${Heading} back=${["people"]}>Open a link<//>
    <div class="scroll"><div class="column">
      <p class="lead">An invitation, somebody’s address, or a link to a room: all begin with <code>parlour:</code></p>
      <section class="card"><${Form} submit=${open} action="Open">
        <${Field} label="The link" name="link" area rows="4" autocomplete="off" autocapitalize="off" spellcheck="false" placeholder="parlour:…" required />
        <${Field} label="What you call them" name="petname" hint="Optional, for people. Only you see it." maxlength="64" autocomplete="off" />
        <${Field} label="A word to them" name="note" hint="Optional. Shown to them where you have to ask first." autocomplete="off" />
      <//></section>
    </div></div>
  </div>`;
}
