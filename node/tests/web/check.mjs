// The web UI against real nodes in a real browser: `node check.mjs PATH_TO_PARLOUR [PART …]`.
import { Node, arrived, befriend, check, enter, say, until, visit } from "./lib.mjs";
import { PHONE, accessible, bubble, chromium, innocent, me, opened, write } from "./page.mjs";
import { doors } from "./doors.mjs";
import { PNG, order } from "./order.mjs";
import { PAYLOADS } from "./payloads.mjs";
import { said } from "./said.mjs";
import { scene } from "./scene.mjs";
import { speed } from "./speed.mjs";

const [parlour, ...wanted] = process.argv.slice(2);
const parts = {
  async "an account is made and its words are asked for"() {
    const node = await Node.start(parlour, "nobody", { account: false });
    const page = await opened(node);
    await page.goto(node.printed);
    await page.waitForSelector("#choose:not([hidden])");
    check(!page.url().includes("pair="), "the code stays in the address");
    await accessible(page, "choose");
    await page.click("[data-go=recover]");
    await accessible(page, "recover");
    await page.click("#recover .back");
    await page.click("#choose [data-go=create]");
    await accessible(page, "create");
    await page.fill("#create-name", "Dora");
    await page.click("#create button[type=submit]");
    await page.waitForSelector("#words:not([hidden])");
    const words = await page.locator("#word-list li").allTextContents();
    check(words.length === 24, `${words.length} words`);
    await accessible(page, "words");
    await page.click("#words [data-go=check]");
    await page.fill("#check-first", "wrong");
    await page.fill("#check-second", "wrong");
    await page.click("#check button[type=submit]");
    check(await page.locator("#check [role=alert]").textContent(), "wrong words are taken");
    for (const which of ["first", "second"]) {
      const number = Number(await page.locator(`#${which}-number`).textContent());
      await page.fill(`#check-${which}`, words[number - 1]);
    }
    await page.click("#check button[type=submit]");
    await page.waitForSelector("#enter:not([hidden])");
    await accessible(page, "done");
    await page.click("#enter");
    await page.waitForSelector(".rail");
    check((await page.locator(".welcome h2").textContent()) === "Welcome, Dora", "she is not welcomed");
    await page.reload();
    await page.waitForSelector(".rail");
    innocent(page);
    await node.stop();
  },

  async "two people meet, talk and change what they said"() {
    const [ada, ben] = await Promise.all(["Ada", "Ben"].map((name) => Node.start(parlour, name)));
    const [one, other] = await Promise.all([ada, ben].map((node) => opened(node)));
    await Promise.all([enter(one, ada), enter(other, ben)]);
    const used = await ada.link();
    await one.goto(used);
    await one.waitForSelector(".rail");
    const stranger = await opened(ada);
    await stranger.goto(used);
    await stranger.waitForSelector(".door [role=alert], .door .error:not(:empty)");
    await accessible(stranger, "a link that was used");
    await stranger.close();

    await visit(one, "#/people/invite");
    await one.click("text=Make the link");
    const link = await one.locator(".made .copyable code").textContent();
    await one.waitForSelector(".made .qr img");
    await visit(other, "#/people/add");
    await other.fill("[name=link]", link);
    await other.click("form button[type=submit]");
    await until("they are contacts", async () => (await ada.api("GET", "/contacts")).items.some((contact) => contact.state === "accepted"));
    const conversation = (await ada.api("GET", "/contacts")).items[0].conversation;
    for (const page of [one, other]) {
      await visit(page, `#/c/${conversation}`);
      await page.waitForSelector(".composer textarea");
    }

    await write(one, "Good **morning**, Ben");
    await bubble(other, "Good morning, Ben").waitFor();
    await one.locator(".status.read").waitFor();
    await one.locator(".row .ticks.read").waitFor();
    check((await other.locator(".words strong").textContent()) === "morning", "no emphasis");
    await other.locator(".composer textarea").pressSequentially("Wri");
    await one.locator(".heading .writing").waitFor();
    await write(other, "Writing back");
    await bubble(one, "Writing back").hover();
    await bubble(one, "Writing back").getByLabel("React").click();
    await one.getByPlaceholder("Find an emoji").fill("party");
    await one.keyboard.press("Enter");
    await bubble(other, "Writing back").locator(".reactions").getByText("🎉").waitFor();
    await bubble(one, "Writing back").getByLabel("Reply").click();
    await write(one, "An answer");
    await bubble(other, "An answer").locator(".quote", { hasText: "Writing back" }).waitFor();
    await one.keyboard.press("ArrowUp");
    await until("the message is edited", async () => (await one.locator(".composer textarea").inputValue()) === "An answer");
    await write(one, "A better answer");
    await bubble(other, "A better answer").getByText("edited").click();
    await other.locator(".versions li").nth(1).waitFor();
    check((await other.locator(".versions li").count()) === 2, "not two versions");
    await bubble(one, "Good morning").focus();
    await one.keyboard.press("Enter");
    await one.getByRole("menuitem", { name: "Pin" }).click();
    await visit(other, `#/c/${conversation}/pins`);
    await other.locator(".panel .found-list", { hasText: "Good morning" }).waitFor();
    await bubble(one, "A better answer").focus();
    await one.keyboard.press("Enter");
    await one.getByRole("menuitem", { name: "Delete for everybody" }).click();
    await accessible(one, "a question");
    await one.locator("dialog").getByRole("button", { name: "Delete" }).click();
    await bubble(other, "This message was deleted").waitFor();

    await one.getByLabel("Poll, disappearing").click();
    await one.getByText("Can be looked at once").click();
    await write(one, "For your eyes");
    await other.getByText("Look at it once").click();
    await other.locator("dialog").getByRole("button", { name: "Show it" }).click();
    await other.locator(".looked", { hasText: "For your eyes" }).waitFor();
    await other.getByRole("button", { name: "Close", exact: true }).last().click();
    await bubble(other, "This message was seen").waitFor();

    await one.locator(".composer textarea").fill("half a thought");
    await until("the draft is on the node", async () => (await ada.api("GET", `/conversations/${conversation}`)).draft === "half a thought");
    await one.reload();
    await one.waitForSelector(".composer textarea");
    check((await one.locator(".composer textarea").inputValue()) === "half a thought", "the draft is gone");

    await visit(one, "#/settings/profile");
    await one.locator("input[type=file]").setInputFiles({ name: "me.png", mimeType: "image/png", buffer: PNG });
    await one.locator(".portrait img").waitFor();
    await one.fill("[name=status]", "In the garden");
    await one.getByRole("button", { name: "Save" }).click();
    await visit(other, "#/people");
    await other.locator(".row", { hasText: "In the garden" }).locator("img").waitFor();
    await visit(other, `#/people/${await me(ada)}`);
    await other.getByRole("button", { name: "I compared it" }).click();
    await other.getByRole("button", { name: "They are the same" }).click();
    await other.locator(".trust.verified").waitFor();
    await visit(one, "#/new");
    await one.fill("[name=name]", "The long table");
    await one.getByRole("button", { name: "Open the room" }).click();
    await one.locator(".panel").getByRole("button", { name: "Invite", exact: true }).click();
    await other.locator(".rail a", { hasText: "Talks" }).click();
    await other.locator(".row", { hasText: "You are invited" }).click();
    await other.getByRole("button", { name: "Join" }).click();
    await write(other, "Here I am");
    await bubble(one, "Here I am").waitFor();
    await one.getByLabel("What to do with Ben").click();
    await one.getByRole("menuitemradio", { name: "Moderator" }).click();
    await one.locator(".members", { hasText: "moderator" }).waitFor();
    await one.getByLabel("What to do with Ben").click();
    await one.getByRole("menuitem", { name: "Ban" }).click();
    await one.locator("dialog").getByRole("button", { name: "Ban" }).click();
    await other.getByText("You are no member of this room any more").waitFor();
    await one.locator(".happening", { hasText: "You removed and banned Ben" }).waitFor();
    await one.locator(".panel h3", { hasText: "Kept out" }).waitFor();
    await accessible(one, "who is kept out");
    await one.getByRole("button", { name: "Lift the ban of Ben" }).click();
    await one.locator(".panel h3", { hasText: "Kept out" }).waitFor({ state: "detached" });
    [one, other].forEach(innocent);
    await Promise.all([ada.stop(), ben.stop()]);
  },

  async "a node that goes away is missed, and nothing is lost"() {
    const [ada, ben] = await Promise.all(["Ada", "Ben"].map((name) => Node.start(parlour, name)));
    const conversation = await befriend(ada, ben);
    const page = await opened(ada);
    await enter(page, ada, `#/c/${conversation}`);
    await write(page, "before");
    await page.locator("article:not(.pending)", { hasText: "before" }).waitFor();
    await ada.down("SIGKILL");
    await page.locator(".away p").waitFor();
    await accessible(page, "away");
    await write(page, "written while away");
    await page.getByText("Goes out when your node is back").waitFor();
    await page.locator(".composer textarea").fill("and a draft");
    await say(ben, conversation, "Ben wrote meanwhile");
    await ada.up();
    await page.locator(".door h1").waitFor();
    await accessible(page, "the door again");
    const link = await ada.link();
    await page.evaluate((hash) => (location.hash = hash), new URL(link).hash);
    await page.waitForSelector(".rail");
    await visit(page, `#/c/${conversation}`);
    for (const text of ["before", "written while away", "Ben wrote meanwhile"]) await bubble(page, text).waitFor();
    const draft = () => page.locator(".composer textarea").inputValue();
    await until("the draft is back", async () => (await draft()) === "and a draft");
    await until("it is sent once", async () => {
      const { items } = await ben.api("GET", `/conversations/${conversation}/messages`);
      return items.filter((item) => item.text === "written while away").length === 1;
    });
    check((await page.locator("article", { hasText: "written while away" }).count()) === 1, "it is shown twice");
    innocent(page);
    await Promise.all([ada.stop(), ben.stop()]);
  },

  async "no text, name or link ever runs"() {
    const [ada, mallory] = await Promise.all(["Ada", "Mallory"].map((name) => Node.start(parlour, name)));
    const conversation = await befriend(ada, mallory);
    const page = await opened(ada);
    await enter(page, ada, `#/c/${conversation}`);
    await page.locator(".timeline .empty").waitFor();
    let last;
    const roots = [];
    for (const text of PAYLOADS) last = await say(mallory, conversation, text);
    await arrived(ada, conversation, last.id);
    await until("all are shown", async () => (await page.locator("article").count()) >= PAYLOADS.length);
    const strange = "script, iframe, object, embed, form:not(.composer), style, link, meta, base, svg:not(.icon), img:not([src^='blob:']), [onerror], [onload], [onclick], template, video, audio, marquee, math";
    const found = () => page.evaluate((query) => [...document.querySelectorAll(`#app :is(${query})`)].map((one) => one.outerHTML.slice(0, 200)), strange);
    check(!(await found()).length, `in the timeline: ${await found()}`);
    const shown = await page.locator("article .words").allTextContents();
    check(shown.some((text) => text.includes("<script>")), "a text is not shown as it is");
    const links = await page.locator("article a[href]").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
    check(links.every((href) => /^(https?:\/\/|#\/)/u.test(href)), `links: ${links}`);

    const slow = await page.evaluate(async () => {
      const { formatted, plainly } = await import("/app/text.js");
      const fill = (text) => text.repeat(Math.floor(16_000 / text.length));
      const hostile = ["~~a ", "**a ", "*a ", "_a ", "`a", "https://a.", "https://a)", "@a", "```", "> ", "\n", "**_~~*"].map(fill);
      hostile.push(`https://a${".".repeat(15_000)}x`, `https://a${")".repeat(15_000)}`);
      const names = Array.from({ length: 64 }, (_, n) => "a".repeat(n + 1));
      let worst = 0;
      for (const text of hostile) {
        const start = performance.now();
        formatted(text, names);
        plainly(text);
        worst = Math.max(worst, performance.now() - start);
      }
      return worst;
    });
    check(slow < 500, `a text of 16 KB takes ${slow} ms`);

    const limit = (text, bytes) => {
      let short = text.replace(/[\n\t]/gu, " ");
      while (Buffer.byteLength(short) > bytes) short = short.slice(0, -1);
      return short;
    };
    for (const text of PAYLOADS) {
      const root = await mallory.api("POST", `/conversations/${conversation}/messages`, { poll: { question: limit(text, 1000), options: [limit(text, 250), limit(`2 ${text}`, 250)] } });
      last = await say(mallory, conversation, text, { thread: root.id, reply_to: root.id });
      roots.push(root.id);
    }
    await arrived(ada, conversation, last.id);
    await until("the last poll is shown", () => page.locator(`#m-${roots.at(-1)} .option`).count());
    check(!(await found()).length, `in polls: ${await found()}`);
    for (const root of roots) {
      await visit(page, `#/c/${conversation}/t/${root}`);
      await page.locator(`.panel #t-${root} .option`).first().waitFor();
      check(!(await found()).length, `in a thread: ${await found()}`);
    }
    check((await page.locator(".panel .asked").textContent()).includes(limit(PAYLOADS.at(-1), 250)), "a question is not shown as it is");
    for (const root of roots.slice(0, 12)) {
      await visit(page, `#/c/${conversation}/d/${root}`);
      await page.locator(".panel .votes").waitFor();
      check(!(await found()).length, `in details: ${await found()}`);
    }
    // Marks that turn the direction of writing are refused in names.
    const name = (text, bytes) => limit(text.replace(/[\u202a-\u202e\u2066-\u2069]/gu, ""), bytes);
    for (const text of PAYLOADS) {
      const room = await ada.api("POST", "/rooms", { name: name(text, 60), topic: name(text, 500) });
      await say(ada, room.id, text, { reply_to: undefined });
    }
    for (const text of PAYLOADS) {
      await ada.api("PATCH", `/contacts/${await me(mallory)}`, { petname: name(text, 60) });
      await until("the name is shown", () => page.locator("nav, aside, main").filter({ hasText: name(text, 60).trim() }).count());
      check(!(await found()).length, `in a name: ${await found()}`);
    }
    await ada.api("PATCH", `/contacts/${await me(mallory)}`, { petname: null });
    for (const text of PAYLOADS.filter((_, at) => at % 6 === 0)) {
      await mallory.api("PATCH", "/me/profile", { name: name(text, 60), about: name(text, 500), status: name(text, 120), status_emoji: "🌱" });
    }
    const card = name(PAYLOADS.filter((_, at) => at % 6 === 0).at(-1), 120);
    await until("the last card comes", async () => (await ada.api("GET", "/contacts")).items[0].profile.status === card);
    const rooms = (await ada.api("GET", "/rooms")).items.map((room) => `#/c/${room.id}/info`);
    for (const hash of ["#/", "#/people", `#/people/${await me(mallory)}`, `#/c/${conversation}/info`, "#/settings/node", ...rooms]) {
      await visit(page, hash);
      await page.waitForTimeout(120);
      check(!(await found()).filter((one) => !one.startsWith("<form")).filter((one) => !one.includes("wall")).length, `${hash}: ${await found()}`);
    }
    await visit(page, "#/search");
    for (const text of PAYLOADS.filter((_, at) => at % 10 === 0)) {
      await page.locator(".search-box input").fill(text);
      await page.waitForTimeout(250);
    }
    for (const text of PAYLOADS.slice(0, 12)) {
      await visit(page, `#/c/${encodeURIComponent(text)}`);
      await visit(page, `#/people/${text}`);
    }
    await page.waitForTimeout(300);
    check(!(await page.evaluate(() => window.__xss)), "something ran");
    innocent(page);
    await Promise.all([ada.stop(), mallory.stop()]);
    return `${PAYLOADS.length} texts, as many polls and threads, the slowest one formatted in ${Math.round(slow)} ms`;
  },

  async "every view is open to all"() {
    const { ada, ben, mira, withBen, notes, rooms, plan, beans, supper, typo } = await scene(parlour);
    const stranger = await Node.start(parlour, "A stranger");
    await stranger.api("POST", "/contacts", { link: (await ada.api("GET", "/me/address")).link, note: "We met at the fair." });
    await until("somebody asks", async () => (await ada.api("GET", "/requests")).items.length === 1);
    const views = ["#/", `#/c/${withBen}`, `#/c/${rooms.garden}`, `#/c/${notes}`, `#/c/${withBen}/info`, `#/c/${rooms.garden}/info`, `#/c/${rooms.garden}/pins`, `#/c/${rooms.garden}/d/${plan.id}`, `#/c/${withBen}/d/${typo.id}`, `#/c/${rooms.garden}/t/${beans.id}`, `#/c/${rooms.garden}/d/${supper.id}`, "#/c/nothing", "#/people", `#/people/${await me(ben)}`, "#/people/invite", "#/people/add", "#/people/requests", "#/new", "#/rooms", "#/search", "#/settings", "#/settings/profile", "#/settings/privacy", "#/settings/access", "#/settings/appearance", "#/settings/node", "#/settings/keys"];
    for (const options of [{ colorScheme: "light" }, { colorScheme: "dark", ...PHONE }]) {
      const page = await opened(ada, options);
      await enter(page, ada);
      for (const hash of views) {
        await visit(page, hash);
        await page.waitForTimeout(350);
        if (hash === "#/search") {
          await page.fill(".search-box input", "beans");
          await page.locator(".found-list a").first().waitFor();
        }
        await accessible(page, `${options.colorScheme} ${hash}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(wide <= 0, `${hash} is ${wide} px too wide`);
      }
      await visit(page, `#/c/${rooms.garden}`);
      await page.getByLabel("Emoji").first().click();
      await accessible(page, "emoji");
      await page.keyboard.press("Escape");
      await bubble(page, "Who has the shed key").focus();
      await page.keyboard.press("Enter");
      await accessible(page, "a menu");
      await page.keyboard.press("Escape");
      for (const panel of ["info", "pins", `t/${beans.id}`, `d/${supper.id}`]) {
        await visit(page, `#/c/${rooms.garden}/${panel}`);
        await page.locator("aside.panel > .heading h2").waitFor();
        const inside = () => page.evaluate(() => Boolean(document.activeElement.closest(".panel")));
        if (options.isMobile) await until(`the focus goes into ${panel}`, inside);
        await page.keyboard.press("Escape");
        await page.locator("aside.panel").waitFor({ state: "detached" });
        await until(`the focus comes back from ${panel}`, () => page.evaluate(() => document.activeElement !== document.body && !document.activeElement.closest("[inert]")));
      }
      innocent(page);
    }

    const page = await opened(ada);
    await enter(page, ada, "#/search");
    await page.fill(".search-box input", "crooked");
    await page.locator(".found-list a").first().click();
    await page.locator("article.found", { hasText: "even the crooked one" }).waitFor();
    await page.keyboard.press("ArrowDown");
    check(await page.evaluate(() => document.activeElement.textContent.includes("green twine")), "arrows do not go from message to message");
    await page.keyboard.press("Control+k");
    await page.waitForFunction(() => document.activeElement.type === "search");
    await visit(page, "#/people/requests");
    await page.getByRole("button", { name: "Accept" }).click();
    await page.locator(".page h1", { hasText: "A stranger" }).waitFor();
    await say(ben, rooms.garden, "said while you look elsewhere");
    await page.locator("[role=log]", { hasText: "Ben Okafor in Allotment 14: said while" }).waitFor({ state: "attached" });
    innocent(page);
    await Promise.all([ada, ben, mira, stranger].map((node) => node.stop()));
    return `${views.length + 2} views, light and wide, dark and narrow`;
  },
};

let failed = 0;
let done = 0;
for (const [name, run] of Object.entries({ ...parts, ...said(parlour), ...order(parlour), ...doors(parlour), ...speed(parlour) })) {
  if (wanted.length && !wanted.some((part) => name.includes(part))) continue;
  const start = Date.now();
  try {
    const figures = await run();
    done += 1;
    console.log(`ok   ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)${figures ? `: ${figures}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}\n${error.stack}`);
  }
}
await chromium.close();
console.log(`${done} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
