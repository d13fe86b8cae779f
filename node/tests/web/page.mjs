// What the tests do with a page, and what each of them must hold to.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { browser, check, open } from "./lib.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
export const chromium = await browser();

export const opened = (node, options) => open(chromium, node, { script: AXE, ...options });
export const me = async (node) => (await node.api("GET", "/me")).user_id;
export const innocent = (page) => check(!page.wrong.length, page.wrong.join("\n"));
export const bubble = (page, text) => page.locator("article", { hasText: text });

export async function write(page, text) {
  await page.locator(".composer textarea").fill(text);
  await page.keyboard.press("Enter");
}

/** No violation of any rule that is on by default. */
export async function accessible(page, where) {
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map((one) => `${one.html.slice(0, 200)} (${one.failureSummary?.split("\n").slice(1, 2)})`).join("; ")}`);
  check(!said.length, `${where}: ${said.join("\n")}`);
}
