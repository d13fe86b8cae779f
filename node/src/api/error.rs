//! The one place where errors meet HTTP: problem JSON (RFC 9457). What went wrong inside is logged, never shown.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlour_crypto::CardError;
use parlour_store::{FindError, QueryError, StoreError};
use serde::Serialize;

use super::auth::{LoginError, RoleError, TokenError};
use crate::engine::{
    AddError, ChangeError, DecisionError, MakeInviteError, ReadMarkError, Refusal, RevokeError, RoomError, SendError,
    StorageFailed, TimerError,
};
use crate::resolve::{Candidate, ResolveError};
use crate::webhooks::{KeepError, MakeHookError, TargetError};

/// An error as the caller sees it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: String,
    field: Option<String>,
    candidates: Vec<Candidate>,
    retry_after_s: Option<u64>,
}

/// The body of an error.
#[derive(Serialize)]
pub(crate) struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    candidates: &'a [Candidate],
}

#[cfg(test)]
impl Problem<'_> {
    pub(crate) fn status(&self) -> u16 {
        self.status
    }
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            candidates: Vec::new(),
            retry_after_s: None,
        }
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn bad_field(field: &str, detail: impl Into<String>) -> Self {
        Self::bad_request("bad_field", detail).at(field)
    }

    pub(crate) fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub(crate) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn too_many(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs().saturating_add(1);
        let detail = format!("too many requests; try again in {seconds} s");
        Self {
            retry_after_s: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }

    pub(crate) fn too_large(max: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("a request body has at most {max} bytes"),
        )
    }

    /// For what can only be a fault of the node; the caller has logged it.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the node made a mistake; its log says more",
        )
    }

    /// When to try again, seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// As gateways say it before it is known what is asked: each family finds its own field.
    pub(crate) fn for_gateway(self) -> Response {
        let body = serde_json::json!({ "success": false, "message": self.detail, "error": self.detail });
        let mut response = (self.status, Json(body)).into_response();
        let after = self.retry_after_s.map(|after| (header::RETRY_AFTER, after.into()));
        response.headers_mut().extend(after);
        response
    }

    /// Names the field that is wrong.
    pub(crate) fn at(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    pub(crate) fn problem(&self) -> Problem<'_> {
        Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            code: self.code,
            field: self.field.as_deref(),
            candidates: &self.candidates,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StorageFailed> for ApiError {
    fn from(error: StorageFailed) -> Self {
        match error {
            StorageFailed::DiskFull => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", error.to_string()),
            StorageFailed::Failed => Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", error.to_string()),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %error, cause = std::error::Error::source(&error).map(tracing::field::display), "reading for a request failed");
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage_failed",
            "reading the account's storage failed; the node's log says why",
        )
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Blocked => "blocked",
            Refusal::NoContact => "no_contact",
            Refusal::DevicesChanged => "devices_replaced",
            Refusal::NotMember => "not_member",
            Refusal::MayNotPost => "may_not_post",
            Refusal::MayNotPin => "may_not_pin",
            Refusal::MayNotSetTimer => "may_not_set_timer",
            Refusal::SlowMode { .. } => "slow_mode",
            Refusal::TooFast => {
                return Self {
                    retry_after_s: Some(1),
                    ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", refusal.to_string())
                };
            }
        };
        Self::new(StatusCode::CONFLICT, code, refusal.to_string())
    }
}

