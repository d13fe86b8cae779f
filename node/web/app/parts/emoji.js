// A small choice of emoji, found by name. Others can be typed wherever one writes.
import { html, useEffect, useRef, useState } from "../h.js";

const ALL = `👍 thumbs up yes good|👎 thumbs down no bad|❤️ heart love red|😂 tears of joy laugh|😮 surprised wow|😢 sad tear cry|🙏 thanks please folded hands|🎉 party celebrate tada|
😀 grinning smile happy|😄 laughing eyes smile|😁 beaming|😅 sweat relief|🤣 rolling laugh|😊 blush warm smile|🙂 slight smile|🙃 upside down|😉 wink|😍 heart eyes love|🥰 hearts love|😘 kiss|😋 tasty yum|😜 wink tongue|🤪 zany|🤗 hug|🤭 hand over mouth oops|🤫 quiet shush|🤔 thinking hmm|🫡 salute|😐 neutral|🙄 rolling eyes|😏 smirk|😬 grimace|😌 relieved calm|😔 pensive|😴 sleeping tired|🥱 yawn|🤒 sick thermometer|🤧 sneeze|🥳 party face|😎 cool sunglasses|🤓 nerd|🧐 monocle|😕 confused|😟 worried|😳 flushed|🥺 pleading|😭 sobbing cry|😱 scream|😤 huff|😡 angry|🤯 mind blown|💀 skull|👻 ghost|🤖 robot|
👋 wave hello bye|🤚 raised hand|👌 ok|🤌 pinched|✌️ victory peace|🤞 crossed fingers luck|🤟 love you|🤙 call me|👈 left|👉 right|👆 up|👇 down|☝️ one|👏 clap applause|🙌 raised hands hooray|🫶 heart hands|🤝 handshake deal|💪 strong muscle|✍️ writing|👀 eyes look|🧠 brain|🫠 melting|
🧡 orange heart|💛 yellow heart|💚 green heart|💙 blue heart|💜 purple heart|🖤 black heart|🤍 white heart|💔 broken heart|💯 hundred|💥 boom|✨ sparkles|🔥 fire|⭐ star|🌟 glowing star|💡 idea bulb|
🐶 dog|🐱 cat|🦊 fox|🐻 bear|🐼 panda|🐸 frog|🐵 monkey|🐔 chicken|🐦 bird|🦉 owl|🐝 bee|🦋 butterfly|🐌 snail|🐢 turtle|🐙 octopus|🐳 whale|🌱 seedling garden|🌳 tree|🌻 sunflower|🌹 rose|🍀 clover luck|🍄 mushroom|🌍 earth world|🌙 moon night|☀️ sun|⛅ cloud|🌧️ rain|⛄ snowman|🌈 rainbow|🌊 wave sea|
🍏 apple|🍋 lemon|🍓 strawberry|🥑 avocado|🫘 beans|🥕 carrot|🍞 bread|🧀 cheese|🥚 egg|🍕 pizza|🍝 pasta|🍜 noodles soup|🍰 cake|🎂 birthday cake|🍪 cookie|🍫 chocolate|☕ coffee|🍵 tea|🍺 beer|🍷 wine|🥂 cheers toast|
⚽ football|🏀 basketball|🎾 tennis|🚲 bicycle|🏃 run|🏊 swim|⛰️ mountain|🏕️ camping|✈️ plane travel|🚆 train|🚗 car|🏠 house home|🛋️ sofa parlour|🎁 gift present|🎈 balloon|🎵 music|🎸 guitar|🎨 art paint|📚 books|📷 camera|💻 laptop computer|📱 phone|🔑 key|🔒 lock|🔧 wrench tool|📌 pin|📅 calendar date|⏰ alarm clock|✅ done check|❌ cross no|⚠️ warning|❓ question|❗ exclamation|💤 sleep|🚀 rocket launch`
  .replace(/\n/gu, "")
  .split("|")
  .map((one) => [one.slice(0, one.indexOf(" ")), one.slice(one.indexOf(" ") + 1)]);
const COLUMNS = 8;

export function Emoji({ pick }) {
  const [wanted, setWanted] = useState("");
  const [field, grid] = [useRef(null), useRef(null)];
  useEffect(() => field.current.focus({ preventScroll: true }), []);
  const words = wanted.toLowerCase().split(/\s+/u).filter(Boolean);
  const shown = ALL.filter(([, name]) => words.every((word) => name.includes(word)));
  const onKeyDown = (event) => {
    const all = [...grid.current.querySelectorAll("button")];
    const at = all.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: at < 0 ? 1 : COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (event.key === "Enter" && at < 0) {
      event.preventDefault();
      if (shown.length) pick(shown[0][0]);
    }
    if (!step || (at < 0 && event.key !== "ArrowDown")) return;
    event.preventDefault();
    if (at + step < 0) field.current.focus();
    else all[Math.min(at + step, all.length - 1)]?.focus();
  };
  return html`<div class="emoji" onKeyDown=${onKeyDown}>
    <input ref=${field} type="search" aria-label="Find an emoji" placeholder="Find an emoji" value=${wanted} onInput=${(event) => setWanted(event.target.value)} />
    <div class="grid" ref=${grid} role="group" aria-label="Emoji" tabindex="-1">
      ${shown.map(([emoji, name]) => html`<button key=${emoji} type="button" tabindex="-1" aria-label=${name} title=${name} onClick=${() => pick(emoji)}>${emoji}</button>`)}
      ${!shown.length && html`<p class="hint">No emoji is called so.</p>`}
    </div>
  </div>`;
}
