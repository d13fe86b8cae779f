// Requests to this node. The token lives in this tab alone: a reload keeps it, another tab needs its own link.
import { signal } from "./h.js";

const TOKEN = "parlour.token";
const TRIES = 4;

let token = sessionStorage.getItem(TOKEN);

/** Whether there is a token, and whether the node still takes it: "none", "open" or "ended". */
export const session = signal(token ? "open" : "none");

export const currentToken = () => token;

export function endSession(state = "ended") {
  token = null;
  sessionStorage.removeItem(TOKEN);
  session.value = state;
}

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

async function once(method, path, body) {
  const headers = {};
  if (token) headers.Authorization = `Bearer ${token}`;
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
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401) endSession();
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

/** Exchanges the code of a link for a token. */
export async function pair(code) {
  const answer = await post("/session/pair", { code });
  token = answer.token;
  sessionStorage.setItem(TOKEN, token);
  session.value = "open";
}

/** The code of a link as it was printed, or of what was copied of it. */
export function codeOf(text) {
  return new URLSearchParams(text.split("#").pop()).get("pair") ?? text.trim();
}

/** One part of a path. */
export const part = encodeURIComponent;
