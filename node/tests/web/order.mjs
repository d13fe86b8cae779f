// Keeping order in a room, and finding rooms: pictures, people at the door, reports, blocks, public rooms.
import { Node, arrived, befriend, check, enter, say, until, visit } from "./lib.mjs";
import { PHONE, accessible, bubble, innocent, me, opened } from "./page.mjs";
import { PAYLOADS } from "./payloads.mjs";

/** Four pixels. */
export const PNG = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGPo0o0DIgYIBQAfCgRVeX3wDAAAAABJRU5ErkJggg==", "base64");
const LOOKS = [{ colorScheme: "light" }, { colorScheme: "dark", ...PHONE }];

/** Opens a view at both widths, and holds it against the rules. */
async function looks(node, hash, ready, name) {
  for (const look of LOOKS) {
    const page = await opened(node, look);
    await enter(page, node, hash);
    await page.locator(ready).first().waitFor();
    await accessible(page, `${look.colorScheme} ${name}`);
    check((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${name} is too wide`);
    if (process.env.WEB_LOOKS) await page.screenshot({ path: `${process.env.WEB_LOOKS}/${name}-${look.colorScheme}.png` });
    innocent(page);
    await page.context().close();
  }
}

const shot = async (page, name) => process.env.WEB_LOOKS && page.screenshot({ path: `${process.env.WEB_LOOKS}/${name}.png` });

async function invite(host, room, guest) {
  await host.api("POST", `/rooms/${room}/invites`, { user: await me(guest) });
  await until("the invitation comes", () => guest.api("GET", `/rooms/${room}`).catch(() => null));
  await guest.api("POST", `/rooms/${room}/join`, {});
  await until("they are in", async () => (await guest.api("GET", `/rooms/${room}`)).standing === "member");
}

export const order = (parlour) => ({
  async "people keep order in a room"() {
    const names = ["Ada Fenwick", "Ben Okafor", "Mira Lindqvist"];
    const [ada, ben, mira] = await Promise.all(names.map((name) => Node.start(parlour, name)));
    await Promise.all([befriend(ada, ben), befriend(ada, mira)]);
    const { id: room } = await ada.api("POST", "/rooms", { name: "Allotment 14", topic: "Beds, beans and who has the key", policy: { join: "knock", history: "all" } });
    await invite(ada, room, ben);
    const page = await opened(ada);
    await enter(page, ada, `#/c/${room}/info`);
    const panel = page.locator(".panel");

    await panel.getByRole("button", { name: "Name, topic, picture" }).click();
    await panel.locator("input[type=file]").setInputFiles({ name: "beans.png", mimeType: "image/png", buffer: PNG });
    await panel.locator(".portrait img").waitFor();
    await page.locator(".row", { hasText: "Allotment 14" }).locator("img").waitFor();
    await accessible(page, "a room with a picture");
    await shot(page, "picture");
    const other = await opened(ben);
    await enter(other, ben, `#/c/${room}/info`);
    await other.locator(".panel .portrait img").waitFor();
    check(!(await other.getByRole("button", { name: "Name, topic, picture" }).count()), "a member may change the picture");
    await panel.getByRole("button", { name: "Take it away" }).click();
    await other.locator(".panel .portrait img").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Cancel" }).click();

    await panel.getByRole("button", { name: "Make a link to knock with" }).click();
    const link = await page.locator("dialog .copyable code").textContent();
    check((await page.locator("dialog").textContent()).includes("waits until somebody"), "it is not said that one waits");
    await page.locator("dialog").getByRole("button", { name: "Close" }).click();
    const third = await opened(mira);
    await enter(third, mira, "#/people/add");
    await third.fill("[name=link]", link);
    await third.locator("form button[type=submit]").click();
    await third.locator(".shut", { hasText: "where one knocks" }).waitFor();
    await page.getByRole("button", { name: "About this room: 1 thing to decide" }).waitFor();
    await looks(ada, `#/c/${room}/info`, ".cases li", "door");
    await page.getByRole("button", { name: "Let in Mira Lindqvist" }).focus();
    await page.keyboard.press("Enter");
    await third.locator(".composer textarea").waitFor();
    await panel.locator(".cases").waitFor({ state: "detached" });

    const rude = await say(mira, room, "You all smell of compost");
    await bubble(other, "smell of compost").focus();
    await other.keyboard.press("Enter");
    await other.getByRole("menuitem", { name: "Report" }).click();
    await other.locator("dialog textarea").fill("This is no way to talk");
    await accessible(other, "a report");
    await shot(other, "report");
    await other.locator("dialog").getByRole("button", { name: "Report" }).click();
    await page.locator(".notice", { hasText: "Ben Okafor reports a message" }).waitFor();
    await panel.locator(".cases", { hasText: "This is no way to talk" }).waitFor();
    check(!(await other.locator(".panel .cases").count()), "a member sees reports");
    await looks(ada, `#/c/${room}/info`, ".cases li", "reported");

    await other.getByLabel("What to do with Mira Lindqvist").click();
    await other.getByRole("menuitem", { name: "Block", exact: true }).click();
    await other.locator("dialog").getByRole("button", { name: "Block" }).click();
    await other.locator(".members", { hasText: "blocked" }).waitFor();
    await other.getByLabel("What to do with Mira Lindqvist").click();
    await other.getByRole("menuitem", { name: "Unblock" }).click();
    await other.locator(".members small").filter({ hasText: "blocked" }).waitFor({ state: "detached" });

    await panel.getByRole("button", { name: "Remove Mira Lindqvist" }).click();
    await page.locator("dialog").getByLabel("Why").fill("Rude to everybody");
    await page.locator("dialog").getByLabel("Remove everything they wrote here, too").check();
    await accessible(page, "a removal");
    await shot(page, "removal");
    await page.locator("dialog").getByRole("button", { name: "Remove" }).click();
    await third.getByText("You are no member of this room any more").waitFor();
    await until("what she wrote is gone", async () => {
      const { items } = await ben.api("GET", `/conversations/${room}/messages?limit=200`);
      return !items.some((item) => item.id === rude.id && item.text);
    });
    await page.locator(".happening", { hasText: "Rude to everybody" }).waitFor();
    await panel.getByRole("button", { name: "Dismiss what Ben Okafor reports" }).click();
    await panel.locator(".cases").waitFor({ state: "detached" });
    [page, other, third].forEach(innocent);
    await Promise.all([ada, ben, mira].map((node) => node.stop()));
  },

  async "public rooms are found and joined"() {
    const [ada, ben] = await Promise.all(["Ada Fenwick", "Ben Okafor"].map((name) => Node.start(parlour, name)));
    await befriend(ada, ben);
    const strange = PAYLOADS.filter((text) => text.includes("<")).slice(0, 4);
    const { id: room } = await ada.api("POST", "/rooms", { name: "The village green", topic: "For whoever passes by", policy: { join: "public" } });
    for (const text of strange) await ada.api("POST", "/rooms", { name: text.slice(0, 60).replace(/\s/gu, " "), topic: text.slice(0, 200), policy: { join: "public" } });
    await until("they are listed", async () => (await ben.api("POST", "/public-rooms", {})).items.length === 1 + strange.length);
    const page = await opened(ben);
    await enter(page, ben);
    await page.getByLabel("Begin something").first().click();
    await page.getByRole("menuitem", { name: "Public rooms" }).click();
    await page.getByRole("button", { name: "Join The village green" }).waitFor();
    check(!(await page.evaluate(() => window.__xss)), "something ran");
    check(!(await page.locator(".page article :is(script, img, iframe)").count()), "a name is taken for markup");
    await looks(ben, "#/rooms", ".request", "rooms");
    await page.getByRole("button", { name: "Join The village green" }).focus();
    await page.keyboard.press("Enter");
    await page.locator(".composer textarea").waitFor();
    const hello = await say(ben, room, "Just passing by");
    await arrived(ada, room, hello.id);
    await visit(page, "#/rooms");
    await page.getByRole("link", { name: "You are in The village green" }).waitFor();
    await accessible(page, "a room that one is in");
    innocent(page);
    await Promise.all([ada.stop(), ben.stop()]);
  },
});
