//! A family's web UI behind a gateway's address: files of a folder, and a server that requests are passed on to.

use std::fs;
use std::sync::{Arc, Mutex};

use parlour_node::{ApiLimits, Ui};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::echoroom::{Gate, begun, upgrade};
use super::support::patient;

/// A folder as a build of a UI leaves it, with what it must not lead to beside it.
fn folder(root: &TempDir) -> String {
    let ui = root.path().join("ui");
    fs::create_dir_all(ui.join("assets")).unwrap();
    fs::create_dir(ui.join(".git")).unwrap();
    for (file, text) in [
        ("secret.txt", "secret"),
        ("ui/index.html", "<p>the page"),
        ("ui/assets/app.js", "let x;"),
        ("ui/assets/logo.svg", "<svg/>"),
        ("ui/assets/data", "plain"),
        ("ui/.git/config", "hidden"),
        ("ui/.env", "hidden"),
    ] {
        fs::write(root.path().join(file), text).unwrap();
    }
    std::os::unix::fs::symlink("../../secret.txt", ui.join("assets/link.txt")).unwrap();
    std::os::unix::fs::symlink("../..", ui.join("assets/up")).unwrap();
    std::os::unix::fs::symlink("app.js", ui.join("assets/same.js")).unwrap();
    ui.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_served_and_nothing_beside_it() {
    let (data, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let ui: Ui = folder(&root).parse().unwrap();
    let gate = Gate::with(&data, ApiLimits::default(), |gateway| gateway.ui = Some(ui)).await;
    for (path, status, kind, text) in [
        ("/", 200, "text/html; charset=utf-8", "<p>the page"),
        ("/room/garden", 200, "text/html; charset=utf-8", "<p>the page"),
        ("/assets/app.js", 200, "text/javascript; charset=utf-8", "let x;"),
        ("/assets/same.js", 200, "text/javascript; charset=utf-8", "let x;"),
        ("/assets/logo.svg", 200, "image/svg+xml", "<svg/>"),
        ("/assets/data", 200, "application/octet-stream", "plain"),
        ("/assets", 200, "text/html; charset=utf-8", "<p>the page"),
        ("/assets/missing.js", 404, "application/json", ""),
        ("/favicon.ico", 404, "application/json", ""),
        ("/assets/link.txt", 404, "application/json", ""),
        ("/assets/up/secret.txt", 404, "application/json", ""),
        ("/../secret.txt", 404, "application/json", ""),
        ("/%2e%2e/secret.txt", 404, "application/json", ""),
        ("/assets/..%2f..%2fsecret.txt", 404, "application/json", ""),
        ("/.git/config", 404, "application/json", ""),
        ("/.env", 404, "application/json", ""),
        ("/x%00.js", 404, "application/json", ""),
    ] {
        let reply = gate.gate.send(&gate.request("GET", path)).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, Some(kind)),
            "{path}"
        );
        assert!(
            !reply.text().contains("secret") && !reply.text().contains("hidden"),
            "{path}"
        );
        if status == 200 {
            assert_eq!(reply.text(), text, "{path}");
            let policy = reply.header("content-security-policy").unwrap();
            assert!(
                policy.contains("frame-ancestors 'none'") && !policy.contains("default-src"),
                "{policy}"
            );
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        }
    }
    let head = gate.gate.send(&gate.request("HEAD", "/assets/app.js")).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
    let post = gate.request("POST", "/assets/app.js").set("Content-Length", "0");
    assert_eq!(gate.gate.send(&post).await.status, 404);
    // The family's calls stay what they are, but for somebody who opens that address in a browser.
    assert_eq!(gate.gate.send(&gate.request("GET", "/rooms")).await.status, 401);
    let page = gate.request("GET", "/rooms").set("Accept", "text/html,*/*");
    let page = gate.gate.send(&page.set("Sec-Fetch-Dest", "document")).await;
    assert_eq!((page.status, page.text().as_str()), (200, "<p>the page"));
    let foreign = gate.request("GET", "/").set("Host", "evil.example");
    assert_eq!(gate.gate.send(&foreign).await.status, 403);
    gate.node.stop().await;
}

/// A server that says what it was asked, and sends back what comes over an upgraded connection.
async fn server() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let upgrades = head.to_lowercase().contains("upgrade: websocket");
                seen.lock().unwrap().push(head);
                if upgrades {
                    let answer =
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
                    socket.write_all(answer.as_bytes()).await.unwrap();
                    let (mut read, mut write) = socket.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                } else {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\
                                  Access-Control-Allow-Origin: *\r\nContent-Security-Policy: default-src 'self'\r\n\r\nhello";
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address.to_string(), heads)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_the_familys_is_passed_on_to_a_server_upgrades_included() {
    let data = TempDir::new().unwrap();
    let (address, heads) = server().await;
    let ui: Ui = format!("http://{address}").parse().unwrap();
    let limits = ApiLimits {
        connections: 8,
        ..ApiLimits::default()
    };
    let gate = Gate::with(&data, limits, |gateway| gateway.ui = Some(ui)).await;
    let own = format!("http://{}", gate.gate.address);
    let asked = gate.request("GET", "/src/main.ts?v=1").set("Origin", &own);
    let asked = asked.set("Authorization", "Bearer secret");
    let reply = gate
        .gate
        .send(&asked.set("Cookie", "a=1; refreshToken_3000=secret"))
        .await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "hello"));
    assert_eq!(reply.header("access-control-allow-origin"), Some(own.as_str()));
    assert_eq!(reply.header("content-security-policy"), Some("default-src 'self'"));
    let head = heads.lock().unwrap().remove(0).to_lowercase();
    assert!(head.starts_with("get /src/main.ts?v=1 http/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("host: {address}\r\n")) && head.contains("cookie: a=1\r\n"),
        "{head}"
    );
    assert!(!head.contains("secret"), "{head}");
    assert_eq!(gate.gate.send(&gate.request("GET", "/rooms")).await.status, 401);
    assert!(
        heads.lock().unwrap().is_empty(),
        "a call of the family is not the server's"
    );

    let (status, mut socket) = begun(&gate, &upgrade(&gate, "/hot").set("Origin", &own)).await;
    assert_eq!(status, 101);
    socket.write_all(b"there and back").await.unwrap();
    let mut back = [0; 14];
    patient("an echo", socket.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"there and back");
    let foreign = upgrade(&gate, "/hot").set("Origin", "http://evil.example");
    assert_eq!(gate.gate.send(&foreign).await.status, 403);
    // An open one does not hold up the stop.
    patient("the stop", gate.node.stop()).await;
    assert_eq!(socket.read(&mut back).await.unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_said_to_be_so() {
    let data = TempDir::new().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ui: Ui = format!("http://{gone}").parse().unwrap();
    let gate = Gate::with(&data, ApiLimits::default(), |gateway| gateway.ui = Some(ui)).await;
    let reply = gate.gate.send(&gate.request("GET", "/")).await;
    assert_eq!((reply.status, reply.json()["message"].is_string()), (502, true));
    gate.node.stop().await;
}
