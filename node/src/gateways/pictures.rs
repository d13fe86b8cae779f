//! Pictures of people, at addresses of a gateway that need no header, since an `<img>` sends none. Whoever was told such an address
//! may look, for as long as the login it was told to goes on; what is there is asked of API v1 in that login's name each time.
//!
//! `/.avatars/SEAT/USER/HASH/PROOF`, PROOF = BLAKE3(key, SEAT "/" USER "/" HASH), the key drawn when the gateway opens.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::inside::{Refused, part};
use super::people::{self, has_picture, is_seen};
use super::request::{Asker, Gate, Here, bad};
use crate::api::{ForEveryPage, PICTURES};

/// For how long a browser may show one without asking again. Another picture of the same person has another address.
const KEPT: HeaderValue = HeaderValue::from_static("private, max-age=3600");
/// Shown by itself, a picture is nothing that could run.
const INERT: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; sandbox");

/// What addresses are proved with.
pub(super) struct Pictures(Zeroizing<[u8; 32]>);

impl Pictures {
    pub(super) fn new() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rand_core::Rng::fill_bytes(&mut crate::random::SystemRng, key.as_mut_slice());
        Self(key)
    }

    /// No part has a `/` in it where a proof is made, so that another cut has another number of them.
    fn proof(&self, seat: &str, user: &str, hash: &str) -> blake3::Hash {
        blake3::keyed_hash(&self.0, format!("{seat}/{user}/{hash}").as_bytes())
    }

    fn path(&self, seat: &str, user: &str, hash: &str) -> String {
        format!("{PICTURES}{seat}/{user}/{hash}/{}", self.proof(seat, user, hash))
    }

    /// Whether this gateway has made an address of these parts; in constant time.
    fn is_own(&self, seat: &str, user: &str, hash: &str, proof: &str) -> bool {
        blake3::Hash::from_hex(proof).is_ok_and(|proof| proof == self.proof(seat, user, hash))
    }

    /// Whose picture was at an address that this gateway has made.
    fn person<'a>(&self, address: &'a str) -> Option<&'a str> {
        let (_, parts) = address.split_once(PICTURES)?;
        let mut parts = parts.split('/');
        let (seat, user, hash, proof) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        (parts.next().is_none() && self.is_own(seat, user, hash, proof)).then_some(user)
    }
}

/// Where the pictures of some people are, by user id; of whoever has none that the account sees, nothing.
pub(super) type Faces = BTreeMap<String, Value>;

/// Where somebody's picture is; null without one.
pub(super) fn face<'a>(faces: &'a Faces, user: &Value) -> &'a Value {
    user.as_str().and_then(|user| faces.get(user)).unwrap_or(&Value::Null)
}

impl Asker {
    /// Where the picture of somebody with this profile is, for whoever asks; null without one.
    pub(super) fn address(&self, user: &Value, profile: &Value) -> Value {
        match (user.as_str(), profile["avatar_hash"].as_str()) {
            (Some(user), Some(hash)) => {
                let path = self.inside.pictures.path(&self.caller.seat(), user, hash);
                json!(format!("http://{}{path}", self.here.host))
            }
            _ => Value::Null,
        }
    }

    /// Where the picture of a contact is.
    pub(super) fn face_of(&self, contact: &Value) -> Value {
        match is_seen(contact) {
            true => self.address(&contact["user_id"], &contact["profile"]),
            false => Value::Null,
        }
    }

    /// Where the pictures of those are who have written these messages.
    pub(super) async fn faces<'a>(&self, messages: impl IntoIterator<Item = &'a Value>) -> Faces {
        let mut faces = Faces::new();
        for message in messages {
            let Some(author) = message["author"].as_str().filter(|author| !faces.contains_key(*author)) else {
                continue;
            };
            let found = match message["own"] == true {
                true => self.get("/api/v1/me/profile").await,
                false => self.get(&format!("/api/v1/contacts/{}", part(author))).await,
            };
            // Fellow members are no contacts, and a token for one conversation sees none.
            let face = match found {
                Ok(profile) if message["own"] == true => self.address(&message["author"], &profile),
                Ok(contact) if contact["user_id"] == author => self.face_of(&contact),
                _ => Value::Null,
            };
            faces.insert(author.to_owned(), face);
        }
        faces
    }

    /// What API v1 is to be told of a picture that a page names by an address: null takes it away, and nothing is fetched from
    /// elsewhere. `None`, if it is the address of the picture that is there.
    pub(super) async fn named_picture(&self, address: &Value) -> Result<Option<Value>, Refused> {
        let address = match address {
            Value::Null => return Ok(Some(Value::Null)),
            Value::String(text) => text.trim(),
            _ => return Err(bad("avatarUrl must be a text or null")),
        };
        if address.is_empty() {
            return Ok(Some(Value::Null));
        }
        if let Some(user) = self.inside.pictures.person(address)
            && self.get("/api/v1/session").await?["user_id"] == user
        {
            return Ok(None);
        }
        let data = data_of(address).ok_or_else(|| {
            bad("a picture is taken as data:image/...;base64,... and from no other address: nothing is fetched")
        })?;
        Ok(Some(json!(data)))
    }

    /// Changes what is named of the account's profile, or nothing of that; answers what it is then.
    pub(super) async fn change_profile(&self, wish: &Value) -> Result<Value, Refused> {
        self.ask(Method::PATCH, "/api/v1/me/profile", Some(wish)).await
    }
}

