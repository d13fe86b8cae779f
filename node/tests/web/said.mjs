// What is said beside plain text, against real nodes in a real browser: polls.
import { Node, befriend, check, enter, until } from "./lib.mjs";
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

async function ask(page, question, answers, { switches = [], closes } = {}) {
  await page.getByLabel("Poll, disappearing").click();
  await page.getByRole("menuitem", { name: "Ask with a poll" }).click();
  await page.getByLabel("Question").fill(question);
  for (const [at, text] of answers.entries()) await page.getByLabel(`Answer ${at + 1}`, { exact: true }).fill(text);
  for (const label of switches) await page.getByRole("switch", { name: label }).check();
  if (closes) await page.getByLabel("It closes").selectOption(closes);
  await accessible(page, "a new poll");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
}

export const said = (parlour) => ({
  async "a poll is asked, voted on, changed and closed"() {
    const { nodes: [ada], pages: [one, other], conversation, done } = await pair(parlour);
    await one.getByLabel("Poll, disappearing").click();
    await one.getByRole("menuitem", { name: "Ask with a poll" }).click();
    check(await one.getByLabel("Question").evaluate((field) => field === document.activeElement), "the question has not the focus");
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
