// Line drawings of one stroke width. All are ornaments: what they mean stands beside them or in a label.
import { html } from "../h.js";

const PATHS = {
  talks: "M4 5.5h16v10.5H9.5L5.5 19.5V16H4z",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 19.5c.6-3.4 3.2-5.2 6.5-5.2s5.9 1.8 6.5 5.2M16 5a3.2 3.2 0 0 1 0 6.3M17.8 14.6c2 .7 3.3 2.4 3.7 4.9",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3 20.5 20.5",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM9 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  plus: "M12 5v14M5 12h14",
  back: "M14.5 5.5 8 12l6.5 6.5",
  forward: "M9.5 5.5 16 12l-6.5 6.5",
  down: "M5.5 9.5 12 16l6.5-6.5",
  close: "M6 6l12 12M18 6 6 18",
  more: "M5.5 12h.01M12 12h.01M18.5 12h.01",
  reply: "M9.5 6 4 11.5 9.5 17M4.5 11.5H14a6 6 0 0 1 6 6v.5",
  smile: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM8.5 14c.8 1.3 2 2 3.5 2s2.7-.7 3.5-2M9.2 9.7h.01M14.8 9.7h.01",
  send: "M4.5 12 20 4.5 15.5 20l-3.5-6.5zM12 13.5 20 4.5",
  timer: "M12 20.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM12 9v4l2.5 1.5M9.5 2.5h5",
  eye: "M2.5 12C4.7 8 8 6 12 6s7.3 2 9.5 6c-2.2 4-5.5 6-9.5 6s-7.3-2-9.5-6zM12 14.7a2.7 2.7 0 1 0 0-5.4 2.7 2.7 0 0 0 0 5.4z",
  pin: "M9 3.5h6l-.7 6 3.2 3.5v1.5h-11V13l3.2-3.5zM12 14.5v6",
  edit: "M4.5 19.5l1-4L16.2 4.8l3 3L8.5 18.5zM14 7l3 3",
  copy: "M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9",
  trash: "M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l.8 13h9.4l.8-13M10 10.5v5.5M14 10.5v5.5",
  info: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM12 11v5.5M12 7.7h.01",
  history: "M4 12a8 8 0 1 0 2.5-5.8M4 4.5V8h3.5M12 8v4.5l3 1.8",
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 1.5h-15zM10 20.5h4",
  mute: "M6 16.5V11c0-1 .2-2 .7-2.8M9 5.8A6 6 0 0 1 18 11v5.5M19.5 18h-15L6 16.5M10 20.5h4M4 4l16 16",
  archive: "M3.5 5h17v4h-17zM5 9v10.5h14V9M10 13h4",
  shield: "M12 3.5 5 6v5.5c0 4.3 2.8 7.4 7 9 4.2-1.6 7-4.7 7-9V6zM9 12l2.2 2.2L15.2 10",
  warning: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17h.01",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1",
  qr: "M4.5 4.5h6v6h-6zM13.5 4.5h6v6h-6zM4.5 13.5h6v6h-6zM13.5 13.5h2.5v2.5M19.5 13.5v2.5M13.5 19.5H16M19.5 19.5h-.01",
  door: "M5 20.5V10.5a7 7 0 0 1 14 0v10M2.5 20.5h19M9.5 20.5v-8.5a2.5 2.5 0 0 1 5 0v8.5",
  leave: "M10 4.5H5v15h5M10 12h10M16.5 8.5 20 12l-3.5 3.5",
  user: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.7-4 3.6-6 7.5-6s6.8 2 7.5 6",
  node: "M12 14.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM5 6.5a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM19 6.5a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM12 21.3a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6zM6.3 6l3.9 4.2M17.7 6l-3.9 4.2M12 14.5v3.2",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  keys: "M3 6.5h18v11H3zM6.5 10h.01M10 10h.01M13.5 10h.01M17 10h.01M8 14h8",
  notes: "M6 3.5h9l3.5 3.5v13.5H6zM9 10h6M9 13.5h6M9 17h3.5",
  ban: "M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17zM6 6l12 12",
  check: "M5 12.5 10 17.5 19 7.5",
  clock: "M12 19.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM12 8v4.5l2.7 1.5",
  poll: "M5 19.5v-6M12 19.5v-15M19 19.5v-10",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  thread: "M5.5 4v8.5a5 5 0 0 0 5 5h8M14.5 13.5l4 4-4 4",
  image: "M4 5.5h16v13H4zM4 16l4.5-4.5 3.5 3 3-2.5 5 4.5M9 9.7h.01",
  film: "M3.5 7h11v10h-11zM14.5 10.8l6-3v8.4l-6-3z",
  note: "M9 17.5V5.5l9.5-2v12M9 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0zM18.5 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z",
  voice: "M12 14a3 3 0 0 0 3-3V7a3 3 0 0 0-6 0v4a3 3 0 0 0 3 3zM6 11.5a6 6 0 0 0 12 0M12 17.5v3",
  place: "M12 20.5c4-4.4 6-7.6 6-10.5a6 6 0 0 0-12 0c0 2.9 2 6.1 6 10.5zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  call: "M6 4h3.5l1.5 4-2 1.5c1 2.200 2.800 4 5 5l1.5-2 4 1.5V17.5c0 1.400-1.100 2.500-2.500 2.500C10 20 4 14 4 6.500 4 5.100 4.600 4 6 4z",
  retry: "M19.5 12a7.5 7.5 0 1 1-2.2-5.3L19.5 9M19.5 4.5V9H15",
};

export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}

/** How far an own message has come, as ticks; the word for it is beside or in the label. */
export function Ticks({ status }) {
  const plain = { sending: PATHS.clock, failed: PATHS.close }[status];
  if (plain) return html`<svg class="icon ticks" viewBox="0 0 24 24" aria-hidden="true"><path d=${plain} /></svg>`;
  const second = status === "sent" ? "" : "M11 15.5 13 17.5 22 7.5";
  return html`<svg class=${`icon ticks ${status}`} viewBox="0 0 24 24" aria-hidden="true">
    <path d=${`M2.5 12.5 7.5 17.5 16.5 7.5${second}`} />
  </svg>`;
}
