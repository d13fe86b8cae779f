// Real nodes and a real browser for the tests and the pictures.
import { spawn, execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../web");
const PATIENCE_MS = 30_000;

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

export function fail(message) {
  throw new Error(message);
}

export function check(condition, message) {
  if (!condition) fail(message);
}

/** Waits until something holds; asks again when the time for it has come. */
export async function until(what, ask, patience = PATIENCE_MS) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) fail(`waited too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** A node of its own, in a directory that goes when it goes. */
export class Node {
  static async start(parlour, name, { account = true } = {}) {
    const node = new Node();
    node.parlour = parlour;
    node.name = name;
    node.dir = await mkdtemp(join(tmpdir(), "parlour-web-"));
    if (account) node.command("init", "--name", name, "--no-password", "--json");
    await node.up();
    return node;
  }

  command(...args) {
    return execFileSync(this.parlour, ["--data", this.dir, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Runs it; the second time at the address of the first. */
  async up() {
    const at = this.url ? new URL(this.url).host : "127.0.0.1:0";
    this.process = spawn(this.parlour, ["--data", this.dir, "up", "--api", at, "--listen", "127.0.0.1:0", "--no-mdns"], { stdio: ["ignore", "pipe", "pipe"] });
    running.add(this.process);
    this.process.once("exit", () => running.delete(this.process));
    this.said = "";
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on("data", (data) => (this.said += data));
    await until(`${this.name} is ready: ${this.said}`, () => /^ready|#pair=\w+/mu.test(this.said) || this.process.exitCode !== null);
    check(this.process.exitCode === null, `${this.name} ended: ${this.said}`);
    this.printed = /http:\/\/\S+#pair=\w+/u.exec(this.said)?.[0];
    this.url = new URL(/http:\/\/[^\s)]+/u.exec(this.said)[0]).origin;
    this.cookie = existsSync(join(this.dir, "api/cookie")) ? readFileSync(join(this.dir, "api/cookie"), "utf8").trim() : null;
  }

  async down(signal = "SIGTERM") {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await ended;
  }

  async stop() {
    await this.down();
    await rm(this.dir, { recursive: true, force: true });
  }

  async api(method, path, body) {
    const headers = { Authorization: `Bearer ${this.cookie}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const response = await fetch(`${this.url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    check(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  }

  async link() {
    return (await this.api("POST", "/session/link", {})).link;
  }
}

/** Makes two nodes contacts; answers their conversation. */
export async function befriend(one, other, names = {}) {
  const { link } = await one.api("POST", "/invites", {});
  const contact = await other.api("POST", "/contacts", { link, ...(names.one && { petname: names.one }) });
  await until("they are contacts", async () => {
    const { items } = await one.api("GET", "/contacts");
    const there = await other.api("GET", `/contacts/${contact.user_id}`);
    return items.some((item) => item.state === "accepted" && item.conversation === contact.conversation && item.reachable) && there.state === "accepted";
  });
  return contact.conversation;
}

export const say = (node, conversation, text, more = {}) => node.api("POST", `/conversations/${conversation}/messages`, { text, ...more });

/** Waits until a message has come to a node; answers it as it stands there. */
export const arrived = (node, conversation, id) =>
  until("a message arrives", async () => {
    const { items } = await node.api("GET", `/conversations/${conversation}/messages?limit=200`).catch(() => ({ items: [] }));
    return items.find((item) => item.id === id);
  });

export function browser() {
  const args = ["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb"];
  // A page that does not come from loopback may not connect to it; one from the disk comes from nowhere.
  if (process.env.WEB_FROM_DISK) args.push("--disable-features=LocalNetworkAccessChecks");
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args });
}

/** A window that remembers what should not have happened in it. */
export async function open(from, node, { script, ...options } = {}) {
  const context = await from.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", reducedMotion: "reduce", ...options });
  // What the browser itself puts into a page is beyond the page's policy.
  if (script) await context.addInitScript(script);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.stack ?? error}`));
  page.on("console", (message) => {
    const expected = /Failed to load resource|WebSocket connection to/u.test(message.text());
    if (message.type() === "error" && !expected) wrong.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    wrong.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  context.on("request", (request) => {
    const own = request.url().startsWith(`${node.url}/`) || /^(blob|data):/u.test(request.url());
    if (!own) wrong.push(`request to ${request.url()}`);
  });
  if (process.env.WEB_FROM_DISK) await fromDisk(context, node);
  page.wrong = wrong;
  return page;
}

/** The pages as they are on the disk, with the node's own policy: no build between a change and a look. */
async function fromDisk(context, node) {
  const kinds = { js: "text/javascript", css: "text/css" };
  await context.route(`${node.url}/**`, async (route) => {
    const { pathname } = new URL(route.request().url());
    if (pathname.startsWith("/api/")) return route.continue();
    const root = await fetch(`${node.url}/`).catch(() => null);
    const index = (await root?.text())?.includes("setup.js") ? "setup.html" : "index.html";
    const file = join(WEB, pathname === "/" ? index : pathname);
    if (!root || !existsSync(file) || !statSync(file).isFile()) return route.continue();
    const { headers } = root;
    const contentType = pathname === "/" ? "text/html" : kinds[pathname.split(".").at(-1)];
    return route.fulfill({
      body: readFileSync(file),
      contentType: `${contentType}; charset=utf-8`,
      headers: { "content-security-policy": headers.get("content-security-policy") },
    });
  });
}

/** Opens the page with a fresh link. */
export async function enter(page, node, hash = "") {
  await page.goto(await node.link());
  await page.waitForSelector(".rail").catch((error) => fail(`${error.message}\n${page.wrong.join("\n")}`));
  if (hash) await visit(page, hash);
}

export async function visit(page, hash) {
  await page.evaluate((to) => (location.hash = to), hash);
}
