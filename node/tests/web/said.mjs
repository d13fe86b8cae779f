// What is said beside plain text, against real nodes in a real browser: polls, threads, and every kind of message.
import { Node, arrived, befriend, check, enter, say, until, visit } from "./lib.mjs";
import { kinds } from "./kinds.mjs";
import { PHONE, accessible, bubble, innocent, opened } from "./page.mjs";

/** Two people who know each other, each with a page on their conversation. */
async function pair(parlour) {
  const nodes = await Promise.all(["Ada", "Ben"].map((name) => Node.start(parlour, name)));
  const conversation = await befriend(...nodes);
  const pages = await Promise.all([opened(nodes[0], { colorScheme: "light" }), opened(nodes[1], { colorScheme: "dark", ...PHONE })]);
  await Promise.all(pages.map((page, at) => enter(page, nodes[at], `#/c/${conversation}`)));
  await Promise.all(pages.map((page) => page.locator(".composer textarea").waitFor()));
  const done = async () => {
    pages.forEach(innocent);
    await Promise.all(nodes.map((node) => node.stop()));
  };
  return { nodes, pages, conversation, done };
}

const option = (page, question, text) => bubble(page, question).locator(".option", { hasText: text });
const share = (page, question, text) => option(page, question, text).locator(".share > [aria-hidden]").textContent();

/** `place` is a page, or what of it one writes in. */
async function ask(place, question, answers, { switches = [], closes } = {}) {
  const page = place.page?.() ?? place;
  await place.getByLabel("Poll, disappearing").click();
  await page.getByRole("menuitem", { name: "Ask with a poll" }).click();
  await page.getByLabel("Question").fill(question);
  for (const [at, text] of answers.entries()) await page.getByLabel(`Answer ${at + 1}`, { exact: true }).fill(text);
  for (const label of switches) await page.getByRole("switch", { name: label }).check();
  if (closes) await page.getByLabel("It closes").selectOption(closes);
  await accessible(page, "a new poll");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
}

