//! Hostile packets at the Socket.IO sides of gateways, the same for every family: what promises more than comes, what is too large,
//! what speaks another protocol, and whoever reads nothing.

use std::time::Duration;

use parlour_node::ApiLimits;
use serde_json::{Value, json};

use super::house::House;
use super::socket::Socket;
use super::storms::{WEBSOCKET, event, generous, log_in, said, socket_io};
use super::support::{Program, Raw, patient};

/// What one family calls things.
struct Family {
    gateway: &'static str,
    join: fn() -> Value,
    joined: &'static str,
    send: &'static str,
    say: fn(&str) -> Value,
    sent: &'static str,
    leave: fn() -> Value,
    left: &'static str,
}

const ECHOROOM: Family = Family {
    gateway: "echoroom",
    join: || json!(["room:join", { "roomId": "garden" }]),
    joined: "room:joined",
    send: "message:send",
    say: |text| json!(["message:send", { "roomId": "garden", "text": text }]),
    sent: "message:ack",
    leave: || json!(["room:leave", { "roomId": "x" }]),
    left: "room:left",
};

const SOCKETCHAT: Family = Family {
    gateway: "socketchat",
    join: || json!(["join-room", { "room": "garden" }]),
    joined: "joined-room",
    send: "send-message",
    say: |text| json!(["send-message", { "room": "garden", "content": text }]),
    sent: "message-sent",
    leave: || json!(["leave-room", { "room": "x" }]),
    left: "left-room",
};

/// A node with a room, and somebody in it who means well.
struct Scene {
    family: &'static Family,
    house: House,
    page: Program,
    honest: Socket,
}

impl Scene {
    async fn of(family: &'static Family, limits: ApiLimits) -> Self {
        let house = House::limited("ada", family.gateway, limits).await;
        let room = house.native.post("/api/v1/rooms", &json!({ "name": "garden" })).await;
        assert_eq!(room.status, 201, "{}", room.text());
        let (page, _) = house.opened("ada").await;
        let mut honest = socket_io(&page, &page.token).await;
        enter(family, &mut honest).await;
        Self {
            family,
            house,
            page,
            honest,
        }
    }

    /// Who means well is heard.
    async fn say(&mut self, text: &str) {
        self.honest.put(&format!("42{}", (self.family.say)(text))).await;
        event(&mut self.honest, self.family.sent).await;
    }

    /// Nothing was said but what was meant.
    async fn end(self, meant: &str) {
        let path = "/api/v1/conversations/garden/messages?limit=200";
        let page = self.house.native.get(path).await.json();
        let texts = page["items"].as_array().unwrap().iter().map(|item| &item["text"]);
        let texts: Vec<_> = texts.filter(|text| text.is_string()).collect();
        assert!(
            !texts.is_empty() && texts.iter().all(|text| **text == meant),
            "{texts:?}"
        );
        self.house.node.stop().await;
    }

    fn anonymous(&self, method: &str, path: &str) -> Raw {
        self.page.request(method, path).without("Authorization")
    }
}

