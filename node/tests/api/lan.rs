//! The door to the network, with a TLS client that trusts the node's certificate alone.

use std::net::SocketAddr;
use std::sync::Arc;

use parlour_node::{Certificate, Lan, LanError, LanFacts};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::{Program, Raw, Reply, TestApi, patient, read_head, read_reply, read_to_end};

/// A node with a door to a network that is this machine's loopback.
struct Open {
    api: TestApi,
    facts: LanFacts,
    lan: Program,
}

impl Open {
    async fn with(hosts: &[&str]) -> Self {
        let mut api = TestApi::start().await;
        let facts = api.node().open_lan(wish(hosts, Certificate::Own)).await.unwrap();
        let address = facts
            .urls
            .last()
            .unwrap()
            .strip_prefix("https://")
            .unwrap()
            .parse()
            .unwrap();
        let token = api.node().token().to_owned();
        let lan = Program { address, token };
        Self { api, facts, lan }
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.api.data().join("tls/certificate.pem")).unwrap()
    }

    /// A connection of somebody who knows the node by this name.
    async fn by(&self, name: &str) -> TlsStream<TcpStream> {
        connect(self.lan.address, name, self.certificate()).await.unwrap()
    }

    async fn send(&self, raw: &Raw) -> Reply {
        let mut socket = self.by("localhost").await;
        socket.write_all(&raw.bytes()).await.unwrap();
        patient("an answer", read_reply(&mut socket)).await
    }

    /// Somebody says which host they mean.
    fn to(&self, host: &str) -> Raw {
        self.lan.request("GET", "/api/v1/me").set("Host", host)
    }
}

fn wish(hosts: &[&str], certificate: Certificate) -> Lan {
    Lan {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
        certificate,
    }
}

async fn connect(
    to: SocketAddr,
    name: &str,
    trusted: CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    patient(
        "the handshake",
        TlsConnector::from(Arc::new(config)).connect(name, socket),
    )
    .await
}

