// How much the page weighs and how soon it is there, with 200 conversations.
import { readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { Node, WEB, check, enter, open, say, until } from "./lib.mjs";
import { chromium, innocent } from "./page.mjs";

/** On a quiet machine, of a release build: 300 and 500. */
const PAINT_MS = Number(process.env.WEB_PAINT_MS ?? 1500);
const READY_MS = Number(process.env.WEB_READY_MS ?? 3000);
const MAX_GZIPPED = 80 * 1024;

export const speed = (parlour) => ({
  async "it is small and soon there"() {
    const ada = await Node.start(parlour, "Ada");
    for (let n = 0; n < 200; n += 1) {
      const room = await ada.api("POST", "/rooms", { name: `Room ${n}` });
      await say(ada, room.id, `The first words of room ${n}`);
    }
    const page = await open(chromium, ada);
    let bytes = 0;
    const seen = new Set();
    page.on("response", async (response) => {
      const { pathname } = new URL(response.url());
      if (pathname.startsWith("/api/") || seen.has(pathname) || !response.url().startsWith("http")) return;
      seen.add(pathname);
      const packed = gzipSync(await response.body(), { level: 9 }).length;
      bytes += packed;
    });
    await enter(page, ada);
    await until("all files are counted", () => bytes > 20_000);
    await page.addInitScript(() => {
      const look = new MutationObserver(() => {
        if (document.querySelectorAll(".rows .row").length < 200) return;
        window.__ready = performance.now();
        look.disconnect();
      });
      look.observe(document, { childList: true, subtree: true });
    });
    const runs = [];
    for (let n = 0; n < 7; n += 1) {
      await page.reload();
      await page.waitForFunction(() => window.__ready);
      runs.push(await page.evaluate(() => [performance.getEntriesByName("first-contentful-paint")[0].startTime, window.__ready]));
    }
    const median = (at) => Math.round(runs.map((run) => run[at]).sort((a, b) => a - b)[3]);
    const [paint, ready] = [median(0), median(1)];
    const all = readdirSync(WEB, { recursive: true }).filter((name) => /\.(?:js|css|html)$/u.test(name) && !/setup\./u.test(name)).sort();
    const served = (name) => fetch(`${ada.url}/${name === "index.html" ? "" : name}`).then((answer) => answer.arrayBuffer()).then(Buffer.from);
    const together = gzipSync(Buffer.concat(await Promise.all(all.map(served))), { level: 9 }).length;
    check(bytes < MAX_GZIPPED && together < MAX_GZIPPED, `${bytes} bytes gzipped at first, ${together} in all`);
    check(paint < PAINT_MS && ready < READY_MS, `painted after ${paint} ms, ready after ${ready} ms`);
    innocent(page);
    await ada.stop();
    return `painted after ${paint} ms, 200 conversations ready after ${ready} ms, ${(bytes / 1024).toFixed(1)} KB gzipped in ${seen.size} files, every view together ${(together / 1024).toFixed(1)} KB`;
  },
});
