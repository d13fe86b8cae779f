//! The gateway `echoroom`: its REST calls, its refusals, and its sockets with the client library that UIs use.

use std::net::SocketAddr;
use std::path::Path;

use parlour_node::{ApiLimits, DataDir, Gateway, NewAccount, Node, NodeOptions, create_account, now_ms};
use serde_json::{Value, json};
use tempfile::TempDir;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::support::{Program, Raw, Reply, options, patient, read_head};

const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse";

pub(super) struct Gate {
    pub(super) native: Program,
    /// Without a token.
    pub(super) gate: Program,
    pub(super) node: Node,
}

impl Gate {
    /// A node that is started on a directory, with an account and a room at its first start.
    async fn start(data: &TempDir) -> Self {
        Self::with(data, ApiLimits::default(), |_| ()).await
    }

    pub(super) async fn with(data: &TempDir, limits: ApiLimits, configure: impl FnOnce(&mut Gateway)) -> Self {
        let is_first = DataDir::new(data.path()).accounts().unwrap().is_empty();
        if is_first {
            create_account(&DataDir::new(data.path()), &NewAccount::named("ada"), now_ms()).unwrap();
        }
        let mut node = Node::start(NodeOptions {
            limits,
            ..options(data)
        })
        .await
        .unwrap();
        let mut gateway: Gateway = "echoroom=127.0.0.1:0".parse().unwrap();
        configure(&mut gateway);
        let address = node.open_gateway(gateway).await.unwrap();
        let program = |address: SocketAddr, token: &str| Program {
            address,
            token: token.to_owned(),
        };
        let native = program(
            node.api_url().strip_prefix("http://").unwrap().parse().unwrap(),
            node.token(),
        );
        let gate = Self {
            native,
            gate: program(address, ""),
            node,
        };
        if is_first {
            let login = json!({ "email": EMAIL, "password": PASSWORD });
            assert_eq!(gate.native.put("/api/v1/me/login", &login).await.status, 200);
            let room = json!({ "name": "Garden", "topic": "beans" });
            assert_eq!(gate.native.post("/api/v1/rooms", &room).await.status, 201);
        }
        gate
    }

