// Times, names and numbers as people read them.

const DAY_MS = 86_400_000;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortWeekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dayMonth = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayMonthYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const shortDayYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "2-digit" });
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "long", timeStyle: "short" });

const midnight = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
const daysAgo = (date) => Math.round((midnight(new Date()) - midnight(date)) / DAY_MS);

export const timeOf = (iso) => clock.format(new Date(iso));
export const momentOf = (iso) => whole.format(new Date(iso));
export const dayKey = (iso) => midnight(new Date(iso));

/** A day as a heading. */
export function dayOf(iso) {
  const date = new Date(iso);
  const ago = daysAgo(date);
  if (ago === 0) return "Today";
  if (ago === 1) return "Yesterday";
  if (ago > 1 && ago < 7) return weekday.format(date);
  return date.getFullYear() === new Date().getFullYear() ? dayMonth.format(date) : dayMonthYear.format(date);
}

/** A moment in as few characters as say it. */
export function shortly(iso) {
  const date = new Date(iso);
  const ago = daysAgo(date);
  if (ago <= 0) return clock.format(date);
  if (ago < 7) return shortWeekday.format(date);
  return (date.getFullYear() === new Date().getFullYear() ? shortDay : shortDayYear).format(date);
}

const day = (date) => (date.getFullYear() === new Date().getFullYear() ? shortDay : dayMonthYear).format(date);

/** A moment within a sentence: "at 14:02", "yesterday at 14:02", "on 3 May". */
export function since(iso) {
  const date = new Date(iso);
  const ago = daysAgo(date);
  if (ago <= 0) return `at ${clock.format(date)}`;
  if (ago === 1) return `yesterday at ${clock.format(date)}`;
  return `on ${day(date)}`;
}

/** A moment to come, within a sentence. */
export function until(iso) {
  const ahead = -daysAgo(new Date(iso));
  const time = clock.format(new Date(iso));
  if (ahead <= 0) return `at ${time}`;
  if (ahead === 1) return `tomorrow at ${time}`;
  return ahead < 7 ? `${weekday.format(new Date(iso))} at ${time}` : `on ${day(new Date(iso))}`;
}

const UNITS = [
  [7 * DAY_MS, "week"],
  [DAY_MS, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1_000, "second"],
];

/** A length of time in its largest fitting unit. */
export function span(ms) {
  const [size, unit] = UNITS.find(([size]) => ms >= size) ?? UNITS.at(-1);
  const count = Math.max(1, Math.round(ms / size));
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

/** How long something plays: "0:42". */
export function lasting(ms) {
  const seconds = Math.round(ms / 1000);
  const two = (count) => String(count).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes}:${two(seconds % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString()} ${count === 1 ? one : many}`;

export function bytes(count) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  const step = count < 1 ? 0 : Math.min(Math.floor(Math.log10(count) / 3), units.length - 1);
  return `${(count / 1000 ** step).toFixed(step && count / 1000 ** step < 10 ? 1 : 0)} ${units[step]}`;
}

/** What a browser says of itself, in a few words. */
export function device(agent) {
  const known = (names) => names.find(([, mark]) => agent.includes(mark))?.[0];
  const browser = known([["Edge", "Edg"], ["Firefox", "Firefox"], ["Chrome", "Chrom"], ["Safari", "Safari"]]) ?? "A browser";
  const system = known([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["macOS", "Mac OS"], ["Linux", "Linux"]]);
  return system ? `${browser} on ${system}` : browser;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const first = (text) => graphemes.segment(text)[Symbol.iterator]().next().value?.segment ?? "";

/** One or two letters that stand for a name. */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = words.length > 1 ? [words[0], words.at(-1)] : words;
  return letters.map((word) => first(word.replace(/^[^\p{L}\p{N}]+/u, ""))).join("").toUpperCase() || first(name.trim()) || "?";
}

/** One of the eight tones in which people and rooms are told apart. */
export function toneOf(id) {
  let sum = 0;
  for (const char of id.slice(-12)) sum = (sum * 31 + char.charCodeAt(0)) % 9973;
  return sum % 8;
}

/** How many emoji a text is, if it is nothing else and few. */
export function emojiOnly(text) {
  if (text.length > 40 || !/^[\p{Extended_Pictographic}\p{Emoji_Component}\s]+$/u.test(text)) return 0;
  if (!/\p{Extended_Pictographic}|\p{RI}/u.test(text)) return 0;
  const count = [...graphemes.segment(text.replace(/\s/gu, ""))].length;
  return count <= 3 ? count : 0;
}
