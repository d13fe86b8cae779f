// Two people in one room, each on a node of their own: ada through the gateway echoroom, bo through socketchat, with the client
// library that UIs of both families use. Prints "ok", or what was not so.
// Arguments: URL of echoroom, URL of socketchat, URL and token of ada's own API, PASSWORD, ada's SLUG of the room and bo's.
import { io } from "socket.io-client";
import assert from "node:assert/strict";

const [echo, chat, native, nativeToken, password, slug, alias] = process.argv.slice(2);
let at = "the beginning";
const fail = setTimeout(() => { console.error(`waited too long for ${at}`); process.exit(1) }, 90_000);

async function call(base, method, path, token, body) {
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}
const open = (url, auth) => io(url, { auth, transports: ["websocket"], forceNew: true, reconnection: false });
const until = (socket, event, is = () => true) => {
  const found = new Promise((resolve) => {
    const look = (data) => { if (is(data)) { socket.off(event, look); resolve(data) } };
    socket.on(event, look);
  });
  return async (what) => { at = what ?? event; return found };
};

// Who one is.
for (const [auth, expected] of [[{}, "No token provided"], [{ token: "nonsense" }, "Invalid token"]]) {
  const error = until(open(chat, auth), "connect_error");
  assert.equal((await error()).message, `Authentication error: ${expected}`);
}
const loginA = (await call(echo, "POST", "/auth/login", null, { email: "ada@example.org", password })).body;
const loginB = (await call(chat, "POST", "/api/auth/login", null, { email: "bo@example.org", password })).body;
assert.equal(loginB.success, true, JSON.stringify(loginB));
const { user: boUser, token } = loginB.data;
const [adaId, boId] = [loginA.user._id, boUser._id];
assert.equal(boUser.username, "bo");
assert.equal(boUser.email, "bo@example.org");
const rest = (method, path, body) => call(chat, method, path, token, body);
const own = (method, path, body) => call(native, method, path, nativeToken, body);

// Presence, and the list at the beginning.
const bo = open(chat, { token });
bo.on("error", ({ message }) => { at += ` (${message})` });
const list = await until(bo, "online-users")();
assert.ok(Array.isArray(list) && list[0]._id === boId && list[0].isOnline, JSON.stringify(list));
const comes = until(bo, "user-online", ({ userId }) => userId === adaId);
const ada = open(echo, { token: loginA.accessToken });
assert.equal((await comes("ada to be online")).username, "ada");
assert.ok((await rest("GET", "/api/users/online")).body.data.users.some(({ _id }) => _id === adaId));

// One room, by what it is called on each node.
const joined = until(bo, "joined-room");
bo.emit("join-room", { room: alias });
assert.deepEqual(await joined(), { room: alias });
const two = until(ada, "room:user_count", ({ count }) => count === 2);
ada.emit("room:join", { roomId: slug });
await two("both to be in the room");

// Messages, both ways.
const fromAda = until(bo, "new-message", ({ content }) => content === "from the echo room");
ada.emit("message:send", { roomId: slug, text: "from the echo room", tempId: "t1" });
const first = await fromAda("ada's message");
assert.deepEqual([first.room, first.sender.username, first.sender._id, first.messageType], [alias, "ada", adaId, "text"]);
const [heard, echoed, sent] = [
  until(ada, "message:new", ({ message }) => message.text === "from the socket chat"),
  until(bo, "new-message", ({ content }) => content === "from the socket chat"),
  until(bo, "message-sent"),
];
bo.emit("send-message", { content: "from the socket chat", room: alias });
const second = await echoed("bo's own message");
assert.equal((await sent()).messageId, second._id);
const { message: seen } = await heard("bo's message");
assert.deepEqual([seen._id, seen.roomId, seen.senderId], [second._id, slug, boId]);

// Typing, both ways.
const adaTypes = until(bo, "user-typing", ({ isTyping }) => isTyping);
ada.emit("typing:start", { roomId: slug });
assert.deepEqual(await adaTypes(), { userId: adaId, username: "ada", room: alias, isTyping: true });
const boTypes = until(ada, "typing:update", ({ isTyping }) => isTyping);
bo.emit("typing-start", { room: alias });
assert.deepEqual(await boTypes(), { roomId: slug, userId: boId, isTyping: true });