    pub(super) async fn log_in(&self) -> (Program, Reply) {
        let body = json!({ "email": EMAIL, "password": PASSWORD });
        let reply = self.gate.post("/auth/login", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = Program {
            address: self.gate.address,
            token: reply.json()["accessToken"].as_str().unwrap().to_owned(),
        };
        (page, reply)
    }

    pub(super) fn request(&self, method: &str, path: &str) -> Raw {
        self.gate.request(method, path).without("Authorization")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_calls_of_the_family_are_answered_in_its_way() {
    let data = TempDir::new().unwrap();
    let gate = Gate::start(&data).await;
    let health = gate.gate.get("/health").await.json();
    assert_eq!(health["status"], "ok");
    assert!(health["timestamp"].as_str().unwrap().ends_with('Z'));
    let (page, login) = gate.log_in().await;
    let user = &login.json()["user"];
    assert_eq!((&user["email"], &user["displayName"]), (&json!(EMAIL), &json!("ada")));
    assert_eq!(user["_id"], gate.native.get("/api/v1/me").await.json()["user_id"]);
    assert_eq!(page.get("/auth/me").await.json(), *user);
    let renamed = page.put("/auth/me", &json!({ "displayName": "Ada L." })).await;
    assert_eq!(renamed.status, 200, "{}", renamed.text());

    let rooms = page.get("/rooms").await.json();
    let room = &rooms[0];
    assert_eq!(
        (&room["name"], &room["description"]),
        (&json!("Garden"), &json!("beans"))
    );
    assert_eq!((&room["members"][0], &room["createdBy"]), (&user["_id"], &user["_id"]));
    let slug = room["slug"].as_str().unwrap();
    assert_eq!(page.get(&format!("/rooms/{slug}")).await.json(), *room);
    assert_eq!(page.get("/rooms/nowhere").await.status, 404);
    let made = page
        .post(
            "/rooms",
            &json!({ "name": "Kitchen", "description": "pots", "tags": ["food"] }),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    let shown = made.json();
    assert_eq!(
        (&shown["description"], &shown["tags"]),
        (&json!("pots"), &json!(["food"]))
    );
    let kitchen = shown["slug"].as_str().unwrap().to_owned();
    assert_eq!(
        page.get(&format!("/rooms/{kitchen}")).await.json()["tags"],
        json!(["food"])
    );
    let native = gate.native.get(&format!("/api/v1/rooms/{kitchen}")).await.json();
    assert_eq!(
        native["topic"], "pots\n#food",
        "all members see them, wherever they look"
    );
    let wrong = json!({ "name": "Attic", "tags": ["two words"] });
    assert_eq!(page.post("/rooms", &wrong).await.status, 400);
    for taken in ["kitchen", " Kitchen! ", "KITCHEN"] {
        let refused = page.post("/rooms", &json!({ "name": taken })).await;
        assert_eq!((refused.status, refused.json()["message"].is_string()), (409, true));
    }
    for _ in 0..2 {
        let joined = page.post(&format!("/rooms/{kitchen}/join"), &json!({})).await;
        assert_eq!((joined.status, &joined.json()["message"]), (200, &json!("joined")));
    }
    // Whoever made a room gives it to somebody first; the family has no word for that, and gets the reason.
    let left = page.post(&format!("/rooms/{kitchen}/leave"), &json!({})).await;
    assert_eq!((left.status, left.json()["message"].is_string()), (409, true));
    assert_eq!(page.get("/rooms").await.json().as_array().unwrap().len(), 2);
    assert_eq!(page.get(&format!("/rooms/{slug}/messages")).await.json(), json!([]));

    // The cookie of its own port renews the login, and no other one does.
    let cookie = login
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let refresh = |cookie: &str| {
        let request = gate.request("POST", "/auth/refresh").set("Content-Length", "0");
        request.set("Cookie", cookie)
    };
    let other = cookie.replace("refreshToken_", "refreshToken_1");
    assert_eq!(gate.gate.send(&refresh(&other)).await.status, 401);
    let foreign = refresh(&cookie).set("Origin", "http://evil.example");
    assert_eq!(gate.gate.send(&foreign).await.status, 403);
    let renewed = gate.gate.send(&refresh(&cookie)).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    assert!(renewed.json()["accessToken"].is_string());
    // A script that cannot read the cookie does not learn what is in it.
    assert!(renewed.json().get("refreshToken").is_none(), "{}", renewed.text());
    let cookie = renewed
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let told = json!({ "refreshToken": cookie.split_once('=').unwrap().1 });
    let renewed = gate.gate.post("/auth/refresh", &told).await;
    assert!(renewed.json()["refreshToken"].is_string());
    assert_ne!(renewed.json()["refreshToken"], told["refreshToken"]);
    let out = page.post("/auth/logout", &json!({})).await;
    assert_eq!(
        (out.status, out.header("set-cookie").unwrap().contains("Max-Age=0")),
        (200, true)
    );
    assert_eq!(page.get("/auth/me").await.status, 401);
    let body = json!({ "email": "new@example.org", "password": PASSWORD, "displayName": "New" });
    assert_eq!(gate.gate.post("/auth/register", &body).await.status, 403);
    gate.node.stop().await;
}

/// The access token of a page that was left open has ended long before its user logs out.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_out_with_the_cookie_alone_ends_the_login() {
    let data = TempDir::new().unwrap();
    let gate = Gate::start(&data).await;
    let (page, login) = gate.log_in().await;
    let (other, _) = gate.log_in().await;
    let cookie = login.header("set-cookie").unwrap().split(';').next().unwrap();
    let call = |path: &str| {
        let request = gate.request("POST", path).set("Content-Length", "0");
        request.set("Cookie", cookie)
    };
    let out = gate
        .gate
        .send(&call("/auth/logout").set("Authorization", "Bearer ended"))
        .await;
    assert_eq!(out.status, 200, "{}", out.text());
    assert!(out.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(gate.gate.send(&call("/auth/refresh")).await.status, 401);
    assert_eq!(page.get("/auth/me").await.status, 401);
    assert_eq!(other.get("/auth/me").await.status, 200, "another login goes on");
    gate.node.stop().await;
}

/// The head of an answer on a connection that stays open.
pub(super) async fn begun(gate: &Gate, request: &Raw) -> (u16, TcpStream) {
    let mut socket = TcpStream::connect(gate.gate.address).await.unwrap();
    let _ = socket.write_all(&request.bytes()).await;
    (patient("an answer", read_head(&mut socket)).await.status, socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_counted_before_anybody_has_logged_in() {
    let data = TempDir::new().unwrap();
    let limits = ApiLimits {
        sockets: 3,
        ..ApiLimits::default()
    };
    let gate = Gate::with(&data, limits, |_| ()).await;
    let polling = gate.request("GET", "/socket.io/?EIO=4&transport=polling");
    let websocket = upgrade(&gate, "/socket.io/?EIO=4&transport=websocket");
    assert_eq!(gate.gate.send(&polling).await.status, 200);
    let (status, _socket) = begun(&gate, &websocket).await;
    assert_eq!(status, 101);
    assert_eq!(gate.gate.send(&polling).await.status, 200);
    for more in [polling, websocket] {
        let refused = gate.gate.send(&more).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    }
    gate.node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_full_of_sockets_refuses_more_and_goes_on() {
    let data = TempDir::new().unwrap();
    let limits = ApiLimits {
        connections: 4,
        ..ApiLimits::default()
    };
    let gate = Gate::with(&data, limits, |_| ()).await;
    let websocket = upgrade(&gate, "/socket.io/?EIO=4&transport=websocket");
    let mut held = Vec::new();
    for expected in [101, 101, 101, 101, 503, 503] {
        let (status, socket) = begun(&gate, &websocket).await;
        assert_eq!(status, expected, "after {} sockets", held.len());
        held.push(socket);
    }
    // Whoever finds no room is told so as the family tells it, and everything else goes on.
    let refused = gate.gate.send(&websocket).await;
    assert_eq!(refused.json()["message"], "too many connections are open");
    assert_eq!(gate.gate.get("/health").await.status, 200);
    held.clear();
    let let_in = async {
        while begun(&gate, &websocket).await.0 != 101 {
            tokio::task::yield_now().await;
        }
    };
    patient("a place that is free again", let_in).await;
    gate.node.stop().await;
}

pub(super) fn upgrade(gate: &Gate, path: &str) -> Raw {
    let request = gate
        .request("GET", path)
        .set("Connection", "Upgrade")
        .set("Upgrade", "websocket");
    request
        .set("Sec-WebSocket-Version", "13")
        .set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_get_the_familys_refusal() {
    let data = TempDir::new().unwrap();
    let gate = Gate::with(&data, ApiLimits::default(), |gateway| {
        gateway.allow("http://localhost:5175").unwrap();
    })
    .await;
    let (page, _) = gate.log_in().await;
    let own = format!("http://localhost:{}", gate.gate.address.port());
    let port = gate.gate.address.port();
    let native_port = gate.native.address.port();
    let get = |path: &str| page.request("GET", path);
    let post = |path: &str, body: &str| {
        page.request("POST", path)
            .set("Content-Type", "application/json")
            .body(body)
    };
    let polling = "/socket.io/?EIO=4&transport=polling";
    let upgrade = |path: &str| upgrade(&gate, path);
    let socket = "/socket.io/?EIO=4&transport=websocket";
    let long = "x".repeat(10_000);
    let cases: Vec<(&str, u16, Raw)> = vec![
        ("foreign host", 403, get("/rooms").set("Host", "evil.example")),
        (
            "the API's port",
            403,
            get("/rooms").set("Host", &format!("localhost:{native_port}")),
        ),
        ("host without port", 403, get("/rooms").set("Host", "localhost")),
        (
            "rebound name",
            403,
            get("/rooms").set("Host", &format!("127.0.0.1.nip.io:{port}")),
        ),
        ("two hosts", 400, get("/rooms").add("Host", "localhost")),
        ("no host", 400, get("/rooms").without("Host")),
        (
            "foreign origin",
            403,
            get("/rooms").set("Origin", "http://evil.example"),
        ),
        ("null origin", 403, get("/rooms").set("Origin", "null")),
        (
            "the API's origin",
            403,
            get("/rooms").set("Origin", &format!("http://localhost:{native_port}")),
        ),
        (
            "a development port nobody named",
            403,
            get("/rooms").set("Origin", "http://localhost:5174"),
        ),
        (
            "two origins",
            400,
            get("/rooms").set("Origin", &own).add("Origin", "null"),
        ),
        ("cross-site", 403, get("/rooms").set("Sec-Fetch-Site", "cross-site")),
        (
            "foreign health",
            403,
            gate.request("GET", "/health").set("Origin", "http://evil.example"),
        ),
        (
            "foreign login",
            403,
            post("/auth/login", "{}").set("Origin", "http://evil.example"),
        ),
        (
            "foreign preflight",
            403,
            gate.request("OPTIONS", "/rooms").set("Origin", "http://evil.example"),
        ),
        (
            "foreign polling",
            403,
            gate.request("GET", polling).set("Origin", "http://evil.example"),
        ),
        (
            "foreign polling host",
            403,
            gate.request("GET", polling).set("Host", "evil.example"),
        ),
        (
            "cross-site polling",
            403,
            gate.request("GET", polling).set("Sec-Fetch-Site", "cross-site"),
        ),
        (
            "foreign upgrade",
            403,
            upgrade(socket).set("Origin", "http://evil.example"),
        ),
        ("upgrade of a file", 403, upgrade(socket).set("Origin", "null")),
        (
            "upgrade of a foreign host",
            403,
            upgrade(socket).set("Host", "evil.example"),
        ),
        ("no token", 401, gate.request("GET", "/rooms")),
        (
            "wrong token",
            401,
            get("/rooms").set("Authorization", "Bearer nonsense"),
        ),
        (
            "token twice",
            400,
            get("/rooms").add("Authorization", &format!("Bearer {}", page.token)),
        ),
        (
            "token in the query",
            401,
            gate.request("GET", &format!("/rooms?token={}", page.token)),
        ),
        (
            "token in a cookie",
            401,
            gate.request("GET", "/rooms")
                .set("Cookie", &format!("token={}", page.token)),
        ),
        ("unknown path", 404, get("/api/v1/me")),
        ("a path of the API", 404, get("/api/v1/tokens")),
        ("dots", 404, get("/rooms/../../api/v1/me")),
        ("encoded dots", 404, get("/rooms/%2e%2e%2fme")),
        ("a NUL", 404, get("/rooms/%00")),
        ("no UTF-8", 400, get("/rooms/%ff")),
        ("a long id", 404, get(&format!("/rooms/{long}"))),
        ("the notes are no room", 404, get("/rooms/notes")),
        ("limit below", 400, get("/rooms/garden/messages?limit=-1")),
        ("limit of nothing", 400, get("/rooms/garden/messages?limit=0")),
        ("before nothing", 400, get("/rooms/garden/messages?before=1")),
        ("before a path", 400, get("/rooms/garden/messages?before=..%2Fme")),
        ("wrong method", 405, page.request("DELETE", "/rooms")),
        ("TRACE", 405, page.request("TRACE", "/rooms")),
        ("not JSON", 400, post("/rooms", "name=x")),
        ("a list", 400, post("/rooms", "[]")),
        ("no name", 400, post("/rooms", "{}")),
        ("a number as name", 400, post("/rooms", "{\"name\":1}")),
        ("a long name", 400, post("/rooms", &json!({ "name": long }).to_string())),
        (
            "very deep",
            400,
            post("/rooms", &format!("{{\"name\":{}", "[".repeat(50_000))),
        ),
        ("too large", 413, post("/rooms", &"x".repeat(70_000))),
        (
            "chunks",
            411,
            page.request("POST", "/rooms").add("Transfer-Encoding", "chunked"),
        ),
        (
            "login without password",
            400,
            post("/auth/login", "{\"email\":\"a@b\"}"),
        ),
        (
            "login with an object",
            400,
            post("/auth/login", "{\"email\":{\"$ne\":1},\"password\":\"x\"}"),
        ),
        ("refresh of nothing", 401, post("/auth/refresh", "{}")),
        (
            "refresh of nonsense",
            401,
            post("/auth/refresh", "{\"refreshToken\":\"x\"}"),
        ),
    ];
    assert!(cases.len() > 50);
    for (name, status, raw) in cases {
        let reply = gate.gate.send(&raw).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if !raw.target.starts_with("/socket.io/") || status == 403 {
            assert!(reply.json()["message"].is_string(), "{name}: {}", reply.text());
        }
        assert!(reply.header("access-control-allow-origin") != Some("*"), "{name}");
        assert_eq!(gate.native.get("/api/v1/me").await.status, 200, "after {name}");
    }
    // The gateway's own page, and the one that was named, may read what they ask for.
    for origin in [own.as_str(), "http://localhost:5175", "http://localhost:5173"] {
        let preflight = gate.request("OPTIONS", "/rooms").set("Origin", origin);
        let preflight = gate
            .gate
            .send(&preflight.set("Access-Control-Request-Method", "POST"))
            .await;
        assert_eq!(preflight.status, 204);
        for reply in [preflight, gate.gate.send(&get("/rooms").set("Origin", origin)).await] {
            assert_eq!(reply.header("access-control-allow-origin"), Some(origin));
            assert_eq!(reply.header("access-control-allow-credentials"), Some("true"));
        }
    }
    // Five wrong passwords are enough.
    let wrong = post(
        "/auth/login",
        &json!({ "email": EMAIL, "password": "wrong!" }).to_string(),
    );
    for _ in 0..5 {
        assert_eq!(gate.gate.send(&wrong).await.status, 401);
    }
    let refused = gate.gate.send(&wrong).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true));
    gate.node.stop().await;
}

/// Runs a script with the client library; `false`, said clearly, where it is not installed.
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
async fn script(gate: &Gate, part: &str) -> bool {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    if !clients.join("node_modules/socket.io-client").is_dir() {
        eprintln!("SKIPPED: `npm install` in node/tests/clients installs what this test needs");
        return false;
    }
    let rooms = gate.log_in().await.0.get("/rooms").await.json();
    let slug = rooms[0]["slug"].as_str().unwrap().to_owned();
    let url = format!("http://{}", gate.gate.address);
    let mut command = std::process::Command::new("node");
    command.arg(clients.join("echoroom.mjs"));
    command.args([&url, EMAIL, PASSWORD, &slug, part]);
    let run = tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap();
    let (out, error) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success() && out.trim() == "ok", "{out}\n{error}");
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn the_familys_client_library_talks_and_recovers_after_a_restart() {
    let data = TempDir::new().unwrap();
    let gate = Gate::start(&data).await;
    if !script(&gate, "talk").await {
        return;
    }
    gate.node.stop().await;
    let gate = Gate::start(&data).await;
    assert!(script(&gate, "recover").await);
    let messages: Value = gate.log_in().await.0.get("/rooms/garden/messages").await.json();
    assert!(messages.as_array().unwrap().len() >= 5, "{messages}");
    gate.node.stop().await;
}