async fn enter(family: &Family, socket: &mut Socket) {
    socket.put(&format!("42{}", (family.join)())).await;
    event(socket, family.joined).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_promise_what_never_comes_harm_nobody_else_in_echoroom() {
    broken_promises(&ECHOROOM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_promise_what_never_comes_harm_nobody_else_in_socketchat() {
    broken_promises(&SOCKETCHAT).await;
}

async fn broken_promises(family: &'static Family) {
    let mut scene = Scene::of(family, generous()).await;
    let send = family.send;
    let placeholder = format!("[\"{send}\",{{\"_placeholder\":true,\"num\":0}}]");
    let many = (0..2_000).map(|n| format!("{{\"_placeholder\":true,\"num\":{n}}}"));
    let many = format!("452000-[\"{send}\",{}]", many.collect::<Vec<_>>().join(","));
    let packets = [
        format!("451-{placeholder}"),
        format!("459999999-{placeholder}"),
        format!("4518446744073709551615-{placeholder}"),
        format!("45999999999999999999999999999-{placeholder}"),
        format!("45-1-{placeholder}"),
        format!("45{placeholder}"),
        format!("461-{placeholder}"),
        many,
        "40/nowhere,".to_owned(),
        format!("40/nowhere,{}", json!({ "token": scene.page.token })),
        format!("42/nowhere,[\"{send}\",{{}}]"),
        format!("40/{}", "x/".repeat(20_000)),
        "41/nowhere,".to_owned(),
        "42".to_owned(),
        "42[".to_owned(),
        "42[]".to_owned(),
        "42{}".to_owned(),
        "42[1,2]".to_owned(),
        format!("4218446744073709551616[\"{send}\",{{}}]"),
        format!("42[\"{send}\",{}", "[".repeat(30_000)),
        "44{}".to_owned(),
        "49".to_owned(),
        "4".to_owned(),
        "6".to_owned(),
        "9".to_owned(),
        "b!!!".to_owned(),
        String::new(),
    ];
    for packet in packets {
        let shown: String = packet.chars().take(60).collect();
        // The socket goes on, or is closed; it is not left hanging, and others hear nothing of it.
        let mut socket = socket_io(&scene.page, &scene.page.token).await;
        socket.put(&packet).await;
        socket.put(&format!("42{}", (family.leave)())).await;
        let ended = async {
            while let Some(packet) = said(&mut socket).await {
                if packet.contains(family.left) {
                    return;
                }
            }
        };
        patient(&format!("an end after {shown}"), ended).await;
        scene.say("still here").await;
    }
    scene.end("still here").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_too_large_end_their_own_connection_in_every_family() {
    for family in [&ECHOROOM, &SOCKETCHAT] {
        let mut scene = Scene::of(family, generous()).await;
        let long = format!("42{}", (family.say)(&"x".repeat(70_000)));
        let attachment = format!("451-[\"{}\",{{\"_placeholder\":true,\"num\":0}}]", family.send);
        // FIN or not, text or binary or going on; the mask of zeros leaves what follows as it is.
        let frame = |first: u8, length: u64| [&[first, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
        let piece = [frame(0x01, 40_000), vec![b'x'; 40_000]].concat();
        let more = [frame(0x00, 40_000), vec![b'x'; 40_000]].concat();
        let bytes = [frame(0x82, 70_000), vec![7; 70_000]].concat();
        for (name, packet, raw) in [
            ("one packet", long.as_str(), Vec::new()),
            ("a frame that was announced", "", frame(0x81, 1 << 62)),
            ("a frame as long as can be said", "", frame(0x81, u64::MAX)),
            ("a packet in pieces", "", [piece, more].concat()),
            ("an attachment", attachment.as_str(), bytes),
        ] {
            let mut socket = socket_io(&scene.page, &scene.page.token).await;
            if !packet.is_empty() {
                socket.put(packet).await;
            }
            socket.raw(&raw).await;
            let ended = async { while said(&mut socket).await.is_some() {} };
            patient(&format!("the end of {name} in {}", family.gateway), ended).await;
            scene.say("still here").await;
        }
        let polling = "/socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA";
        let request = scene.anonymous("POST", polling).body(&long);
        assert_eq!(scene.page.send(&request).await.status, 413, "{}", family.gateway);
        scene.end("still here").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_another_protocol_is_refused_in_every_family() {
    for family in [&ECHOROOM, &SOCKETCHAT] {
        let mut scene = Scene::of(family, generous()).await;
        let get = |query: &str| scene.anonymous("GET", &format!("/socket.io/{query}"));
        let upgrade = |query: &str| {
            let request = get(query).set("Connection", "Upgrade").set("Upgrade", "websocket");
            request
                .set("Sec-WebSocket-Version", "13")
                .set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
        };
        let unknown = "?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA";
        for (name, request) in [
            ("an old protocol", get("?EIO=3&transport=polling")),
            ("an old protocol's upgrade", upgrade("?EIO=3&transport=websocket")),
            ("a protocol to come", get("?EIO=5&transport=polling")),
            ("no protocol", get("")),
            ("no transport", get("?EIO=4")),
            ("an unknown transport", get("?EIO=4&transport=pigeon")),
            ("a socket that is not there", get(unknown)),
            (
                "a name that is no socket's",
                get("?EIO=4&transport=polling&sid=..%2F..%2Fx"),
            ),
            (
                "a post to a socket that is not there",
                scene.anonymous("POST", &format!("/socket.io/{unknown}")).body("40"),
            ),
            (
                "a post without a socket",
                scene
                    .anonymous("POST", "/socket.io/?EIO=4&transport=polling")
                    .body("40"),
            ),
        ] {
            let reply = scene.page.send(&request).await;
            assert_eq!(reply.status, 400, "{}: {name}: {}", family.gateway, reply.text());
        }
        // That the one whose connection is to be taken over is not there turns out behind the upgrade.
        let mut socket = Socket::at(&scene.page, &format!("{WEBSOCKET}&sid=AAAAAAAAAAAAAAAA")).await;
        assert_eq!(socket.packet().await, None, "{}", family.gateway);
        scene.say("still here").await;
        scene.end("still here").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_cut_off_and_holds_up_nobody_in_echoroom() {
    absent_reader(&ECHOROOM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_reads_is_cut_off_and_holds_up_nobody_in_socketchat() {
    absent_reader(&SOCKETCHAT).await;
}

async fn absent_reader(family: &'static Family) {
    /// More than everything between the node and somebody who reads nothing can hold.
    const MOST: usize = 2_500;
    let limits = ApiLimits {
        sockets: 2,
        write_timeout: Duration::from_millis(300),
        ..generous()
    };
    let mut scene = Scene::of(family, limits).await;
    let mut absent = Socket::narrow(&scene.page, WEBSOCKET).await;
    log_in(&mut absent, &scene.page.token).await;
    enter(family, &mut absent).await;
    let polling = scene.anonymous("GET", "/socket.io/?EIO=4&transport=polling");
    assert_eq!(scene.page.send(&polling).await.status, 503, "both places are taken");
    let text = "\u{1F331}".repeat(1_000);
    let mut said_so_far = 0;
    // Each is answered at once, until the place of whoever reads nothing is somebody else's.
    while scene.page.send(&polling).await.status == 503 {
        assert!(said_so_far < MOST, "whoever reads nothing is still there");
        scene.say(&text).await;
        said_so_far += 1;
    }
    let mut heard = 0;
    while let Some(packet) = said(&mut absent).await {
        heard += usize::from(packet.contains('\u{1F331}'));
    }
    assert!(heard < said_so_far, "{heard} of {said_so_far}");
    scene.say(&text).await;
    scene.end(&text).await;
}
