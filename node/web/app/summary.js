// What a message says, for lists, quotes and screen readers: one line, whatever it is.
import { plainly } from "./text.js";
import { span } from "./format.js";

const GONE = { expired: "Message disappeared", viewed: "Message was seen", erased: "Message erased", hidden: "Message deleted for you", too_soon: "Message came too soon", void: "Message without a right" };
const FILES = { image: "Picture", video: "Video", audio: "Sound", voice: "Voice message", file: "File" };
const CALLS = { missed: "Missed call", declined: "Call declined", failed: "Call failed" };

/** Whether it is no message, but tells what happened. */
export const isHappening = ({ system }) => Boolean(system);

/** Whether there is something that can be answered, pinned and reacted to. */
export const isHere = (message) => !message.deleted && !message.gone && !isHappening(message) && !message.unsupported && holds(message);

/** Whether it says anything that this page can show. */
export const holds = ({ text, poll, location, file, sticker, call }) => text !== null || Boolean(poll ?? location ?? file ?? sticker ?? call);

/** Whether it is a text and nothing else. */
export const isText = (message) => isHere(message) && !(message.poll ?? message.location ?? message.file ?? message.sticker ?? message.call);

export function callWords({ video, outcome, duration_ms: length }) {
  if (outcome !== "ended") return CALLS[outcome] ?? "Call";
  return `${video ? "Video call" : "Call"}${length ? ` of ${span(length)}` : ""}`;
}

export const fileWords = (kind) => FILES[kind] ?? FILES.file;

function words({ text, poll, location, file, sticker, call }) {
  if (poll) return `Poll: ${plainly(poll.question)}`;
  if (location) return `Place${location.name ? `: ${plainly(location.name)}` : ""}`;
  if (sticker) return `${sticker.emoji} Sticker`;
  if (call) return callWords(call);
  if (file) return `${fileWords(file.kind)}: ${plainly(text || file.name)}`;
  return plainly(text);
}

export function summary(message) {
  if (message.gone && message.gone !== "deleted") return GONE[message.gone] ?? "Message is gone";
  if (message.deleted || message.gone) return "Message deleted";
  if (message.system) return message.system.text.charAt(0).toUpperCase() + message.system.text.slice(1);
  if (message.views_left) return "Message to look at once";
  return message.unsupported || !holds(message) ? "Needs a newer version" : words(message);
}
