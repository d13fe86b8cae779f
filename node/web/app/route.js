// Where the page is: the parts behind the # of its address.
import { signal } from "./h.js";

const read = () => location.hash.replace(/^#\/?/u, "").split("/").filter(Boolean).map(decode);

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export const route = signal(read());

addEventListener("hashchange", () => {
  route.value = read();
});

export const to = (...parts) => `#/${parts.map(encodeURIComponent).join("/")}`;

export function go(...parts) {
  const hash = to(...parts);
  if (location.hash !== hash) location.hash = hash;
}

/** Goes somewhere without a step to come back to. */
export function swap(...parts) {
  history.replaceState(null, "", to(...parts));
  route.value = read();
}