/// The base64 of a `data:` address of a picture. Which kind of picture it is, its bytes say.
fn data_of(address: &str) -> Option<&str> {
    let (head, data) = address.split_once(',')?;
    let head = head.to_ascii_lowercase();
    (head.starts_with("data:image/") && head.ends_with(";base64")).then_some(data)
}

/// Answers for the addresses, beside a family's calls.
pub(super) fn with_pictures(calls: Router<Gate>) -> Router<Gate> {
    calls.route(&format!("{PICTURES}{{seat}}/{{user}}/{{hash}}/{{proof}}"), get(show))
}

type Parts = Path<(String, String, String, String)>;

async fn show(State(gate): State<Gate>, here: Here, parts: Result<Parts, PathRejection>) -> Result<Response, Refused> {
    let gone = || Refused::new(StatusCode::NOT_FOUND, "there is no such picture, or not any more");
    let Path((seat, user, hash, proof)) = parts.map_err(|_| gone())?;
    let inside = gate.inside;
    if !inside.pictures.is_own(&seat, &user, &hash, &proof) {
        return Err(gone());
    }
    let caller = inside.seated(&seat).ok_or_else(gone)?;
    inside.admit(&caller)?;
    let asker = Asker { inside, caller, here };
    let person = people::find(&asker, &user).await.map_err(|_| gone())?;
    if !has_picture(&person.profile) || person.profile["avatar_hash"] != hash.as_str() {
        return Err(gone());
    }
    let mut response = person.picture(&asker).await?;
    response
        .headers_mut()
        .extend([(CACHE_CONTROL, KEPT), (CONTENT_SECURITY_POLICY, INERT)]);
    // Pages of other origins show it; to name it is as much as to be let in.
    response.extensions_mut().insert(ForEveryPage);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_good_as_it_was_made_and_in_no_other_way() {
        let (pictures, others) = (Pictures::new(), Pictures::new());
        let path = pictures.path("login_a", "user_b", "c");
        let address = format!("http://localhost:3000{path}");
        assert_eq!(pictures.person(&address), Some("user_b"));
        assert_eq!(others.person(&address), None);
        let proof = path.rsplit('/').next().unwrap();
        assert!(pictures.is_own("login_a", "user_b", "c", proof));
        for (seat, user, hash, proof) in [
            ("login_b", "user_b", "c", proof),
            ("login_a", "user_c", "c", proof),
            ("login_a", "user_b", "d", proof),
            ("login_a/user_b", "c", "", proof),
            ("login_a", "user_b/c", "", proof),
            ("login_a", "user_b", "c", ""),
            ("login_a", "user_b", "c", &proof[1..]),
        ] {
            assert!(
                !pictures.is_own(seat, user, hash, proof),
                "{seat} {user} {hash} {proof}"
            );
        }
        for other in ["", "/.avatars/", &format!("{address}/x"), &address[..address.len() - 1]] {
            assert_eq!(pictures.person(other), None, "{other}");
        }
    }

    #[test]
    fn data_is_of_a_picture_and_in_base64() {
        assert_eq!(data_of("data:image/png;base64,QUI="), Some("QUI="));
        assert_eq!(data_of("DATA:image/svg+xml;charset=x;BASE64,"), Some(""));
        for other in [
            "data:text/html;base64,QUI=",
            "data:image/png,AB",
            "image/png;base64,QUI=",
            "data:;base64,QUI=",
        ] {
            assert_eq!(data_of(other), None, "{other}");
        }
    }
}
