//! People who make accounts for themselves: by which rule, through which door, and that what they get works at once.

use parlour_node::{DataDir, NewAccount, Node, Registration, WaitingNode, create_account, now_ms};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::support::{Program, Reply, options, patient};

const PASSWORD: &str = "correct horse";

fn program(url: &str, token: &str) -> Program {
    Program {
        address: url.strip_prefix("http://").unwrap().parse().unwrap(),
        token: token.to_owned(),
    }
}

/// A node with the account ada.
async fn node(data: &TempDir, rule: Registration) -> (Node, Program) {
    if DataDir::new(data.path()).accounts().unwrap().is_empty() {
        create_account(&DataDir::new(data.path()), &NewAccount::named("ada"), now_ms()).unwrap();
    }
    let node = Node::start(options(data)).await.unwrap();
    node.set_registration(rule);
    let native = program(&node.api_url(), node.token());
    (node, native)
}

async fn register(native: &Program, wish: &Value) -> Reply {
    let request = native
        .request("POST", "/api/v1/session/register")
        .without("Authorization");
    let request = request.set("Content-Type", "application/json").body(&wish.to_string());
    native.send(&request).await
}

fn wish(name: &str) -> Value {
    json!({ "name": name, "email": format!("{name}@example.org"), "password": PASSWORD })
}

fn code(reply: &Reply) -> (u16, String) {
    (
        reply.status,
        reply.json()["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_made_on_a_running_node_works_at_once_and_after_the_next_start() {
    let data = TempDir::new().unwrap();
    let (mut node, native) = node(&data, Registration::Open).await;
    let echo = node
        .open_gateway("echoroom=127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let chat = node
        .open_gateway("socketchat=127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let made = register(&native, &wish("bo")).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    assert_eq!((&made["account"], &made["name"]), (&json!("bo"), &json!("bo")));
    assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);
    let bo = program(&node.api_url(), made["token"].as_str().unwrap());
    let me = bo.get("/api/v1/me").await.json();
    assert_eq!((&me["user_id"], &me["account"]), (&made["user_id"], &json!("bo")));
    let room = bo.post("/api/v1/rooms", &json!({ "name": "den" })).await;
    assert_eq!(room.status, 201, "{}", room.text());
    assert_eq!(
        native.get("/api/v1/rooms").await.json()["items"],
        json!([]),
        "ada sees nothing of it"
    );
    // The command line has its way in.
    let cookie = std::fs::read_to_string(DataDir::new(data.path()).cookie_of("bo")).unwrap();
    let line = program(&node.api_url(), cookie.trim());
    assert_eq!(line.get("/api/v1/me").await.json()["account"], "bo");

    // Through the gateways of both families.
    let echo = program(&format!("http://{echo}"), "");
    let cy = json!({ "displayName": "cy", "email": "cy@example.org", "password": PASSWORD });
    let cy = echo.post("/auth/register", &cy).await;
    assert_eq!(cy.status, 201, "{}", cy.text());
    assert!(cy.header("set-cookie").unwrap().starts_with("refreshToken_"));
    assert_eq!(cy.json()["user"]["displayName"], "cy");
    let again = json!({ "displayName": "cy", "email": "CY@example.org", "password": PASSWORD });
    assert_eq!(echo.post("/auth/register", &again).await.status, 409);
    let chat = program(&format!("http://{chat}"), "");
    let other = json!({ "username": "Bo ", "email": "bo2@example.org", "password": PASSWORD });
    // Two characters are too few for this family; a name may be there twice.
    assert_eq!(chat.post("/api/auth/register", &other).await.status, 400);
    let other = json!({ "username": "ada", "email": "ada2@example.org", "password": PASSWORD });
    let other = chat.post("/api/auth/register", &other).await;
    assert_eq!(other.status, 201, "{}", other.text());
    assert_eq!(other.json()["data"]["user"]["username"], "ada");
    assert_eq!(
        DataDir::new(data.path()).accounts().unwrap(),
        ["ada", "ada-2", "bo", "cy"]
    );
    patient("the stop", node.stop()).await;

    let (node, native) = self::node(&data, Registration::Closed).await;
    let login = json!({ "name": "bo@example.org", "password": PASSWORD });
    let login = native.post("/api/v1/session/login", &login).await;
    assert_eq!(login.status, 200, "{}", login.text());
    let bo = program(&node.api_url(), login.json()["token"].as_str().unwrap());
    assert_eq!(bo.get("/api/v1/rooms").await.json()["items"][0]["name"], "den");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_an_account_against_the_rule() {
    let data = TempDir::new().unwrap();
    let (node, native) = node(&data, Registration::default()).await;
    assert_eq!(
        code(&register(&native, &wish("eve")).await),
        (403, "registration_closed".into())
    );
    node.set_registration(Registration::First);
    assert_eq!(
        code(&register(&native, &wish("eve")).await),
        (403, "registration_closed".into())
    );
    node.set_registration(Registration::Invite);
    assert_eq!(code(&register(&native, &wish("eve")).await), (403, "bad_code".into()));
    let invited = native.post("/api/v1/accounts/invites", &json!({})).await;
    assert_eq!(invited.status, 201, "{}", invited.text());
    let with = |name: &str, password: &str| {
        let mut wish = wish(name);
        wish["code"] = invited.json()["code"].clone();
        wish["password"] = json!(password);
        wish
    };
    // What fails for another reason leaves the invitation good.
    assert_eq!(register(&native, &with("bo", "short")).await.status, 400);
    let made = register(&native, &with("bo", PASSWORD)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(
        code(&register(&native, &with("cy", PASSWORD)).await),
        (403, "bad_code".into())
    );
    // Only the command line invites.
    let page = program(&node.api_url(), made.json()["token"].as_str().unwrap());
    assert_eq!(page.post("/api/v1/accounts/invites", &json!({})).await.status, 403);
    // Five tries, and whoever comes then waits.
    assert_eq!(register(&native, &with("dee", PASSWORD)).await.status, 429);
    assert_eq!(DataDir::new(data.path()).accounts().unwrap(), ["ada", "bo"]);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_first_gets_the_account_of_a_node_that_has_none() {
    let data = TempDir::new().unwrap();
    let mut waiting = WaitingNode::start(options(&data)).await.unwrap();
    let echo = waiting
        .open_gateway("echoroom=127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let native = program(&waiting.api_url(), waiting.token());
    assert_eq!(register(&native, &wish("eve")).await.status, 403);
    waiting.set_registration(Registration::First);
    let wish = json!({ "displayName": "ada", "email": "ada@example.org", "password": PASSWORD });
    let coming = tokio::spawn(async move {
        let echo = program(&format!("http://{echo}"), "");
        echo.post("/auth/register", &wish).await
    });
    let node = patient("the node", waiting.complete()).await.unwrap();
    let made = patient("an answer", coming).await.unwrap();
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["user"]["_id"], node.facts().own.user.to_string());
    let second = register(&native, &self::wish("bo")).await;
    assert_eq!(code(&second), (403, "registration_closed".into()));
    node.stop().await;
}
