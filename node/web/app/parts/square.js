// Pictures that are chosen: cut to a square and made small, in the page, so that nothing else of them leaves it.
import { html, useRef } from "../h.js";
import { put, remove } from "../api.js";
import { Icon } from "./icon.js";
import { attempt } from "./layer.js";

const SIDE = 192;
const MAX_BYTES = 24 * 1024;

/** The middle square of a picture, small enough to go along with everything else. */
async function small(file) {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error("This is no picture that can be read.");
  });
  const side = Math.min(image.width, image.height);
  const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
  const from = [(image.width - side) / 2, (image.height - side) / 2, side, side];
  canvas.getContext("2d").drawImage(image, ...from, 0, 0, SIDE, SIDE);
  for (const quality of [0.9, 0.75, 0.6, 0.4, 0.2]) {
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
    if (blob && blob.size <= MAX_BYTES) return blob;
  }
  throw new Error("This picture cannot be made small enough.");
}

/** Sets and takes away the picture at a path; `done` comes after either. */
export function PictureButtons({ path, there, done, changed, gone, size = "" }) {
  const chosen = useRef(null);
  const take = (event) => {
    const [file] = event.target.files;
    event.target.value = "";
    if (file) attempt(async () => put(path, await small(file)).then(done), changed);
  };
  return html`
    <button type="button" class=${`quiet ${size}`} onClick=${() => chosen.current.click()}><${Icon} name="image" />Choose a picture</button>
    ${there && html`<button type="button" class=${`quiet danger ${size}`} onClick=${() => attempt(() => remove(path).then(done), gone)}><${Icon} name="trash" />Take it away</button>`}
    <input ref=${chosen} type="file" accept="image/*" hidden aria-label="Picture" onChange=${take} />
  `;
}
