// Whether this page may talk to its node. The tokens live in this tab alone: a reload keeps them, another tab needs its own.
import { signal } from "./h.js";

const TOKEN = "parlour.token";
const LOGIN = "parlour.login";
const KNOWN = "parlour.known";

let token = sessionStorage.getItem(TOKEN);
/** Of a login by password: { refresh_token, expires_at }. */
let login = JSON.parse(sessionStorage.getItem(LOGIN));

/** Whether there is a token, and whether the node still takes it: "none", "open" or "ended". */
export const session = signal(token ? "open" : "none");

export const currentToken = () => token;
export const currentLogin = () => login;

/** Begins or goes on with what the node has answered to a link, a password or a refresh token. */
export function beginSession({ token: fresh, refresh_token, expires_at }) {
  token = fresh;
  login = refresh_token ? { refresh_token, expires_at } : null;
  sessionStorage.setItem(TOKEN, token);
  if (login) sessionStorage.setItem(LOGIN, JSON.stringify(login));
  else sessionStorage.removeItem(LOGIN);
  session.value = "open";
}

export function endSession(state = "ended") {
  token = null;
  login = null;
  sessionStorage.removeItem(TOKEN);
  sessionStorage.removeItem(LOGIN);
  session.value = state;
}

/** How the account was found to log in, as long as this tab is open: { name, password }; `null` if that is not known. */
export const knownLogin = () => JSON.parse(sessionStorage.getItem(KNOWN));

export function rememberLogin({ name, email, password_since: since }) {
  sessionStorage.setItem(KNOWN, JSON.stringify({ name: email ?? name, password: Boolean(since) }));
}