// Reactions, both ways.
const shown = until(bo, "messageReaction", ({ _id, reactions }) => _id === first._id && reactions.length === 1);
const reacted = await rest("POST", `/api/messages/${first._id}/react`, { emoji: "👍" });
assert.equal(reacted.status, 200, JSON.stringify(reacted.body));
assert.deepEqual(reacted.body.data.message.reactions.map(({ user, emoji }) => [user, emoji]), [[boId, "👍"]]);
await shown("bo's own reaction");
const hers = until(bo, "messageReaction", ({ _id, reactions }) => _id === second._id && reactions[0]?.user === adaId);
assert.equal((await own("PUT", `/api/v1/messages/${second._id}/reactions/${encodeURIComponent("🎉")}`, {})).status, 200);
await hers("ada's reaction");
const taken = await rest("POST", `/api/messages/${first._id}/react`, { emoji: "👍" });
assert.deepEqual(taken.body.data.message.reactions, []);

// Receipts, both ways.
const receipt = until(bo, "message-read-receipt", ({ messageId }) => messageId === second._id);
await own("PUT", `/api/v1/conversations/${slug}/read`, {});
assert.deepEqual((await receipt()).readBy, { userId: adaId, username: "ada" });
bo.emit("message-read", { messageId: first._id, room: alias });
at = "ada's message to be read";
while ((await own("GET", `/api/v1/messages/${first._id}`)).body.status !== "read");
const page = (await rest("GET", `/api/messages?room=${alias}&limit=1`)).body.data;
assert.deepEqual(page.messages.map(({ _id }) => _id), [second._id]);
assert.deepEqual(page.messages[0].readBy.map(({ user }) => user), [adaId]);
const { readAt } = page.messages[0].readBy[0];
assert.ok(readAt >= page.messages[0].createdAt && Date.parse(readAt) <= Date.now(), readAt);
assert.deepEqual([page.pagination.limit, page.pagination.skip, page.pagination.hasNext], [1, 0, true]);
const older = (await rest("GET", `/api/messages?room=${alias}&limit=1&skip=1`)).body.data;
assert.deepEqual(older.messages.map(({ _id }) => _id), [first._id]);

// What is done over REST is told under other names as well.
const both = [until(bo, "newMessage", ({ content }) => content === "over REST"), until(bo, "new-message", ({ content }) => content === "over REST")];
const written = await rest("POST", "/api/messages", { content: "over REST", room: alias });
assert.equal(written.status, 201);
for (const one of both) assert.equal((await one())._id, written.body.data.message._id);
const third = written.body.data.message._id;
const edited = until(bo, "messageEdited", ({ _id }) => _id === third);
assert.equal((await rest("PUT", `/api/messages/${third}`, { content: "changed" })).body.data.message.content, "changed");
assert.deepEqual((({ content, isEdited }) => [content, isEdited])(await edited()), ["changed", true]);
const deleted = until(bo, "messageDeleted");
assert.equal((await rest("DELETE", `/api/messages/${third}`)).status, 200);
assert.deepEqual(await deleted(), { messageId: third });
assert.equal((await rest("PUT", `/api/messages/${first._id}`, { content: "mine now" })).status, 403);
assert.equal((await rest("DELETE", `/api/messages/${first._id}`)).status, 403);

// Another socket hears who comes and goes, and a room that is not there is made.
const other = open(chat, { token });
await until(other, "online-users")();
for (const socket of [bo, other]) {
  const there = until(socket, "joined-room", ({ room }) => room === "fresh");
  const news = socket === other && until(bo, "user-joined-room");
  socket.emit("join-room", { room: "Fresh" });
  await there();
  if (news) assert.deepEqual(await news(), { userId: boId, username: "bo", room: "fresh" });
}
const gone = until(bo, "user-left-room");
other.emit("leave-room", { room: "fresh" });
assert.equal((await gone()).room, "fresh");

// Whatever else comes is an error, and the socket goes on.
for (const [event, data] of [
  ["send-message", { content: "", room: alias }],
  ["send-message", { content: "x".repeat(1001), room: alias }],
  ["send-message", { content: 1 }],
  ["send-message", { content: "x", room: "../me" }],
  ["send-message", { content: "x", room: alias, messageType: "file" }],
  ["send-message", null],
  ["join-room", { room: { $ne: 1 } }],
  ["join-room", { room: "a b" }],
  ["typing-start", { room: "elsewhere" }],
  ["message-read", { messageId: "../../me" }],
  ["message-read", {}],
  ["user-status", { isOnline: "yes" }],
]) {
  const error = until(bo, "error");
  bo.emit(event, data);
  assert.equal(typeof (await error(`an error for ${event} ${JSON.stringify(data)}`)).message, "string");
}
const leaves = until(bo, "user-offline", ({ userId }) => userId === adaId);
ada.disconnect();
await leaves("ada to be offline");
const end = until(bo, "disconnect");
assert.equal((await rest("POST", "/api/auth/logout", {})).body.success, true);
await end();
assert.equal((await rest("GET", "/api/auth/me")).status, 401);
clearTimeout(fail);
console.log("ok");
process.exit(0);
