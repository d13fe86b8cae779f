//! Talks to a node through its local HTTP API. Knows paths, tokens and errors; what the answers mean is the commands' matter.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::events::Events;

/// An answer that takes longer will not come: nothing behind the API waits for the network.
const ANSWER: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);

/// Longer addresses are refused before the node can say what is wrong with them.
const MAX_URL: usize = 16_384;

/// A way to one node. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    embedded: bool,
}

impl Client {
    /// # Errors
    /// The URL or the token is not one.
    pub(crate) fn new(url: &str, token: &str, embedded: bool) -> Result<Self, CallError> {
        let unreadable = |what: &str| CallError::Unreadable(what.to_owned());
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {}", token.trim())).map_err(|_| unreadable("the API token"))?;
        bearer.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .connect_timeout(CONNECT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(CallError::Unreachable)?;
        let base = Url::parse(url).map_err(|_| unreadable("the API address"))?;
        Ok(Self { http, base, embedded })
    }

    /// Whether the node lives only as long as this command.
    pub(crate) fn is_embedded(&self) -> bool {
        self.embedded
    }

    /// Where the node's API is, as `http://IP:PORT`.
    pub(crate) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Reads something. `path` is below `/api/v1`, one element a segment.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, CallError> {
        json(
            self.request(Method::GET, path)?
                .query(query)
                .timeout(ANSWER)
                .send()
                .await,
        )
        .await
    }

    /// The `items` of a list.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn items(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Vec<Value>, CallError> {
        Ok(items(self.get(path, query).await?))
    }

    /// Writes something.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn post(&self, path: &[&str], body: &Value) -> Result<Value, CallError> {
        json(
            self.request(Method::POST, path)?
                .json(body)
                .timeout(ANSWER)
                .send()
                .await,
        )
        .await
    }

    /// Changes something.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn patch(&self, path: &[&str], body: &Value) -> Result<Value, CallError> {
        json(
            self.request(Method::PATCH, path)?
                .json(body)
                .timeout(ANSWER)
                .send()
                .await,
        )
        .await
    }

    /// Sets something.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn put(&self, path: &[&str], body: &Value) -> Result<Value, CallError> {
        json(self.request(Method::PUT, path)?.json(body).timeout(ANSWER).send().await).await
    }

    /// Replaces something by bytes of a type.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn put_bytes(&self, path: &[&str], kind: &str, bytes: Vec<u8>) -> Result<(), CallError> {
        let request = self.request(Method::PUT, path)?.header(CONTENT_TYPE, kind);
        json(request.body(bytes).timeout(ANSWER).send().await).await.map(drop)
    }

    /// Takes something away and says how it stands then.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn take_away(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value, CallError> {
        let request = self.request(Method::DELETE, path)?.query(query);
        json(request.timeout(ANSWER).send().await).await
    }

    /// Takes something back.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), CallError> {
        json(self.request(Method::DELETE, path)?.timeout(ANSWER).send().await)
            .await
            .map(drop)
    }

    /// Whether the node can take and keep messages: a `status`, and a `detail` if it is not `ok`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn health(&self) -> Result<Value, CallError> {
        let mut url = self.base.clone();
        url.set_path("/health/ready");
        let response = self.http.get(url).timeout(ANSWER).send().await;
        let body = response.map_err(CallError::Unreachable)?.bytes().await;
        let body = body.map_err(CallError::Unreachable)?;
        serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.to_string()))
    }

    /// The last feed seq.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn feed(&self) -> Result<u64, CallError> {
        Ok(self.get(&["stats"], &[]).await?["feed"].as_u64().unwrap_or(0))
    }

    /// Opens the stream of changes behind a feed seq.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn events(&self, after: u64) -> Result<Events, CallError> {
        let request = self.request(Method::GET, &["events"])?.query(&[("after", after)]);
        Ok(Events::new(checked(request.send().await).await?))
    }

    /// As [`Client::events`], with typing and presence between them.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn all_events(&self, after: u64) -> Result<Events, CallError> {
        let after = after.to_string();
        let query = [("after", after.as_str()), ("ephemeral", "true")];
        let request = self.request(Method::GET, &["events"])?.query(&query);
        Ok(Events::new(checked(request.send().await).await?))
    }

    /// Reads again after each change on the node until `done` or until the deadline; answers the last thing read and whether
    /// it is done.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn wait_until<T>(
        &self,
        deadline: Instant,
        read: impl AsyncFn() -> Result<T, CallError>,
        done: impl Fn(&T) -> bool,
    ) -> Result<(T, bool), CallError> {
        // The feed first: a change between the two reads is behind this cursor, so that none is missed.
        let after = self.feed().await?;
        let value = read().await?;
        if done(&value) {
            return Ok((value, true));
        }
        let mut events = self.events(after).await?;
        loop {
            match timeout_at(deadline, events.next()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None)) => return Err(CallError::Ended),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let value = read().await?;
                    let done = done(&value);
                    return Ok((value, done));
                }
            }
            let value = read().await?;
            if done(&value) {
                return Ok((value, true));
            }
        }
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder, CallError> {
        // A path would lead elsewhere without such a segment.
        if let Some(nobody) = path.iter().find(|segment| ["", ".", ".."].contains(segment)) {
            return Err(CallError::NoName((*nobody).to_owned()));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(["api", "v1"]).extend(path);
        }
        if url.as_str().len() > MAX_URL {
            return Err(CallError::TooLong);
        }
        Ok(self.http.request(method, url))
    }
}

