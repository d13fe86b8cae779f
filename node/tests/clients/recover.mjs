// A page of the family `echoroom` that was away while its node was killed. Prints "joined SEQ", waits for a line that says how many
// messages it has missed, and prints "ok", or what was not so. Arguments: URL EMAIL PASSWORD SLUG.
import { io } from "socket.io-client";
import assert from "node:assert/strict";
import { createInterface } from "node:readline";

const [url, email, password, slug] = process.argv.slice(2);
setTimeout(() => { console.error("waited too long"); process.exit(1) }, 90_000).unref();

const post = async (path, body) => {
  const answer = await fetch(url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, path);
  return answer.json();
};
const connect = (token) => io(url, { auth: { token }, transports: ["websocket", "polling"], forceNew: true, reconnection: false });
const once = (socket, event) => new Promise((resolve) => socket.once(event, resolve));

const login = await post("/auth/login", { email, password });
const before = connect(login.accessToken);
before.emit("room:join", { roomId: slug });
const last = (await once(before, "room:joined")).messages.at(-1).seq;
before.disconnect();
console.log(`joined ${last}`);

const lines = createInterface({ input: process.stdin });
const wanted = Number(await once(lines, "line"));

// The login has outlived the node's process.
const { accessToken } = await post("/auth/refresh", { refreshToken: login.refreshToken });
const socket = connect(accessToken);
const seen = [];
const all = new Promise((resolve) => {
  socket.on("connection:missed", ({ roomId, messages, fromSeq, toSeq }) => {
    assert.equal(roomId, slug);
    assert.deepEqual([messages[0].seq, messages.at(-1).seq], [fromSeq, toSeq]);
    seen.push(...messages);
    if (seen.length >= wanted) resolve();
  });
});
socket.emit("room:join", { roomId: slug });
await once(socket, "room:joined");
socket.emit("connection:recover", { roomId: slug, lastSeenSeq: last });
await all;
// What is asked for next is answered after all of that.
socket.emit("connection:recover", { roomId: slug, lastSeenSeq: last + wanted });
socket.emit("room:leave", { roomId: slug });
await once(socket, "room:left");
assert.deepEqual(seen.map(({ seq }) => seq), Array.from({ length: wanted }, (_, n) => last + 1 + n), "each number once, in order");
assert.deepEqual(seen.map(({ text }) => text), Array.from({ length: wanted }, (_, n) => `missed ${n}`));
assert.equal(new Set(seen.map(({ _id }) => _id)).size, wanted);
console.log("ok");
process.exit(0);
