// Two pages of two accounts in one room, with the client library that UIs of this family use. Prints "ok", or what was not so.
// Arguments: URL EMAIL PASSWORD SLUG, and which part: "talk" or "recover".
import { io } from "socket.io-client";
import WebSocket from "ws";
import assert from "node:assert/strict";

const [url, email, password, slug, part] = process.argv.slice(2);
const fail = setTimeout(() => { console.error("waited too long"); process.exit(1) }, 90_000);

async function call(method, path, token, body) {
  const headers = { ...(token && { authorization: `Bearer ${token}` }), ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, headers: answer.headers, body: await answer.json() };
}

function connect(token, transports) {
  return io(url, { auth: { token }, transports, forceNew: true, reconnection: false });
}

const once = (socket, event) => new Promise((resolve) => socket.once(event, resolve));
const until = (socket, event, is) => new Promise((resolve) => {
  const look = (data) => { if (is(data)) { socket.off(event, look); resolve(data) } };
  socket.on(event, look);
});

const login = await call("POST", "/auth/login", null, { email, password });
assert.equal(login.status, 200, JSON.stringify(login.body));
assert.match(login.headers.get("set-cookie"), /^refreshToken_\d+=[0-9a-f]+; Path=\/auth; HttpOnly; SameSite=Strict/);
const { accessToken: token, user } = login.body;
assert.equal(user.email, email);

if (part === "talk") {
  const refused = await once(connect("nonsense", ["websocket"]), "connect_error");
  assert.equal(refused.message, "Authentication error");
  const without = await once(io(url, { transports: ["polling"], forceNew: true, reconnection: false }), "connect_error");
  assert.equal(without.message, "Authentication error", `${without.description} ${without.context?.responseText}`);

  // Each transport, and the upgrade from one to the other.
  for (const transports of [["websocket"], ["polling"], ["polling", "websocket"], ["websocket", "polling"]]) {
    const socket = connect(token, transports);
    // As UIs do: the room first, then who one is.
    socket.emit("room:join", { roomId: slug });
    socket.emit("auth:identify", { token });
    const [joined, ok] = await Promise.all([once(socket, "room:joined"), once(socket, "auth:ok")]);
    assert.equal(joined.roomId, slug);
    assert.equal(ok.userId, user._id);
    const text = `over ${transports}`;
    const news = until(socket, "message:new", ({ message }) => message.text === text);
    const ack = once(socket, "message:ack");
    socket.emit("message:send", { roomId: slug, text, tempId: "temp-1" });
    const { message, seq } = await news;
    assert.deepEqual(await ack, { tempId: "temp-1", realId: message._id });
    assert.equal(message.roomId, slug);
    assert.equal(message.id, message._id);
    assert.equal(message.seq, seq);
    assert.equal(message.senderId, user._id);
    assert.equal(message.sender.id, user._id);

    // A page that shows a message leaves, joins and recovers, twice.
    const [again, missed] = [[], []];
    const all = new Promise((resolve) => {
      const look = (list) => (data) => { list.push(data); if (again.length === 2 && missed.length === 2) resolve() };
      socket.on("room:joined", look(again));
      socket.on("connection:missed", look(missed));
    });
    for (let round = 0; round < 2; round += 1) {
      socket.emit("room:leave", { roomId: slug });
      socket.emit("room:join", { roomId: slug });
      socket.emit("connection:recover", { roomId: slug, lastSeenSeq: seq - 1 });
    }
    await all;
    for (const { messages, fromSeq, toSeq } of missed) {
      assert.equal(messages.at(-1)._id, message._id);
      assert.deepEqual([fromSeq, toSeq], [seq, seq]);
    }
    assert.ok(again.every(({ messages }) => messages.at(-1)._id === message._id));
    socket.disconnect();
  }

  const [one, other] = [connect(token, ["websocket"]), connect(token, ["websocket"])];
  for (const socket of [one, other]) {
    socket.emit("room:join", { roomId: slug });
    await once(socket, "room:joined");
  }
  const heard = until(other, "message:new", ({ message }) => message.text === "an answer");
  const listed = await call("GET", `/rooms/${slug}/messages?limit=2`, token);
  const [older, newer] = listed.body;
  assert.equal(newer.seq, older.seq + 1);
  one.emit("message:send", { roomId: slug, text: "an answer", tempId: "temp-2", parentId: newer._id });
  assert.equal((await heard).message.parentId, newer._id);
  // Replies are counted also where they are on another page.
  const answered = await call("GET", `/rooms/${slug}/messages?limit=2`, token);
  const alone = await call("GET", `/rooms/${slug}/messages?limit=1&before=${answered.body[1]._id}`, token);
  assert.deepEqual([alone.body[0]._id, alone.body[0].replyCount], [newer._id, 1]);
  const before = await call("GET", `/rooms/${slug}/messages?limit=1&before=${newer._id}`, token);
  assert.deepEqual(before.body.map(({ _id }) => _id), [older._id]);

  // Whatever else comes is an error, and the socket goes on.
  const wrongs = [
    ["message:send", { roomId: "elsewhere", text: "x", tempId: "t" }],
    ["message:send", { roomId: slug, text: 1 }],
    ["message:send", { roomId: slug }],
    ["message:send", null],
    ["message:send", { roomId: slug, text: "x".repeat(20_000) }],
    ["message:send", { roomId: slug, text: "x", parentId: "../../me" }],
    ["room:join", { roomId: "nowhere" }],
    ["room:join", { roomId: { $ne: 1 } }],
    ["room:join", { roomId: "../me" }],
    ["room:join", "x"],
    ["typing:start", { roomId: "elsewhere" }],
    ["connection:recover", { roomId: "%00", lastSeenSeq: -1 }],
  ];
  for (const [event, data] of wrongs) {
    const error = once(one, "error");
    one.emit(event, data);
    assert.equal(typeof (await error).message, "string", event);
  }
  one.emit("no:such:event", {});
  const identified = once(one, "auth:error");
  one.emit("auth:identify", { token: "nonsense" });
  await identified;
  // Who asks without waiting for answers is cut off.
  const flood = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  const cut = new Promise((resolve) => {
    flood.onmessage = ({ data: packet }) => {
      const data = String(packet);
      if (data.startsWith("0")) flood.send(`40${JSON.stringify({ token })}`);
      else if (data.startsWith("40")) for (let n = 0; n < 5000; n += 1) flood.send(`42${JSON.stringify(["connection:recover", { roomId: slug, lastSeenSeq: 0 }])}`);
      else if (data === "41") resolve();
    };
    flood.onclose = resolve;
  });
  await cut;
  // The end of a login is the end of its sockets.
  const ends = [once(one, "disconnect"), once(other, "disconnect")];
  await call("POST", "/auth/logout", token, {});
  await Promise.all(ends);
  assert.equal((await call("GET", "/auth/me", token)).status, 401);
} else {
  const socket = connect(token, ["websocket"]);
  socket.emit("room:join", { roomId: slug });
  const { messages } = await once(socket, "room:joined");
  const seqs = messages.map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n), "numbers have no gap");
  socket.emit("connection:recover", { roomId: slug, lastSeenSeq: seqs.at(-1) - 2 });
  const missed = await once(socket, "connection:missed");
  assert.deepEqual(missed.messages.map(({ _id }) => _id), messages.slice(-2).map(({ _id }) => _id));
  socket.disconnect();
}
clearTimeout(fail);
console.log("ok");
process.exit(0);
