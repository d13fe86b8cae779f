// The pictures of the README, from real nodes: `node pictures.mjs PATH_TO_PARLOUR [DIRECTORY]`.
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { browser, check, enter, open, visit } from "./lib.mjs";
import { scene } from "./scene.mjs";

const MAX_BYTES = 100_000;
const [parlour, into = join(dirname(fileURLToPath(import.meta.url)), "../../web/pictures")] = process.argv.slice(2);
mkdirSync(into, { recursive: true });
const { ada, ben, mira, withBen, rooms } = await scene(parlour);
const chromium = await browser();

async function take(name, hash, options) {
  const page = await open(chromium, ada, options);
  await enter(page, ada);
  await visit(page, hash);
  await page.waitForSelector("article");
  await page.evaluate(() => document.activeElement.blur());
  await page.waitForTimeout(800);
  const path = join(into, `${name}.webp`);
  const camera = await page.context().newCDPSession(page);
  const clip = { x: 0, y: 0, scale: options.deviceScaleFactor ?? 1, ...page.viewportSize() };
  const { data } = await camera.send("Page.captureScreenshot", { format: "webp", quality: 90, clip });
  writeFileSync(path, Buffer.from(data, "base64"));
  check(!page.wrong.length, page.wrong.join("\n"));
  check(statSync(path).size < MAX_BYTES, `${path} has ${statSync(path).size} bytes`);
  console.log(path, statSync(path).size);
}

await take("room", `#/c/${rooms.garden}/info`, { colorScheme: "light" });
await take("phone", `#/c/${withBen}`, { colorScheme: "dark", viewport: { width: 390, height: 760 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
await chromium.close();
await Promise.all([ada, ben, mira].map((node) => node.stop()));
