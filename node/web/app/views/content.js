// What a message holds beside words: files, places, stickers, calls. What of it others wrote is shown as text and never opened.
import { html } from "../h.js";
import { callWords, fileWords } from "../summary.js";
import { formatted } from "../text.js";
import { bytes, lasting } from "../format.js";
import { Button } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";
import { copy } from "../parts/layer.js";

const ICONS = { image: "image", video: "film", audio: "note", voice: "voice" };

/** A drawing, and beside it what it is. */
const Held = ({ icon, title, children, tool, look = "" }) => html`<div class=${`held ${look}`}>
  <span class="glyph"><${Icon} name=${icon} /></span>
  <span class="text"><strong>${title}</strong><small>${children}</small></span>
  ${tool}
</div>`;

function File({ file: { kind, name, size, width, height, duration_ms: length } }) {
  const facts = [fileWords(kind), width && height && `${width} × ${height}`, length !== undefined && lasting(length), bytes(size)];
  return html`<${Held} icon=${ICONS[kind] ?? "notes"} title=${name || fileWords(kind)}>
    ${facts.filter(Boolean).join(" · ")}<br />This version cannot open it yet
  <//>`;
}

const degrees = (value, [there, beyond]) => `${Math.abs(value).toFixed(5)}° ${value < 0 ? beyond : there}`;

function Place({ place: { latitude, longitude, accuracy_m: accuracy, name } }) {
  const where = `${degrees(latitude, "NS")}, ${degrees(longitude, "EW")}`;
  const tool = html`<${Button} icon="copy" label="Copy the place" onClick=${() => copy(`${latitude}, ${longitude}`)} />`;
  return html`<${Held} icon="place" title=${name ?? "A place"} tool=${tool}>
    ${where}${accuracy ? `, within ${accuracy.toLocaleString()} m` : ""}
  <//>`;
}

function Sticker({ sticker: { emoji, name } }) {
  return html`<p class="huge huge-1 sticker" role="img" aria-label=${name ? `Sticker: ${name}` : `Sticker: ${emoji}`} title=${name}>${emoji}</p>`;
}

function Call({ call }) {
  return html`<${Held} icon=${call.video ? "film" : "call"} title=${callWords(call)} look=${call.outcome === "ended" ? "" : "missed"}>
    ${call.video ? "Video" : "Voice"}
  <//>`;
}

/** Nothing, where there are words alone. */
export function Content({ message: { location, file, sticker, call, text } }) {
  if (location) return html`<${Place} place=${location} />`;
  if (sticker) return html`<${Sticker} sticker=${sticker} />`;
  if (call) return html`<${Call} call=${call} />`;
  if (!file) return null;
  return html`<${File} file=${file} />${text && html`<div class="words">${formatted(text)}</div>`}`;
}