impl From<SendError> for ApiError {
    fn from(error: SendError) -> Self {
        let detail = error.to_string();
        match error {
            SendError::UnknownConversation => Self::not_found(detail),
            SendError::Refused(refusal) => refusal.into(),
            SendError::Empty => Self::bad_request("empty", detail).at("text"),
            SendError::TooLong { .. } => Self::bad_request("too_long", detail).at("text"),
            SendError::UnknownReply => Self::not_found(detail).at("reply_to"),
            SendError::ReplyGone => Self::new(StatusCode::GONE, "gone", detail).at("reply_to"),
            SendError::UnknownThread => Self::not_found(detail).at("thread"),
            SendError::ThreadGone => Self::new(StatusCode::GONE, "gone", detail).at("thread"),
            SendError::InThread(_) => Self::new(StatusCode::CONFLICT, "in_a_thread", detail).at("thread"),
            SendError::Content(_) => Self::bad_request("bad_content", detail),
            SendError::PollOver => Self::bad_request("out_of_bounds", detail).at("closes_at"),
            SendError::MentionsStranger => Self::bad_request("not_a_member", detail).at("mentions"),
            SendError::TooManyMentions { .. } => Self::bad_request("too_many", detail).at("mentions"),
            SendError::ExpiryOutOfBounds => Self::bad_request("out_of_bounds", detail).at("expires_after_ms"),
            SendError::BadVisibility => Self::bad_field("view_once", detail),
            SendError::ClientIdTooLong { .. } => Self::bad_request("too_long", detail).at("client_id"),
            SendError::Storage(failed) => failed.into(),
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let detail = error.to_string();
        match error {
            ChangeError::Unknown => Self::not_found(detail),
            ChangeError::NotYours => Self::forbidden("not_yours", detail),
            ChangeError::Deleted => Self::new(StatusCode::GONE, "deleted", detail),
            ChangeError::Gone => Self::new(StatusCode::GONE, "gone", detail),
            ChangeError::NotEditable => Self::new(StatusCode::CONFLICT, "not_editable", detail),
            ChangeError::Empty => Self::bad_request("empty", detail).at("text"),
            ChangeError::TooLong { .. } => Self::bad_request("too_long", detail).at("text"),
            ChangeError::NotEmoji => Self::bad_request("not_an_emoji", detail),
            ChangeError::TooManyPins { .. } => Self::new(StatusCode::CONFLICT, "too_many_pins", detail),
            ChangeError::TooManyReactions { .. } => Self::new(StatusCode::CONFLICT, "too_many_reactions", detail),
            ChangeError::NotOnDemand => Self::new(StatusCode::CONFLICT, "not_on_demand", detail),
            ChangeError::OwnOnDemand => Self::forbidden("own_message", detail),
            ChangeError::UsedUp => Self::new(StatusCode::GONE, "used_up", detail),
            ChangeError::NotPoll => Self::new(StatusCode::CONFLICT, "not_a_poll", detail),
            ChangeError::PollClosed => Self::new(StatusCode::CONFLICT, "poll_closed", detail),
            ChangeError::NotYourPoll => Self::forbidden("not_yours", detail),
            ChangeError::NoSuchOption { .. } => Self::bad_request("no_such_option", detail).at("options"),
            ChangeError::OptionTwice => Self::bad_request("option_twice", detail).at("options"),
            ChangeError::OneOption => Self::bad_request("one_option", detail).at("options"),
            ChangeError::TooManyVotes { .. } => Self::new(StatusCode::CONFLICT, "too_many_votes", detail),
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Storage(failed) => failed.into(),
        }
    }
}

impl From<RoomError> for ApiError {
    fn from(error: RoomError) -> Self {
        let detail = error.to_string();
        match error {
            RoomError::UnknownRoom => Self::not_found(detail),
            RoomError::Nameless => Self::bad_request("empty", detail).at("name"),
            RoomError::TooLong { field, .. } => Self::bad_request("too_long", detail).at(field),
            RoomError::NotMember => Self::forbidden("not_member", detail),
            RoomError::Rank { .. } => Self::forbidden("rank", detail),
            RoomError::Above(_) => Self::forbidden("above", detail),
            RoomError::AlreadyMember => Self::new(StatusCode::CONFLICT, "already_member", detail),
            RoomError::NotInvited => Self::forbidden("not_invited", detail),
            RoomError::NoSuchMember => Self::not_found(detail),
            RoomError::Present => Self::new(StatusCode::CONFLICT, "already_member", detail),
            RoomError::Banned => Self::new(StatusCode::CONFLICT, "banned", detail),
            RoomError::NotBanned => Self::new(StatusCode::CONFLICT, "not_banned", detail),
            RoomError::Oneself => Self::bad_request("oneself", detail),
            RoomError::Owner => Self::new(StatusCode::CONFLICT, "owner", detail),
            RoomError::NotContact => Self::new(StatusCode::CONFLICT, "not_a_contact", detail),
            RoomError::NoKnocking => Self::new(StatusCode::CONFLICT, "no_knocking", detail),
            RoomError::NotAsking | RoomError::NoSuchLink | RoomError::NoSuchMessage | RoomError::NoSuchReport => {
                Self::not_found(detail)
            }
            RoomError::OwnMessage => Self::forbidden("own_message", detail),
            RoomError::NobodyToTell => Self::new(StatusCode::CONFLICT, "nobody_to_tell", detail),
            RoomError::TooManyReports => Self::new(StatusCode::CONFLICT, "too_many_reports", detail),
            RoomError::AliasTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", detail).at("slug"),
            RoomError::BadAlias { .. } => Self::bad_field("slug", detail),
            RoomError::BadRank => Self::bad_field("role", detail),
            RoomError::Picture(_) => Self::bad_request("bad_image", detail).at("avatar"),
            RoomError::BadPolicy => Self::bad_field("policy", detail),
            RoomError::Link(_) | RoomError::NotARoom => Self::bad_request("bad_link", detail).at("link"),
            RoomError::OwnLink => Self::new(StatusCode::CONFLICT, "own_link", detail).at("link"),
            RoomError::LinkEnded => Self::new(StatusCode::GONE, "expired", detail).at("link"),
            RoomError::NoLinks => Self::new(StatusCode::CONFLICT, "no_links", detail),
            RoomError::TooManyLinks { .. } => Self::new(StatusCode::CONFLICT, "too_many_links", detail),
            RoomError::Lost => Self::new(StatusCode::CONFLICT, "lost", detail),
            RoomError::Void => Self::new(StatusCode::CONFLICT, "void", detail),
            RoomError::Full => Self::new(StatusCode::CONFLICT, "full", detail),
            RoomError::Storage(failed) => failed.into(),
        }
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        let detail = error.to_string();
        match error {
            LoginError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "wrong_password", detail),
            LoginError::Wait(wait) => Self::too_many(wait),
            LoginError::Ended => Self::new(StatusCode::UNAUTHORIZED, "login_ended", detail),
            LoginError::Reused => Self::new(StatusCode::UNAUTHORIZED, "token_reused", detail),
            LoginError::Unknown(_) => Self::not_found(detail),
            LoginError::BadPassword => Self::bad_field("password", detail),
            LoginError::BadEmail => Self::bad_field("email", detail),
            LoginError::Suspended(_) => Self::forbidden("suspended", detail),
            LoginError::EmailTaken => Self::new(StatusCode::CONFLICT, "email_taken", detail).at("email"),
            LoginError::Io(cause) => {
                tracing::error!(error = %cause, "an account's logins could not be read or written");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", detail)
            }
        }
    }
}

