// A link as a picture for another machine's camera. The node draws it.
import { html, useEffect, useState } from "../h.js";
import { picture } from "../api.js";

/** `path` is where the drawing is had, `text` what is to be drawn. */
export function Qr({ path, text, label }) {
  const [url, setUrl] = useState(null);
  useEffect(() => {
    let own = null;
    let gone = false;
    const drawn = text ? picture("POST", "/qr", { text }) : picture("GET", path);
    drawn
      .then((made) => {
        own = made;
        if (gone) URL.revokeObjectURL(made);
        else setUrl(made);
      })
      .catch(() => {});
    return () => {
      gone = true;
      if (own) URL.revokeObjectURL(own);
    };
  }, [path, text]);
  return html`<div class="qr">${url && html`<img src=${url} alt=${label} />`}</div>`;
}
