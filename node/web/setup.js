// The page of a node without an account: a code becomes a token, a form becomes an account. The words are in this page's memory
// only; the token is handed to the page that talks, in this tab. No text is ever read as HTML.
"use strict";

const WORDS = 24;
const POLL_MS = 250;
const POLLS = 120;

let token = null;
let words = [];
let asked = [];

const by = (id) => document.getElementById(id);
const list = (text) => text.trim().toLowerCase().split(/\s+/u).filter(Boolean);

/** Shows one section, and tells screen readers by moving the focus to its heading. */
function show(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  for (const error of by(id).querySelectorAll(".error")) error.textContent = "";
  if (id === "check") ask();
  by(id).querySelector("h1")?.focus();
  window.scrollTo(0, 0);
}

/** One request to this node; throws what it says when it refuses. */
async function call(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { method, headers, body: JSON.stringify(body), cache: "no-store" });
  } catch {
    throw new Error("The node does not answer. Is it still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(sentence(answer.detail || `The node refused (${response.status}).`));
    throw Object.assign(error, { status: response.status, field: answer.field });
  }
  return answer;
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1).replace(/`([^`]*)`/gu, "“$1”");
  return /[.!?]$/u.test(first) ? first : `${first}.`;
}

function codeOf(text) {
  return new URLSearchParams(text.split("#").pop()).get("pair") ?? text.trim();
}

/** Exchanges a code for a token. */
async function pair(code) {
  const answer = await call("POST", "/api/v1/session/pair", { code });
  token = answer.token;
  await call("GET", "/api/v1/accounts");
  show("choose");
}

async function open() {
  const code = new URLSearchParams(location.hash.slice(1)).get("pair");
  history.replaceState(null, "", location.pathname);
  if (!code) return show("link");
  try {
    await pair(code);
  } catch (error) {
    show("link");
    by("link").querySelector(".error").textContent = error.message;
  }
}

/** Makes the account a form describes. */
async function make(form) {
  const { name, password, again, words: given } = form.elements;
  const wish = { name: name.value.trim() };
  if (given && list(given.value).length !== WORDS) {
    throw wrong(given, `These are ${list(given.value).length} words; there should be ${WORDS}.`);
  }
  if (!wish.name) throw wrong(name, "Please enter a name.");
  if (password.value !== again.value) throw wrong(again, "The two passwords differ.");
  if (password.value) wish.password = password.value;
  if (given) wish.words = list(given.value).join(" ");
  const made = await call("POST", "/api/v1/accounts", wish);
  form.reset();
  by("done-name").textContent = made.name;
  by("done-user").textContent = made.user_id;
  ready();
  if (!made.words) return show("done");
  words = made.words.split(" ");
  by("word-list").replaceChildren(
    ...words.map((word) => Object.assign(document.createElement("li"), { textContent: word })),
  );
  addEventListener("beforeunload", hold);
  show("words");
}

function wrong(field, text) {
  return Object.assign(new Error(text), { field: field.name });
}

/** Leaving now would lose the words. */
function hold(event) {
  event.preventDefault();
}

/** Chooses two words to ask for, one of each half. */
function ask() {
  const [one, other] = crypto.getRandomValues(new Uint32Array(2));
  asked = [one % (WORDS / 2), WORDS / 2 + (other % (WORDS / 2))];
  by("first-number").textContent = asked[0] + 1;
  by("second-number").textContent = asked[1] + 1;
  by("check").querySelector("form").reset();
}

function check(form) {
  const fields = [form.elements.first, form.elements.second];
  const bad = fields.findIndex((field, n) => field.value.trim().toLowerCase() !== words[asked[n]]);
  if (bad >= 0) throw wrong(fields[bad], `Word ${asked[bad] + 1} is another one. Please look at your paper.`);
  removeEventListener("beforeunload", hold);
  words = [];
  by("word-list").replaceChildren();
  show("done");
}

/** Waits until the node has gone on with its account. */
async function ready() {
  by("done-title").textContent = "Your account is made";
  by("state").textContent = "The node is starting with it …";
  for (let polls = 0; polls < POLLS; polls += 1) {
    const response = await fetch("/health/ready", { cache: "no-store" }).catch(() => null);
    if (response?.ok) {
      by("done-title").textContent = "Your node runs";
      by("state").textContent = "It has its account and is ready for messages.";
      by("enter").hidden = false;
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  by("state").textContent = "The account is made, but the node does not answer. Its terminal says why.";
}

/** What a form does; its errors are shown in it, and the focus goes where they can be mended. */
function on(id, submit) {
  const form = by(id).querySelector("form");
  const button = form.querySelector("button[type=submit]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    const shown = form.querySelector(".error");
    shown.textContent = "";
    for (const field of form.elements) field.removeAttribute("aria-invalid");
    button.setAttribute("aria-disabled", "true");
    try {
      await submit(form);
    } catch (error) {
      if (error.status === 401) {
        token = null;
        show("link");
        by("link").querySelector(".error").textContent = "This page was open for too long.";
      } else {
        shown.textContent = error.message;
        const field = form.elements[error.field];
        field?.closest("details")?.setAttribute("open", "");
        field?.setAttribute("aria-invalid", "true");
        field?.focus();
      }
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}

for (const button of document.querySelectorAll("[data-go]")) {
  button.addEventListener("click", () => show(button.dataset.go));
}
/** The same token opens the page that talks; the node shows it at the same address by now. */
by("enter").addEventListener("click", () => {
  sessionStorage.setItem("parlour.token", token);
  location.replace("/");
});
by("recover-words").addEventListener("input", (event) => {
  by("recover-count").textContent = `${list(event.target.value).length} of ${WORDS} words`;
});
on("link", (form) => pair(codeOf(form.elements.link.value)));
on("create", make);
on("recover", make);
on("check", check);
open();