impl From<RoleError> for ApiError {
    fn from(error: RoleError) -> Self {
        let detail = error.to_string();
        match error {
            RoleError::NotAllowed => Self::forbidden("not_node_admin", detail),
            RoleError::NotOwner => Self::forbidden("not_node_owner", detail),
            RoleError::LastAdmin => Self::new(StatusCode::CONFLICT, "last_admin", detail),
            RoleError::Unknown(_) => Self::not_found(detail),
            RoleError::NotSuspended(_) => Self::new(StatusCode::CONFLICT, "not_suspended", detail),
            RoleError::BadReason => Self::bad_field("reason", detail),
            RoleError::Io(cause) => {
                tracing::error!(error = %cause, "the roles of this node's accounts could not be read or written");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", detail)
            }
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let detail = error.to_string();
        match error {
            TokenError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_tokens", detail),
            TokenError::BadLabel => Self::bad_field("label", detail),
            TokenError::Unknown(_) => Self::not_found(detail),
            TokenError::Io(cause) => {
                tracing::error!(error = %cause, "an account's tokens could not be read or written");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", detail)
            }
        }
    }
}

impl From<MakeHookError> for ApiError {
    fn from(error: MakeHookError) -> Self {
        let detail = error.to_string();
        match error {
            MakeHookError::Target(TargetError::Malformed | TargetError::Credentials) => Self::bad_field("url", detail),
            MakeHookError::Target(TargetError::Elsewhere) => Self::bad_request("not_loopback", detail).at("url"),
            MakeHookError::Keep(error) => error.into(),
        }
    }
}

impl From<KeepError> for ApiError {
    fn from(error: KeepError) -> Self {
        let detail = error.to_string();
        match error {
            KeepError::TooMany => Self::new(StatusCode::CONFLICT, "too_many_webhooks", detail),
            KeepError::Unknown(_) => Self::not_found(detail),
            KeepError::Unusable(_) => Self::new(StatusCode::CONFLICT, "unusable_webhook", detail),
            KeepError::Io(cause) => {
                tracing::error!(error = %cause, "an account's webhooks could not be read or written");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_failed", detail)
            }
        }
    }
}

impl From<TimerError> for ApiError {
    fn from(error: TimerError) -> Self {
        let detail = error.to_string();
        match error {
            TimerError::UnknownConversation => Self::not_found(detail),
            TimerError::OutOfBounds => Self::bad_request("out_of_bounds", detail).at("expires_after_ms"),
            TimerError::Refused(refusal) => refusal.into(),
            TimerError::Room(error) => error.into(),
            TimerError::Storage(failed) => failed.into(),
        }
    }
}

impl From<MakeInviteError> for ApiError {
    fn from(error: MakeInviteError) -> Self {
        let detail = error.to_string();
        match error {
            MakeInviteError::TooMany { .. } => Self::new(StatusCode::CONFLICT, "too_many_invites", detail),
            MakeInviteError::NoAddress => Self::new(StatusCode::CONFLICT, "no_address", detail),
            MakeInviteError::Storage(failed) => failed.into(),
        }
    }
}

impl From<RevokeError> for ApiError {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::Unknown => Self::not_found(error.to_string()),
            RevokeError::Storage(failed) => failed.into(),
        }
    }
}

