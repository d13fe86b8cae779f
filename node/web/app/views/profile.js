// What contacts see of oneself.
import { html, useState } from "../h.js";
import { get, patch } from "../api.js";
import { me, profile } from "../state.js";
import { Avatar, forgetOwnPicture } from "../parts/avatar.js";
import { Copyable, Field, Form, Heading, Select } from "../parts/bits.js";
import { notice } from "../parts/layer.js";
import { PictureButtons } from "../parts/square.js";

const HOUR = 3_600_000;
const LASTS = [["", "Until I change it"], [String(HOUR), "An hour"], [String(4 * HOUR), "Four hours"], [String(24 * HOUR), "A day"], [String(168 * HOUR), "A week"]];

async function reread() {
  forgetOwnPicture();
  profile.value = await get("/me/profile");
}

function Picture() {
  return html`<div class="portrait large">
    <${Avatar} of=${me.value.user_id} name=${profile.value.name} size="xxl" />
    <div>
      <p class="hint">It goes out on your card, small, without place and time.</p>
      <p class="actions start">
        <${PictureButtons} path="/me/avatar" there=${profile.value.avatar} done=${reread} changed="Your picture is changed" gone="Your picture is gone" />
      </p>
    </div>
  </div>`;
}

export function Profile() {
  const own = profile.value;
  const [lasts, setLasts] = useState("");
  const submit = async (wish) => {
    const { status } = wish;
    const text = (key) => ({ [key]: wish[key].trim() || null });
    const changed = await patch("/me/profile", {
      name: wish.name.trim(),
      ...text("about"),
      ...text("pronouns"),
      ...text("status"),
      ...text("status_emoji"),
      status_expires_at: status.trim() && lasts ? new Date(Date.now() + Number(lasts)).toISOString() : null,
    });
    profile.value = changed;
    me.value = { ...me.value, name: changed.name };
    notice("Saved; your contacts get the new card");
  };
  return html`<div class="page">
    <${Heading} back=${["settings"]}>Profile<//>
    <div class="scroll"><div class="column">
      <${Picture} />
      <section class="card"><${Form} submit=${submit} action="Save">
        <${Field} label="Name" name="name" defaultValue=${own.name} maxlength="64" required autocomplete="nickname" />
        <div class="pair wide-first">
          <${Field} label="Status" name="status" defaultValue=${own.status ?? ""} maxlength="128" placeholder="In the garden" />
          <${Field} label="Emoji" name="status_emoji" defaultValue=${own.status_emoji ?? ""} maxlength="16" placeholder="🌱" />
        </div>
        <${Select} label="The status holds" options=${LASTS} value=${lasts} onChange=${setLasts} />
        <${Field} label="Pronouns" name="pronouns" defaultValue=${own.pronouns ?? ""} maxlength="32" />
        <${Field} label="About you" name="about" area rows="4" defaultValue=${own.about ?? ""} maxlength="512" />
      <//></section>
      <section class="card">
        <h2>Who you are to machines</h2>
        <${Copyable} text=${me.value.user_id} label="User id" />
      </section>
    </div></div>
  </div>`;
}