#[tokio::test]
async fn the_api_is_there_over_tls_with_the_certificate_whose_fingerprint_is_shown() {
    let open = Open::with(&["box.example"]).await;
    let digest = Sha256::digest(open.certificate().as_ref());
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(open.facts.fingerprint, pairs.join(":"));
    let stats = open.send(&open.lan.request("GET", "/api/v1/stats")).await.json();
    assert_eq!(stats["lan"]["fingerprint"], open.facts.fingerprint.as_str());
    assert_eq!(stats["lan"]["urls"], json!(open.facts.urls));
    assert_eq!(stats["lan"]["own_certificate"], true);
    for name in ["localhost", "127.0.0.1", "box.example"] {
        let mut socket = open.by(name).await;
        let request = open.lan.request("GET", "/health/ready");
        socket.write_all(&request.bytes()).await.unwrap();
        assert_eq!(patient("an answer", read_reply(&mut socket)).await.status, 200);
    }
    let other = Open::with(&[]).await;
    assert!(
        connect(open.lan.address, "localhost", other.certificate())
            .await
            .is_err()
    );
    assert!(
        connect(open.lan.address, "evil.example", open.certificate())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn tokens_hosts_and_origins_are_checked_as_at_the_other_door() {
    let open = Open::with(&["box.example", "192.0.2.9:17743"]).await;
    let port = open.lan.address.port();
    let own = format!("127.0.0.1:{port}");
    for host in [
        &own,
        &format!("localhost:{port}"),
        &format!("Box.example:{port}"),
        "192.0.2.9:17743",
    ] {
        assert_eq!(open.send(&open.to(host)).await.status, 200, "{host}");
    }
    let api = open.api.address.port();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "box.example",
        &format!("192.0.2.9:{port}"),
        &format!("127.0.0.1:{api}"),
        "",
    ] {
        assert_eq!(open.send(&open.to(host)).await.status, 403, "{host:?}");
    }
    let from = |origin: &str| open.to(&own).set("Origin", origin);
    assert_eq!(open.send(&from(&format!("https://{own}"))).await.status, 200);
    assert_eq!(
        open.send(&from(&format!("https://box.example:{port}"))).await.status,
        200
    );
    for origin in [
        &format!("http://{own}"),
        "https://evil.example",
        "null",
        &format!("http://127.0.0.1:{api}"),
    ] {
        assert_eq!(open.send(&from(origin)).await.status, 403, "{origin}");
    }
    assert_eq!(open.send(&open.to(&own).without("Authorization")).await.status, 401);
    assert_eq!(
        open.send(&open.to(&own).set("Authorization", "Bearer 00")).await.status,
        401
    );
    // The other door does not answer for this one's names.
    let there = Program {
        address: open.api.address,
        token: open.api.token.clone(),
    };
    assert_eq!(
        there
            .send(&there.request("GET", "/api/v1/me").set("Host", &own))
            .await
            .status,
        403
    );
}

#[tokio::test]
async fn a_link_for_the_network_pairs_a_browser_there() {
    let mut open = Open::with(&["box.example"]).await;
    let own = Program {
        address: open
            .api
            .node()
            .api_url()
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap(),
        token: open.lan.token.clone(),
    };
    let link = own.post("/api/v1/session/link", &json!({})).await.json();
    let there = link["lan_link"].as_str().unwrap();
    let url = format!("https://box.example:{}", open.lan.address.port());
    let rest = there.strip_prefix(&format!("{url}/#pair=")).unwrap();
    let (code, fingerprint) = rest.split_once("&sha256=").unwrap();
    assert_eq!(fingerprint, open.facts.fingerprint.replace(':', "").to_lowercase());
    assert!(link["link"].as_str().unwrap().ends_with(code));
    let pair = open
        .lan
        .request("POST", "/api/v1/session/pair")
        .without("Authorization")
        .set("Origin", &url)
        .set("Content-Type", "application/json")
        .body(&json!({ "code": code }).to_string());
    let token = open.send(&pair).await.json()["token"].as_str().unwrap().to_owned();
    let me = open
        .lan
        .request("GET", "/api/v1/me")
        .set("Authorization", &format!("Bearer {token}"));
    assert_eq!(open.send(&me).await.status, 200);
    assert_eq!(open.send(&pair).await.status, 403, "it works once");
}

#[tokio::test]
async fn websockets_and_streams_go_over_tls() {
    let open = Open::with(&[]).await;
    let mut socket = open.by("localhost").await;
    let request = open.lan.request("GET", "/api/v1/ws").without("Authorization");
    let request = request.set("Connection", "Upgrade").add("Upgrade", "websocket");
    let request = request.add("Sec-WebSocket-Version", "13");
    let request = request.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    socket.write_all(&request.bytes()).await.unwrap();
    assert_eq!(patient("the upgrade", read_head(&mut socket)).await.status, 101);
    let text = json!({ "type": "auth", "token": open.lan.token }).to_string();
    // A masked text frame of under 126 bytes; a mask of zeros leaves the data as it is.
    let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(text.bytes());
    socket.write_all(&frame).await.unwrap();
    let mut head = [0; 2];
    patient("a frame", socket.read_exact(&mut head)).await.unwrap();
    let mut data = vec![0; usize::from(head[1])];
    socket.read_exact(&mut data).await.unwrap();
    assert_eq!(head[0], 0x81, "one whole frame of text");
    let ready: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(ready["type"], "ready");

    let mut socket = open.by("localhost").await;
    let request = open
        .lan
        .request("GET", "/api/v1/events")
        .set("Connection", "keep-alive");
    socket.write_all(&request.bytes()).await.unwrap();
    let head = patient("the stream", read_head(&mut socket)).await;
    assert_eq!(
        (head.status, head.header("content-type")),
        (200, Some("text/event-stream"))
    );
}

#[tokio::test]
async fn who_speaks_in_plain_is_told_to_use_https_and_learns_nothing_else() {
    let open = Open::with(&[]).await;
    let reply = open.lan.get("/api/v1/me").await;
    assert_eq!((reply.status, &reply.json()["code"]), (400, &json!("tls_required")));
    assert!(reply.text().contains("https://"), "{}", reply.text());
    // Neither does nonsense keep the door busy, nor a client that goes away.
    let mut socket = TcpStream::connect(open.lan.address).await.unwrap();
    socket.write_all(&[0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]).await.unwrap();
    let alert = read_to_end(&mut socket).await;
    assert!(alert.len() < 16, "{alert:?}");
    drop(TcpStream::connect(open.lan.address).await.unwrap());
    assert_eq!(open.send(&open.to(&open.lan.address.to_string())).await.status, 200);
}

#[tokio::test]
async fn a_certificate_from_elsewhere_is_shown_and_a_wrong_one_opens_no_door() {
    let (made, mut api) = (Open::with(&[]).await, TestApi::start().await);
    let file = |name: &str| made.api.data().join("tls").join(name);
    let files = |certificate: &str, key: &str| Certificate::Files {
        certificate: file(certificate),
        key: file(key),
    };
    let refused = api.node().open_lan(wish(&[], files("key.pem", "key.pem"))).await;
    assert!(matches!(refused, Err(LanError::Certificate(_))), "{refused:?}");
    let facts = api
        .node()
        .open_lan(wish(&[], files("certificate.pem", "key.pem")))
        .await
        .unwrap();
    assert_eq!(facts.fingerprint, made.facts.fingerprint);
    assert!(!api.data().join("tls").exists(), "none was made");
}
