// How one gets into the page and stays there: links, passwords, a node that starts anew.
import { Node, befriend, check, enter, open, say, until, visit } from "./lib.mjs";
import { accessible, bubble, chromium, innocent, opened, write } from "./page.mjs";

const PASSWORD = "a long and quiet evening";
const later = (page) => page.evaluate(() => JSON.parse(sessionStorage.getItem("parlour.login")).refresh_token);

async function signIn(page, name, password = PASSWORD) {
  await page.getByLabel("Name or e-mail address").fill(name);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

/** A node whose account has a password, and its name there. */
async function withPassword(parlour) {
  const node = await Node.start(parlour, "Ada");
  const { name } = await node.api("PUT", "/me/login", { password: PASSWORD });
  return [node, name];
}

export const doors = (parlour) => ({
  async "a login goes on when the node starts anew, and others sign in"() {
    const [ada, name] = await withPassword(parlour);
    const ben = await Node.start(parlour, "Ben");
    const conversation = await befriend(ada, ben);
    const [byLink, byPassword] = [await opened(ada), await opened(ada)];
    await enter(byLink, ada, `#/c/${conversation}`);
    await byPassword.goto(ada.url);
    await byPassword.getByRole("button", { name: "Sign in with a password instead" }).click();
    await signIn(byPassword, name);
    await byPassword.waitForSelector(".rail");
    await visit(byPassword, `#/c/${conversation}`);
    await write(byPassword, "before");
    await bubble(byLink, "before").waitFor();

    // A tab that was duplicated has the same refresh token, which is good once.
    const twin = await byPassword.context().newPage();
    const kept = await byPassword.evaluate(() => Object.entries(sessionStorage));
    await twin.addInitScript((entries) => sessionStorage.length || entries.forEach(([key, value]) => sessionStorage.setItem(key, value)), kept);
    await twin.goto(`${ada.url}/#/c/${conversation}`);
    await bubble(twin, "before").waitFor();
    const first = await later(byPassword);

    await byLink.locator(".composer textarea").fill("half a thought");
    await ada.down("SIGKILL");
    await byLink.locator(".away p").waitFor();
    await write(byLink, "written while away");
    await byLink.locator(".composer textarea").fill("and a draft");
    await ada.up();
    await say(ben, conversation, "after");
    for (const page of [byPassword, twin]) {
      await bubble(page, "after").waitFor();
      check(!(await page.locator(".door").count()), "a login has to sign in again");
      check((await later(page)) !== first, "the refresh token is the same");
    }
    check((await later(byPassword)) === (await later(twin)), "two tabs have different refresh tokens");
    check((await ada.api("GET", "/session/logins")).items.length === 1, "the login is not one");

    await byLink.locator(".door").waitFor();
    check((await byLink.getByLabel("Name or e-mail address").inputValue()) === name, "the name is not remembered");
    await accessible(byLink, "signing in again");
    await byLink.getByLabel("Password").fill(PASSWORD);
    await byLink.keyboard.press("Enter");
    for (const text of ["before", "written while away", "after"]) await bubble(byLink, text).waitFor();
    await until("the draft is back", async () => (await byLink.locator(".composer textarea").inputValue()) === "and a draft");
    await until("it is sent once", async () => {
      const { items } = await ben.api("GET", `/conversations/${conversation}/messages`);
      return items.filter((item) => item.text === "written while away").length === 1;
    });

    // Before a token ends, the next one is there.
    const now = await later(twin);
    await byPassword.evaluate(() => {
      const login = JSON.parse(sessionStorage.getItem("parlour.login"));
      sessionStorage.setItem("parlour.login", JSON.stringify({ ...login, expires_at: new Date(Date.now() + 5000).toISOString() }));
    });
    await byPassword.reload();
    await until("the token is exchanged in time", async () => (await later(byPassword)) !== now);
    await until("the other tab has it, too", async () => (await later(twin)) === (await later(byPassword)));
    await write(byPassword, "and on");
    await bubble(twin, "and on").waitFor();

    // Who has no password is not asked for it.
    const page = await open(chromium, ben);
    await enter(page, ben);
    await until("it is known", () => page.evaluate(() => sessionStorage.getItem("parlour.known")));
    await ben.down();
    await ben.up();
    await page.locator(".door h1").waitFor();
    check(!(await page.getByText("Sign in with a password").count()), "a password is asked for that there is not");
    [byLink, byPassword, page].forEach(innocent);
    await Promise.all([ada.stop(), ben.stop()]);
  },
});
