// How one gets into the page and stays there: links, passwords, logins, tokens, a node that starts anew.
import { Node, befriend, check, enter, open, say, until, visit } from "./lib.mjs";
import { PHONE, accessible, bubble, chromium, innocent, opened, write } from "./page.mjs";

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
  async "logins and tokens are listed and ended"() {
    const [ada, name] = await withPassword(parlour);
    const [one, other] = [await opened(ada, { colorScheme: "light" }), await opened(ada, { colorScheme: "dark", ...PHONE })];
    await enter(one, ada);
    await other.goto(ada.url);
    await other.getByRole("button", { name: "Sign in with a password instead" }).click();
    await accessible(other, "signing in");
    await signIn(other, name, "not the password");
    await other.locator(".door [role=alert]:not(:empty)").waitFor();
    check(await other.getByLabel("Password").evaluate((field) => field === document.activeElement && !field.value), "the password has not the focus again");
    await signIn(other, name);
    await other.waitForSelector(".rail");

    const gone = await ada.api("POST", "/tokens", { scope: "read", label: "dashboard", expires_in_s: 3600 });
    await ada.api("POST", "/tokens", { scope: "send", label: "<img src=x onerror=window.__xss=1>" });
    await visit(one, "#/settings/access");
    const card = (title) => one.locator(".card", { hasText: title });
    await card("Logins").getByText("Chrome on Linux").waitFor();
    check(!(await card("Logins").getByText("This page").count()), "a page that came by link is taken for a login");
    await accessible(one, "logins and tokens, light");
    await visit(other, "#/settings/access");
    await other.locator(".badge", { hasText: "This page" }).waitFor();
    await accessible(other, "logins and tokens, dark and narrow");
    check(!(await other.evaluate(() => document.documentElement.scrollWidth - innerWidth)), "logins are too wide");

    await one.getByRole("button", { name: "Take back: dashboard" }).click();
    await one.locator("dialog").getByRole("button", { name: "Take it back" }).click();
    await card("Tokens").getByText("dashboard", { exact: true }).waitFor({ state: "detached" });
    const refused = await fetch(`${ada.url}/api/v1/me`, { headers: { Authorization: `Bearer ${gone.token}` } });
    check(refused.status === 401, `the token still opens: ${refused.status}`);

    for (const device of ["A tablet", "A script"]) {
      const response = await fetch(`${ada.url}/api/v1/session/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name, password: PASSWORD, device }) });
      check(response.ok, `${device} cannot log in: ${response.status}`);
    }
    await visit(other, "#/settings");
    await visit(other, "#/settings/access");
    await other.getByRole("button", { name: "End: A tablet" }).click();
    await other.locator("dialog").getByRole("button", { name: "Cancel" }).click();
    check((await ada.api("GET", "/session/logins")).items.length === 3, "cancelling ends a login");
    await other.getByRole("button", { name: "End: A tablet" }).click();
    await other.locator("dialog").getByRole("button", { name: "End it" }).click();
    await other.getByText("A tablet", { exact: true }).waitFor({ state: "detached" });
    await other.getByRole("button", { name: "End all others" }).click();
    await other.locator("dialog").getByRole("button", { name: "End them" }).click();
    await other.getByText("A script", { exact: true }).waitFor({ state: "detached" });
    check((await ada.api("GET", "/session/logins")).items.length === 1, "others go on");
    await visit(one, "#/settings");
    await visit(one, "#/settings/access");
    await one.getByRole("button", { name: "End: Chrome on Linux" }).click();
    await one.locator("dialog").getByRole("button", { name: "End it" }).click();
    await other.locator(".door h1").waitFor();

    await signIn(other, name);
    await visit(other, "#/settings/privacy");
    await other.getByRole("button", { name: "Close the door" }).click();
    await other.locator(".door h1").waitFor();
    check(!(await ada.api("GET", "/session/logins")).items.length, "the door closes and the login goes on");
    check(!(await one.evaluate(() => window.__xss)), "a label ran");
    [one, other].forEach(innocent);
    await ada.stop();
  },

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
    await until("the focus comes to the door", () => byLink.evaluate(() => document.activeElement.tagName === "H1"));
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