/// The `items` of a list that was read.
pub(crate) fn items(list: Value) -> Vec<Value> {
    match list {
        Value::Object(mut fields) => match fields.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

async fn json(response: Result<Response, reqwest::Error>) -> Result<Value, CallError> {
    let body = checked(response).await?.bytes().await.map_err(CallError::Unreachable)?;
    if body.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&body).map_err(|error| CallError::Unreadable(error.to_string()))
}

async fn checked(response: Result<Response, reqwest::Error>) -> Result<Response, CallError> {
    // What was asked stands in the address, and need not be said again.
    let response = response.map_err(|error| CallError::Unreachable(error.without_url()))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    let mut problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    problem.status = status.as_u16();
    Err(CallError::Refused(Box::new(problem)))
}

/// Why the node said no (RFC 9457).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Problem {
    pub status: u16,
    pub code: String,
    pub title: String,
    pub detail: String,
    /// What an ambiguous name may mean.
    pub candidates: Value,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.detail.as_str(), self.title.as_str()) {
            ("", "") => write!(f, "the node refused with HTTP status {}", self.status)?,
            ("", title) => f.write_str(title)?,
            (detail, _) => f.write_str(detail)?,
        }
        let candidates = self.candidates.as_array().map(Vec::as_slice).unwrap_or_default();
        for (n, candidate) in candidates.iter().enumerate() {
            f.write_str(if n == 0 { ": " } else { ", " })?;
            let name = candidate
                .as_str()
                .or_else(|| candidate["display"].as_str())
                .or_else(|| candidate["name"].as_str());
            let id = candidate["user_id"].as_str().or_else(|| candidate["id"].as_str());
            match (name, id) {
                (Some(name), Some(id)) => write!(f, "{name} ({id})")?,
                (Some(one), None) | (None, Some(one)) => f.write_str(one)?,
                (None, None) => write!(f, "{candidate}")?,
            }
        }
        Ok(())
    }
}

/// Why a call to the node failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The node answered, and the answer is no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// No connection, or it broke.
    #[error("the node does not answer")]
    Unreachable(#[source] reqwest::Error),
    /// What was typed cannot be part of a path.
    #[error("{0:?} names nothing and nobody")]
    NoName(String),
    /// What was typed is longer than anything can be called.
    #[error("a name or an id that was given is too long")]
    TooLong,
    /// It stopped while we waited.
    #[error("the node has stopped")]
    Ended,
    /// Not what a node of this version says.
    #[error("the node's answer cannot be read: {0}")]
    Unreadable(String),
}

impl CallError {
    /// Whether the node knows of nothing that is called so.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(problem) if problem.status == 404)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_from_users_stay_inside_their_path_segment() {
        let client = Client::new("http://127.0.0.1:7700", "00", false).unwrap();
        let request = client
            .request(Method::GET, &["contacts", "a/../b?x=#é"])
            .unwrap()
            .build()
            .unwrap();
        assert_eq!(
            request.url().as_str(),
            "http://127.0.0.1:7700/api/v1/contacts/a%2F..%2Fb%3Fx=%23%C3%A9"
        );
    }

    #[test]
    fn what_cannot_be_part_of_a_path_asks_for_nothing_else() {
        let client = Client::new("http://127.0.0.1:7700", "00", false).unwrap();
        for nobody in ["", ".", ".."] {
            let wrong = client.request(Method::GET, &["contacts", nobody, "avatar"]);
            assert!(matches!(wrong, Err(CallError::NoName(_))), "{nobody:?}");
        }
        let long = client.request(Method::GET, &["contacts", &"x".repeat(70_000)]);
        assert!(matches!(long, Err(CallError::TooLong)));
    }

    #[test]
    fn the_token_is_not_in_debug_output() {
        let client = Client::new("http://127.0.0.1:7700", "5ec2e7", false).unwrap();
        assert!(!format!("{client:?}").contains("5ec2e7"));
    }

    #[test]
    fn an_ambiguous_name_lists_what_it_may_mean() {
        let problem = Problem {
            detail: "the name is ambiguous".to_owned(),
            candidates: json!([{ "display": "bo", "user_id": "user_a" }, "user_b"]),
            ..Problem::default()
        };
        assert_eq!(problem.to_string(), "the name is ambiguous: bo (user_a), user_b");
    }
}
