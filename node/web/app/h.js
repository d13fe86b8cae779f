// What the views are written with: templates, state, hooks.
import { h } from "../vendor/preact.js";
import { useEffect, useState } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
/** A view whose file is read when it is first looked at. */
export function later(load, name) {
  let View = null;
  return (props) => {
    const [, again] = useState(null);
    useEffect(() => {
      if (!View) load().then((file) => again({ View: (View = file[name]) }));
    }, []);
    return View && h(View, props);
  };
}

export { Fragment, render } from "../vendor/preact.js";
export { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "../vendor/hooks.js";
export { batch, computed, effect, signal, useComputed, useSignal } from "../vendor/signals.js";