impl From<AddError> for ApiError {
    fn from(error: AddError) -> Self {
        let detail = error.to_string();
        match error {
            AddError::Link(_) => Self::bad_request("bad_invite", detail).at("link"),
            AddError::Own => Self::new(StatusCode::CONFLICT, "own_invite", detail).at("link"),
            AddError::Expired => Self::new(StatusCode::GONE, "expired", detail).at("link"),
            AddError::OtherDevice(_) => Self::new(StatusCode::CONFLICT, "other_device", detail).at("link"),
            AddError::NoteTooLong { .. } => Self::bad_request("too_long", detail).at("note"),
            AddError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", detail).at("petname"),
            AddError::NameReserved(_) => Self::bad_request("name_reserved", detail).at("petname"),
            AddError::BadName { .. } => Self::bad_request("bad_name", detail).at("petname"),
            AddError::Storage(failed) => failed.into(),
        }
    }
}

impl From<ReadMarkError> for ApiError {
    fn from(error: ReadMarkError) -> Self {
        match error {
            ReadMarkError::UnknownConversation => Self::not_found(error.to_string()),
            ReadMarkError::UnknownMessage => Self::not_found(error.to_string()).at("up_to"),
            ReadMarkError::Storage(failed) => failed.into(),
        }
    }
}

impl From<DecisionError> for ApiError {
    fn from(error: DecisionError) -> Self {
        let detail = error.to_string();
        match error {
            DecisionError::UnknownConversation | DecisionError::UnknownContact | DecisionError::UnknownRequest => {
                Self::not_found(detail)
            }
            DecisionError::NameTaken(_) => Self::new(StatusCode::CONFLICT, "name_taken", detail).at("petname"),
            DecisionError::NameReserved(_) => Self::bad_request("name_reserved", detail).at("petname"),
            DecisionError::BadName { .. } => Self::bad_request("bad_name", detail).at("petname"),
            DecisionError::Past => Self::bad_request("past", detail).at("muted_until"),
            DecisionError::NoSafetyNumber => Self::bad_request("bad_code", detail).at("code"),
            DecisionError::WrongSafetyNumber => Self::new(StatusCode::CONFLICT, "wrong_code", detail).at("code"),
            DecisionError::DevicesUndecided => {
                Self::new(StatusCode::CONFLICT, "devices_replaced", detail).at("devices")
            }
            DecisionError::OtherDevices => Self::new(StatusCode::CONFLICT, "other_devices", detail).at("devices"),
            DecisionError::StatusOver => Self::bad_request("past", detail).at("status_expires_at"),
            DecisionError::NotEmoji => Self::bad_request("not_an_emoji", detail).at("status_emoji"),
            DecisionError::BadText { what } => Self::bad_request("bad_text", detail).at(what),
            DecisionError::Card(CardError::OverLimit { field, .. }) => {
                Self::bad_request("too_long", detail).at(if field == "emoji" { "status_emoji" } else { field })
            }
            DecisionError::Card(CardError::Image(_)) => Self::bad_request("bad_image", detail).at("avatar"),
            DecisionError::TooLong { what, .. } => Self::bad_request("too_long", detail).at(what),
            DecisionError::Storage(failed) => failed.into(),
        }
    }
}

impl From<ResolveError> for ApiError {
    fn from(error: ResolveError) -> Self {
        let detail = error.to_string();
        match error {
            ResolveError::Unknown { .. } => Self::not_found(detail),
            ResolveError::BadId { .. } => Self::bad_request("bad_id", detail),
            ResolveError::Ambiguous { candidates, .. } => Self {
                candidates,
                ..Self::new(StatusCode::CONFLICT, "ambiguous", detail)
            },
            ResolveError::Store(cause) => cause.into(),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::TooLong { .. } | QueryError::TooManyTerms { .. } => {
                Self::bad_request("too_long", detail).at("q")
            }
            QueryError::Empty => Self::bad_request("empty", detail).at("q"),
        }
    }
}

impl From<FindError> for ApiError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Store(cause) => cause.into(),
            FindError::Index(_) | FindError::Update(_) | FindError::Reset(_) => {
                tracing::error!(error = %error, cause = std::error::Error::source(&error).map(tracing::field::display), "a search failed");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "search_failed",
                    "the search index failed; the node's log says why",
                )
            }
        }
    }
}
