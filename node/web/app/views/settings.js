// How one appears, what is told to others, how the page looks, and how the node is doing.
import { html, later } from "../h.js";
import { me, profile } from "../state.js";
import { route, to } from "../route.js";
import { Avatar } from "../parts/avatar.js";
import { Heading } from "../parts/bits.js";
import { Icon } from "../parts/icon.js";

const wishes = (name) => later(() => import("./wishes.js"), name);

export const SETTINGS = {
  profile: { icon: "user", text: "Profile", hint: "Name, picture, status", view: later(() => import("./profile.js"), "Profile") },
  privacy: { icon: "shield", text: "Privacy", hint: "Read marks, presence", view: wishes("Privacy") },
  access: { icon: "lock", text: "Logins and tokens", hint: "Who gets in", view: later(() => import("./access.js"), "Access") },
  appearance: { icon: "sun", text: "Appearance", hint: "Light, dark", view: wishes("Appearance") },
  node: { icon: "node", text: "Node", hint: "Reachability, storage", view: later(() => import("./node.js"), "NodeView") },
  keys: { icon: "keys", text: "Keyboard", hint: "Shortcuts", view: wishes("Keys") },
};

export function Settings() {
  const current = route.value[1];
  const { status, status_emoji: emoji } = profile.value ?? {};
  return html`
    <${Heading} focus=${!current}>Settings<//>
    <nav class="scroll" aria-label="Settings">
      <div class="self">
        <${Avatar} of=${me.value.user_id} name=${me.value.name} size="l" />
        <div><strong>${profile.value?.name ?? me.value.name}</strong><p class="hint">${status ? `${emoji ?? ""} ${status}` : "This is you"}</p></div>
      </div>
      <ul class="rows">
        ${Object.entries(SETTINGS).map(
          ([key, { icon, text, hint }]) => html`<li key=${key}>
            <a class="row" href=${to("settings", key)} aria-current=${current === key ? "page" : undefined}>
              <span class="glyph"><${Icon} name=${icon} /></span>
              <span class="text"><span class="top"><strong>${text}</strong></span><span class="bottom"><span class="preview">${hint}</span></span></span>
            </a>
          </li>`,
        )}
      </ul>
    </nav>
  `;
}