export const said = (parlour) => ({
  async "a thread is begun, counted and read"() {
    const { nodes: [ada, ben], pages: [one, other], conversation, done } = await pair(parlour);
    const root = await say(ada, conversation, "Where to this summer?");
    await bubble(other, "Where to this").waitFor();
    await bubble(one, "Where to this").focus();
    await one.keyboard.press("Enter");
    await one.getByRole("menuitem", { name: "Reply in a thread" }).click();
    const thread = (page) => page.locator("aside.panel");
    await one.waitForFunction(() => document.activeElement.getAttribute("aria-label") === "Reply in the thread");
    await one.keyboard.type("The sea");
    await one.keyboard.press("Enter");
    await bubble(thread(one), "The sea").locator(".status.delivered, .status.read").waitFor();
    await other.locator(".aside", { hasText: "in a thread: The sea" }).waitFor();
    check(!(await other.locator("article", { hasText: "The sea" }).count()), "what is in a thread stands among all, too");
    await bubble(other, "Where to this").locator(".replies", { hasText: "1 reply" }).click();
    await bubble(thread(other), "Where to this").waitFor();
    await thread(other).locator("textarea").fill("The mountains");
    await thread(other).getByRole("button", { name: "Send" }).click();
    await bubble(thread(one), "The mountains").waitFor();
    await one.locator(".paper .replies", { hasText: "2 replies" }).waitFor();
    await thread(one).getByText("2 replies").waitFor();
    await bubble(thread(one), "The mountains").focus();
    await one.keyboard.press("ArrowUp");
    check(await one.evaluate(() => document.activeElement.textContent.includes("The sea")), "arrows do not go from message to message");
    for (const [page, where] of [[one, "light"], [other, "dark and narrow"]]) {
      await accessible(page, `a thread, ${where}`);
      check(!(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)), `a thread is too wide, ${where}`);
    }

    await thread(one).locator("textarea").fill("half a thought");
    await one.keyboard.press("Escape");
    await thread(one).waitFor({ state: "detached" });
    await one.waitForFunction((id) => document.activeElement.id === `m-${id}`, root.id);
    await bubble(one, "Where to this").locator(".replies").click();
    check((await thread(one).locator("textarea").inputValue()) === "half a thought", "the draft of the thread is gone");
    await thread(one).getByRole("button", { name: "Close" }).click();

    let last;
    for (let n = 1; n <= 60; n += 1) last = await say(ben, conversation, `Reason ${n}.`, { thread: root.id });
    await arrived(ada, conversation, last.id);
    await one.locator(".paper .aside", { hasText: "Reason 60." }).waitFor();
    check((await one.locator(".paper .aside").count()) === 1, "one thread has many lines");
    await one.locator(".paper .aside a").click();
    await bubble(thread(one), "Reason 60.").waitFor();
    await until("what came before is read", async () => {
      await thread(one).locator(".timeline .scroll").evaluate((box) => (box.scrollTop = 0));
      return bubble(thread(one), "The sea").count();
    });
    await visit(one, "#/search");
    await one.fill(".search-box input", "mountains");
    await one.locator(".found-list a", { hasText: "The mountains" }).click();
    await thread(one).locator("article.found", { hasText: "The mountains" }).waitFor();
    await accessible(one, "found in a thread");
    await ask(thread(one), "Sea or mountains?", ["Sea", "Mountains"]);
    await bubble(thread(other), "Sea or mountains?").waitFor();
    check(!(await other.locator(".paper article", { hasText: "Sea or mountains?" }).count()), "a poll leaves its thread");
    await ada.api("DELETE", `/messages/${root.id}?for=me`);
    await bubble(thread(one), "Where to this").waitFor({ state: "detached" });
    await bubble(thread(one), "The mountains").waitFor();
    await done();
  },

  async "every kind of message says what it is"() {
    const { nodes: [ada, ben], pages: [one, other], conversation, done } = await pair(parlour);
    const put = (wish) => ben.api("POST", `/conversations/${conversation}/messages`, wish);
    await put({ location: { latitude: -52.52, longitude: 13.405, accuracy_m: 20, name: "The long bench" } });
    await put({ sticker: { emoji: "🌱", name: "Growing" } });
    await put({ text: "once", view_once: true });
    await ben.api("DELETE", `/messages/${(await put({ text: "never mind" })).id}?for=all`);
    await ben.api("PUT", `/conversations/${conversation}/timer`, { expires_after_ms: 3_600_000 });
    const last = await put({ text: "the last one" });
    await arrived(ada, conversation, last.id);
    for (const page of [one, other]) {
      for (const words of ["The long bench52.52000° S, 13.40500° E, within 20 m", "🌱", "This message was deleted", "set messages to disappear after 1 h"]) {
        await page.locator(".timeline", { hasText: words }).waitFor();
      }
    }
    await one.getByRole("button", { name: "Look at it once" }).waitFor();

    const made = kinds(last);
    const list = `${ada.url}/api/v1/conversations/${conversation}/messages?limit=50`;
    await one.route(list, async (route) => {
      const response = await route.fetch();
      const page = await response.json();
      page.items.push(...made.map(({ message }) => message));
      await route.fulfill({ response, json: page });
    });
    for (const options of [{}, PHONE.viewport]) {
      if (options.width) await one.setViewportSize(options);
      await one.reload();
      await one.locator(`#m-${made.at(-1).message.id}`).waitFor();
      for (const { message, says } of made) {
        const text = await one.locator(`#m-${message.id}`).innerText();
        check(text.replace(/\s+/gu, " ").includes(says), `${JSON.stringify(message).slice(-200)} says ${text} and not ${says}`);
      }
      const empty = await one.evaluate(() => [...document.querySelectorAll(".bubble, .happening")].filter((box) => !box.innerText.trim()).length);
      check(!empty, `${empty} empty bubbles`);
      check(!(await one.evaluate(() => document.documentElement.scrollWidth - innerWidth)), "something is too wide");
      check(!(await one.evaluate(() => window.__xss)), "something ran");
      await accessible(one, "every kind of message");
    }
    await done();
  },

  async "a poll is asked, voted on, changed and closed"() {
    const { nodes: [ada], pages: [one, other], conversation, done } = await pair(parlour);
    await one.getByLabel("Poll, disappearing").click();
    await one.getByRole("menuitem", { name: "Ask with a poll" }).click();
    await until("the question has the focus", () => one.getByLabel("Question").evaluate((field) => field === document.activeElement));
    await one.getByLabel("Question").fill("Too few?");
    await one.getByLabel("Answer 1").fill("Yes");
    await one.keyboard.press("Enter");
    check(await one.getByLabel("Answer 2").evaluate((field) => field === document.activeElement), "enter does not go on");
    await one.getByRole("button", { name: "Ask", exact: true }).click();
    await one.locator("dialog [role=alert]", { hasText: "at least two" }).waitFor();
    await one.keyboard.press("Escape");
    await one.locator("dialog").waitFor({ state: "detached" });
    check(await one.evaluate(() => document.activeElement.getAttribute("aria-label") === "Poll, disappearing"), "the focus does not come back");

    await ask(one, "Which day?", ["Friday", "Saturday", "Sunday"]);
    await one.locator("dialog").waitFor({ state: "detached" });
    await option(other, "Which day?", "Saturday").click();
    await until("the vote comes", async () => (await share(one, "Which day?", "Saturday")) === "1");
    check(await option(one, "Which day?", "Saturday").locator(".faces .avatar").count(), "nobody's face is there");
    await option(other, "Which day?", "Friday").click();
    await until("the vote is changed", async () => (await share(one, "Which day?", "Saturday")) === "0" && (await share(one, "Which day?", "Friday")) === "1");
    check((await option(other, "Which day?", "Friday").getAttribute("aria-pressed")) === "true", "the own vote is not marked");
    await option(other, "Which day?", "Friday").click();
    await until("the vote is taken back", async () => (await bubble(one, "Which day?").getByText("Nobody has voted yet").count()) === 1);
    await option(one, "Which day?", "Sunday").click();
    await until("the own vote counts", async () => (await share(one, "Which day?", "Sunday")) === "1");
    await bubble(one, "Which day?").focus();
    await one.keyboard.press("Enter");
    await one.getByRole("menuitem", { name: "Delivery and versions" }).click();
    await one.locator(".votes div", { hasText: "Sunday" }).locator("dd", { hasText: "You" }).waitFor();
    await accessible(one, "who voted for what");
    await one.keyboard.press("Escape");

    await ask(other, "What to plant?", ["Leeks", "Kale"], { switches: ["Several answers", "Anonymous"], closes: "In a day" });
    for (const text of ["Leeks", "Kale"]) {
      await option(one, "What to plant?", text).click();
      await until("it counts", async () => (await share(other, "What to plant?", text)) === "1");
    }
    check(!(await bubble(other, "What to plant?").locator(".faces").count()), "an anonymous poll shows who voted");
    await bubble(other, "What to plant?").getByText("closes tomorrow").waitFor();
    for (const [page, where] of [[one, "light"], [other, "dark and narrow"]]) await accessible(page, `polls, ${where}`);
    check(!(await other.evaluate(() => document.documentElement.scrollWidth - innerWidth)), "polls are too wide");
    await bubble(one, "Which day?").focus();
    await one.keyboard.press("Enter");
    await one.getByRole("menuitem", { name: "Close the poll" }).click();
    await one.getByRole("button", { name: "Close it" }).click();
    await bubble(other, "Which day?").getByText("Closed").waitFor();
    check(!(await bubble(other, "Which day?").getByRole("button", { name: "Friday" }).count()), "a closed poll can be voted on");
    await accessible(other, "a closed poll");

    const closes_at = new Date(Date.now() + 2500).toISOString();
    await ada.api("POST", `/conversations/${conversation}/messages`, { poll: { question: "Quick?", options: ["Now", "Later"], closes_at } });
    await option(other, "Quick?", "Now").waitFor();
    await bubble(other, "Quick?").getByText("Closed").waitFor();
    await bubble(other, "Quick?").focus();
    await bubble(other, "Quick?").getByLabel("Reply").click();
    await other.locator(".composer .about", { hasText: "Poll: Quick?" }).waitFor();
    await done();
  },
});
