// Requests to this node.
import { beginSession, currentLogin, currentToken, endSession } from "./session.js";

const TRIES = 4;
/** So long before it ends, a token is exchanged; not by all pages of a login at once. */
const BEFORE_MS = 60_000;
/** Other tabs hear of new tokens within this time. */
const TOLD_MS = 150;

/** A refusal, with a sentence for people. */
export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super(sentence(problem.detail || `The node refused (${status}).`));
    this.status = status;
    this.code = problem.code ?? "";
    this.field = problem.field ?? "";
    this.retryAfter = retryAfter;
  }

  /** The node was not reached at all. */
  get away() {
    return this.status === 0;
  }
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1).replace(/`([^`]*)`/gu, "“$1”");
  return /[.!?]$/u.test(first) ? first : `${first}.`;
}

/** `open`: asked without a token, and what is refused says nothing about the session. `again`: after a token was exchanged. */
async function once(method, path, body, { open = false, again = false } = {}) {
  const headers = {};
  const token = currentToken();
  if (token && !open) headers.Authorization = `Bearer ${token}`;
  const raw = body instanceof Blob;
  if (raw) headers["Content-Type"] = body.type;
  else if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    const sent = raw || body === undefined ? body : JSON.stringify(body);
    response = await fetch(`/api/v1${path}`, { method, headers, body: sent, cache: "no-store" });
  } catch {
    throw new Refused(0, { code: "away", detail: "The node does not answer. Is it still running?" });
  }
  if (response.ok) return response;
  if (response.status === 401 && !open) {
    if (again) endSession();
    else if (await renew(token)) return once(method, path, body, { again: true });
  }
  const problem = await response.json().catch(() => ({}));
  throw new Refused(response.status, problem, Number(response.headers.get("Retry-After")) || 1);
}

async function ask(method, path, body) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(method, path, body);
    } catch (error) {
      if (error.status !== 429 || tries === TRIES || error.retryAfter > 10) throw error;
      await new Promise((resolve) => setTimeout(resolve, error.retryAfter * 1000));
    }
  }
}

async function json(method, path, body) {
  const response = await ask(method, path, body);
  return response.status === 204 ? null : response.json();
}

export const get = (path) => json("GET", path);
export const post = (path, body = {}) => json("POST", path, body);
export const put = (path, body = {}) => json("PUT", path, body);
export const patch = (path, body) => json("PATCH", path, body);
export const remove = (path) => json("DELETE", path);

/** A picture as an address of this page. */
export async function picture(method, path, body) {
  const response = await ask(method, path, body);
  return URL.createObjectURL(await response.blob());
}

const enter = async (path, body) => (await once("POST", path, body, { open: true })).json();

/** Exchanges the code of a link for a token. */
export const pair = async (code) => beginSession(await enter("/session/pair", { code }));

/** Logs in; answers who that is. */
export async function logIn(wish) {
  const answer = await enter("/session/login", wish);
  beginSession(answer);
  renewInTime();
  return answer.user_id;
}

let renewing = null;

/** A new token for one that the node does not take any more, if there can be one: only a login goes on. */
export function renew(old) {
  if (currentToken() && currentToken() !== old) return true;
  if (!currentLogin()) {
    endSession();
    return false;
  }
  renewing ??= navigator.locks.request("parlour.login", () => exchange(old)).finally(() => (renewing = null));
  return renewing;
}

/** A refresh token is good once, and a copy of this tab has the same: they exchange one after the other and tell each other. */
const siblings = new BroadcastChannel("parlour.login");
siblings.onmessage = ({ data: { was, answer } }) => {
  if (was !== currentLogin()?.refresh_token) return;
  beginSession(answer);
  renewInTime();
};

async function exchange(old) {
  const was = currentLogin()?.refresh_token;
  if (currentToken() !== old || !was) return Boolean(currentToken());
  try {
    const answer = await enter("/session/refresh", { refresh_token: was });
    siblings.postMessage({ was, answer });
    beginSession(answer);
    renewInTime();
    await new Promise((told) => setTimeout(told, TOLD_MS));
    return true;
  } catch (error) {
    if (error.status === 401) endSession();
    return false;
  }
}

let timer = null;

function renewInTime() {
  clearTimeout(timer);
  const login = currentLogin();
  if (!login) return;
  const left = new Date(login.expires_at) - Date.now() - BEFORE_MS * (1 + Math.random());
  timer = setTimeout(() => renew(currentToken()), Math.max(1000, left));
}

renewInTime();

/** The code of a link as it was printed, or of what was copied of it. */
export function codeOf(text) {
  return new URLSearchParams(text.split("#").pop()).get("pair") ?? text.trim();
}

/** One part of a path. */
export const part = encodeURIComponent;
