// Messages of every kind that the API knows, and of kinds that it does not know yet: what each must say.
import { PAYLOADS } from "./payloads.mjs";

const FILE = { kind: "file", name: "towers.txt", media_type: "text/plain", size: 2_300_000 };
const KINDS = [
  [{ file: FILE }, "towers.txt File · 2.3 MB"],
  [{ file: { ...FILE, kind: "image", name: "plums.jpg", width: 1920, height: 1080 }, text: "The **plums**" }, "plums.jpg Picture · 1920 × 1080 · 2.3 MB This version cannot open it yet The plums"],
  [{ file: { ...FILE, kind: "video", name: "", width: 1920, height: 1080, duration_ms: 3_723_000 } }, "Video Video · 1920 × 1080 · 1:02:03 · 2.3 MB"],
  [{ file: { ...FILE, kind: "audio", name: "bells.flac", duration_ms: 0 } }, "bells.flac Sound · 0:00"],
  [{ file: { ...FILE, kind: "voice", name: "voice.opus", duration_ms: 41_600 } }, "Voice message · 0:42"],
  [{ file: { ...FILE, kind: "hologram", name: PAYLOADS[2] }, text: PAYLOADS[0] }, PAYLOADS[0]],
  [{ location: { latitude: 0, longitude: -0.5 } }, "A place 0.00000° N, 0.50000° W"],
  [{ location: { latitude: 1, longitude: 2, name: PAYLOADS[4] } }, PAYLOADS[4]],
  [{ sticker: { emoji: "🌻", name: PAYLOADS[4], file: FILE } }, "🌻"],
  [{ call: { video: false, outcome: "ended", duration_ms: 125_000 } }, "Call of 2 minutes"],
  [{ call: { video: true, outcome: "missed", duration_ms: 0 } }, "Missed call"],
  [{ call: { video: true, outcome: "declined", duration_ms: 0 } }, "Call declined"],
  [{ call: { video: false, outcome: "dropped", duration_ms: 0 } }, "Call"],
  [{ poll: { question: "?", options: [], multiple: false, anonymous: true, total: 0, closed: true } }, "Nobody voted"],
  [{ deleted: true, gone: "deleted" }, "This message was deleted"],
  [{ gone: "expired" }, "This message has disappeared"],
  [{ gone: "viewed" }, "This message was seen"],
  [{ gone: "erased" }, "This message was erased"],
  [{ gone: "hidden" }, "deleted this message for yourself"],
  [{ gone: "too_soon" }, "came too soon"],
  [{ gone: "eaten" }, "This message is gone"],
  [{ own: false, views_left: 2 }, "Look at it (2 times)"],
  [{ unsupported: true }, "This needs a newer version of parlour"],
  [{ painting: { of: "a later version" } }, "This needs a newer version of parlour"],
  [{ timer: {}, system: { kind: "timer", text: "you set messages to stay" } }, "You set messages to stay"],
  [{ system: { kind: "joined", text: "ben joined, let in by you" } }, "Ben joined, let in by you"],
  [{ system: { kind: "banned", text: `you removed and banned Mallory: ${PAYLOADS[2]}`, reason: PAYLOADS[2] } }, PAYLOADS[2]],
  [{ system: { kind: "pinned", text: `you pinned a message: ${PAYLOADS[4]}`, target: "msg_x" } }, PAYLOADS[4]],
  [{ system: { kind: "a kind of a later version", text: "something happened" } }, "Something happened"],
];

/** All of them, after the message they are modelled on. */
export const kinds = (like) =>
  KINDS.map(([what, says], at) => {
    const created_at = new Date(Date.parse(like.created_at) + 1 + at).toISOString();
    const id = like.id.slice(0, -2) + String.fromCharCode(97 + Math.floor(at / 26)) + String.fromCharCode(97 + (at % 26));
    return { message: { ...like, text: null, id, created_at, own: at % 3 === 0, ...what }, says };
  });
