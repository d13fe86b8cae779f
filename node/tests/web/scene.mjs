// Some people with something to say, for pictures and for looking at views that are full.
import { Node, arrived, befriend, say, until } from "./lib.mjs";

export async function scene(parlour) {
  const [ada, ben, mira] = await Promise.all(["Ada Fenwick", "Ben Okafor", "Mira Lindqvist"].map((name) => Node.start(parlour, name)));
  await ada.api("PATCH", "/me/profile", { about: "Gardener, bell ringer, slow reader.", pronouns: "she/her", status: "In the garden", status_emoji: "🌱" });
  await mira.api("PATCH", "/me/profile", { about: "Bakes on Sundays.\nAsk me about rye.", pronouns: "she/her", status: "Oven is hot", status_emoji: "🍞" });
  const withBen = await befriend(ada, ben);
  const withMira = await befriend(ada, mira);
  await befriend(ben, mira);

  const notes = await ada.api("PUT", "/notes", {});
  await say(ada, notes.id, "Seeds to order:\n- runner beans\n- sweet peas\n- that purple kale Ben talked about");

  const rooms = {};
  for (const [key, name, topic] of [
    ["garden", "Allotment 14", "Beds, beans and who has the key to the shed"],
    ["books", "Slow readers", "One book a season, no hurry"],
    ["bells", "Tower captains", ""],
  ]) {
    const room = await ada.api("POST", "/rooms", { name, ...(topic && { topic }) });
    rooms[key] = room.id;
    for (const guest of [ben, mira]) {
      const user = (await guest.api("GET", "/me")).user_id;
      await ada.api("POST", `/rooms/${room.id}/invites`, { user });
      await until("the invitation comes", () => guest.api("GET", `/rooms/${room.id}`).catch(() => null));
      await guest.api("POST", `/rooms/${room.id}/join`, {});
      await until("they are in", async () => (await guest.api("GET", `/rooms/${room.id}`)).standing === "member");
    }
    await until("all are in", async () => (await ada.api("GET", `/rooms/${room.id}`)).members === 3);
  }
  await ada.api("PATCH", `/rooms/${rooms.garden}/members/${(await ben.api("GET", "/me")).user_id}`, { role: "moderator" });

  /** Says something and waits until all others have it, so that the order is the one written here. */
  const line = async (who, where, text, more) => {
    const message = await say(who, where, text, more);
    const others = where === withBen ? [ada, ben] : where === withMira ? [ada, mira] : [ada, ben, mira];
    for (const other of others) await arrived(other, where, message.id);
    return message;
  };
  const poll = async (who, where, wish) => {
    const message = await who.api("POST", `/conversations/${where}/messages`, { poll: wish });
    for (const other of [ada, ben, mira]) await arrived(other, where, message.id);
    return message;
  };
  const react = (who, message, emoji) => who.api("PUT", `/messages/${message.id}/reactions/${encodeURIComponent(emoji)}`, {});

  await line(ben, rooms.books, "I am on page 40 and already behind.");
  await line(mira, rooms.books, "Nobody is behind. That is the *whole point* of this room.");
  await line(ben, rooms.bells, "Practice on Thursday at seven, the treble has a new rope.");
  await line(mira, withMira, "Loaf or rolls for Sunday?");
  await line(ada, withMira, "Rolls! Eight of us, I think.");
  await line(mira, withMira, "Rolls it is 🍞");

  const beans = await line(ben, rooms.garden, "The runner beans are up. All twelve poles, even the crooked one.");
  await react(ada, beans, "🎉");
  await react(mira, beans, "🎉");
  await line(ben, rooms.garden, "I tied them in with the green twine from the shed, there is half a roll left.");
  await line(mira, rooms.garden, "Did the slugs find the lettuce?");
  const slugs = await line(ada, rooms.garden, "Two plants gone. I put the copper tape round the rest last night.");
  await line(mira, rooms.garden, "Beer traps work better, and the hedgehog forgives you.", { reply_to: slugs.id });
  const plan = await line(ada, rooms.garden, "Plan for Saturday:\n1. compost on beds 3 and 4\n2. net the currants before the blackbirds read this\n3. tea");
  await react(ben, plan, "👍");
  await react(mira, plan, "☕");
  await ada.api("PUT", `/messages/${plan.id}/pin`, {});
  const ask = await line(ben, rooms.garden, "@Ada Fenwick can you bring the long ladder? The plums need looking at.", { mentions: [(await ada.api("GET", "/me")).user_id] });
  await line(ada, rooms.garden, "It is on the van already.", { reply_to: ask.id });
  const key = await line(mira, rooms.garden, "Who has the shed key? I come at nine with cake.");
  await react(ada, key, "❤️");

  await line(mira, rooms.garden, "Mine are still sulking under glass.", { thread: beans.id });
  await line(ben, rooms.garden, "Give them a week, and no milk.", { thread: beans.id });
  const supper = await poll(mira, rooms.garden, { question: "Which evening for the harvest supper?", options: ["Friday", "Saturday", "Sunday, after the bells"] });
  for (const [who, option] of [[ada, 1], [ben, 1], [mira, 2]]) await who.api("PUT", `/messages/${supper.id}/vote`, { options: [option] });

  const first = await line(ben, withBen, "Are you on the new node yet?");
  await line(ada, withBen, "Since this morning. It runs on the little box under the stairs, next to the jam.");
  await line(ben, withBen, "And nobody in between?");
  const none = await line(ada, withBen, "Nobody. You, me, and two disks.");
  await react(ben, none, "👍");
  const typo = await line(ben, withBen, "Then let me send you the bell ringers lsit");
  await ben.api("PATCH", `/messages/${typo.id}`, { text: "Then let me send you the bell ringers’ list" });
  await line(ben, withBen, "It is in `towers.txt`, or here:\n```\nTreble  Mira\nTwo     you\nTenor   me\n```");
  await line(ada, withBen, "Perfect. **Thursday**, then.");
  for (const id of [withBen, rooms.garden, notes.id]) await ada.api("PUT", `/conversations/${id}/read`, {});
  for (const other of [ben, mira]) for (const id of [rooms.garden, other === ben ? withBen : withMira]) await other.api("PUT", `/conversations/${id}/read`, {});
  const votes = async () => (await ada.api("GET", `/messages/${supper.id}`)).poll.total;
  await until("all have voted", async () => (await votes()) === 3);
  for (const other of [ben, mira]) await other.api("PUT", "/me/presence", { presence: "online", for_s: 3600 });
  return { ada, ben, mira, withBen, withMira, notes: notes.id, rooms, first, plan, beans, supper, typo };
}
