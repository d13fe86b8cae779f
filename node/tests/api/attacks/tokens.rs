//! Tokens and cookies in the wrong places.

use super::{Case, Door, Doors};

#[tokio::test(flavor = "multi_thread")]
async fn the_token_counts_only_where_it_belongs() {
    let doors = Doors::open().await;
    doors.check(tokens).await;
}

pub(super) fn tokens(door: &Door) -> Vec<Case> {
    match door.name {
        "chatterbox" => cookies(door),
        "API" => [bearers(door), around(door)].concat(),
        _ => bearers(door),
    }
}

fn bearers(door: &Door) -> Vec<Case> {
    let (w, token) = (&door.write, &door.program.token);
    let bare = w.clone().without("Authorization");
    let auth = |value: &str| w.clone().set("Authorization", value);
    vec![
        ("no token", 401, bare.clone()),
        ("empty", 401, auth("")),
        ("scheme only", 401, auth("Bearer ")),
        ("no scheme", 401, auth(token)),
        ("another scheme", 401, auth(&format!("Basic {token}"))),
        ("wrong token", 401, auth(&format!("Bearer {}", "0".repeat(64)))),
        ("a part of it", 401, auth(&format!("Bearer {}", &token[..63]))),
        ("more than it", 401, auth(&format!("Bearer {token}0"))),
        ("other letters", 401, auth(&format!("Bearer {}", token.to_uppercase()))),
        ("very long", 401, auth(&format!("Bearer {}", "a".repeat(8000)))),
        ("twice", 400, w.clone().add("Authorization", &format!("Bearer {token}"))),
        (
            "a wrong one first",
            400,
            auth("Bearer x").add("Authorization", &format!("Bearer {token}")),
        ),
        (
            "in the query",
            401,
            bare.clone().target(&format!("{}?token={token}", w.target)),
        ),
        (
            "in the query by another name",
            401,
            bare.clone().target(&format!("{}?access_token={token}", w.target)),
        ),
        (
            "in a cookie",
            401,
            bare.clone()
                .add("Cookie", &format!("token={token}; Authorization=Bearer {token}")),
        ),
        ("in a header of ours", 401, bare.clone().add("X-Api-Key", token)),
        (
            "for the proxy",
            401,
            bare.clone().add("Proxy-Authorization", &format!("Bearer {token}")),
        ),
        (
            "in the body",
            401,
            door.saying(&format!("\"x\",\"token\":\"{token}\""))
                .without("Authorization"),
        ),
    ]
}

/// Paths of the API that need no token do not help.
fn around(door: &Door) -> Vec<Case> {
    let bare = door.write.clone().without("Authorization");
    vec![
        (
            "around a public path",
            401,
            bare.clone().target("/health/live/../../api/v1/me").method("GET"),
        ),
        ("two slashes", 401, bare.clone().target("//health/live").method("GET")),
        (
            "unknown path",
            401,
            bare.clone().target("/api/v1/nothing").method("GET"),
        ),
        ("preflight", 401, bare.method("OPTIONS")),
    ]
}

/// Where a cookie is what others have a token for.
fn cookies(door: &Door) -> Vec<Case> {
    let (w, token, port) = (&door.write, &door.program.token, door.program.address.port());
    let bare = w.clone().without("Cookie");
    let cookie = |name: String, value: &str| bare.clone().set("Cookie", &format!("{name}={value}"));
    let own = || format!("chatterboxSession_{port}");
    vec![
        ("no cookie", 401, bare.clone()),
        ("empty", 401, cookie(own(), "")),
        ("wrong token", 401, cookie(own(), &"0".repeat(64))),
        ("a part of it", 401, cookie(own(), &token[..63])),
        ("more than it", 401, cookie(own(), &format!("{token}0"))),
        ("other letters", 401, cookie(own(), &token.to_uppercase())),
        ("very long", 401, cookie(own(), &"a".repeat(8000))),
        ("in quotes", 401, cookie(own(), &format!("\"{token}\""))),
        ("another port's", 401, cookie("chatterboxSession_9002".into(), token)),
        ("another family's", 401, cookie(format!("refreshToken_{port}"), token)),
        ("of no port", 401, cookie("chatterboxSession".into(), token)),
        ("of a longer name", 401, cookie(format!("x{}", own()), token)),
        ("of another case", 401, cookie(own().to_lowercase(), token)),
        (
            "as a bearer's",
            401,
            bare.clone().add("Authorization", &format!("Bearer {token}")),
        ),
        (
            "in the query",
            401,
            bare.clone().target(&format!("{}?token={token}", w.target)),
        ),
        ("in a header of ours", 401, bare.clone().add("X-Api-Key", token)),
        (
            "for somebody else",
            403,
            w.clone()
                .body("{\"senderId\":\"user_x\",\"receiverId\":\"x\",\"content\":\"x\"}"),
        ),
    ]
}
