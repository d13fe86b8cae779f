//! Accounts that people make for themselves: by which rule, with which invitations. Who makes them sits at the desk: a node
//! with accounts, or one that waits for its first.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, mpsc, oneshot};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::auth::{Hash, LoginError, random_token};
use super::error::ApiError;
use super::limits::RateLimit;
use super::rate::{Buckets, client};
use crate::account::{CreateError, Created, NewAccount};
use crate::data::write_private;

/// Newcomers that wait at the desk.
const MAX_WAITING: usize = 8;
/// Invitations that are out at once.
const MAX_CODES: usize = 256;

/// Who may make an account through the API and the gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Nobody.
    #[default]
    Closed,
    /// Whoever comes first to a node without an account.
    First,
    /// Whoever brings an invitation.
    Invite,
    /// Whoever asks.
    Open,
}

/// Why a text names no rule.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no rule of registration: closed, first, invite or open")]
pub struct RegistrationError(String);

impl FromStr for Registration {
    type Err = RegistrationError;

    fn from_str(text: &str) -> Result<Self, RegistrationError> {
        match text {
            "closed" => Ok(Self::Closed),
            "first" => Ok(Self::First),
            "invite" => Ok(Self::Invite),
            "open" => Ok(Self::Open),
            _ => Err(RegistrationError(text.to_owned())),
        }
    }
}

/// Somebody who wants an account.
pub(crate) struct Newcomer {
    pub(crate) new: NewAccount,
    pub(crate) email: Option<String>,
    /// To log in with; the node's own key unlocks the account.
    pub(crate) password: Zeroizing<String>,
    pub(crate) reply: oneshot::Sender<Result<Welcome, RegisterError>>,
}

/// An account that runs.
pub(crate) struct Welcome {
    pub(crate) created: Created,
}

/// Why somebody got no account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegisterError {
    /// The rule does not allow it.
    #[error(
        "registration is closed: accounts are made with `parlour init`, and `parlour account set` gives them an e-mail \
         address and a password"
    )]
    Closed,
    /// No invitation, or none that is good.
    #[error("this needs an invitation that was not used yet: `parlour accounts invite` makes one")]
    BadCode,
    /// There are enough.
    #[error("this node has as many accounts as it takes")]
    Full,
    /// There are too many newcomers just now.
    #[error("others are being served: try again")]
    Busy,
    /// Too many tries.
    #[error("there were too many tries")]
    Wait(std::time::Duration),
    /// The login cannot be as wished.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The account cannot be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// As a node without accounts says it.
    #[error("the account could not be made")]
    Refused(ApiError),
    /// It was made and does not run; what was made is removed.
    #[error("the account could not be started: {0}")]
    Start(String),
    /// Invitations could not be read or written.
    #[error("the invitations could not be read or written")]
    Io(#[from] std::io::Error),
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        let detail = error.to_string();
        match error {
            RegisterError::Closed => Self::forbidden("registration_closed", detail),
            RegisterError::BadCode => Self::forbidden("bad_code", detail).at("code"),
            RegisterError::Full => Self::new(StatusCode::CONFLICT, "too_many_accounts", detail),
            RegisterError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail),
            RegisterError::Wait(wait) => Self::too_many(wait),
            RegisterError::Login(error) => error.into(),
            RegisterError::Create(error) => error.into(),
            RegisterError::Refused(error) => error,
            RegisterError::Start(cause) => {
                tracing::error!(%cause, "a new account could not be started");
                Self::internal()
            }
            RegisterError::Io(error) => {
                tracing::error!(%error, "invitations to make an account could not be read or written");
                Self::internal()
            }
        }
    }
}

/// The way to the desk.
pub(crate) struct Newcomers {
    rule: Mutex<Registration>,
    desk: Mutex<Option<mpsc::Sender<Newcomer>>>,
    tries: Buckets<IpAddr>,
    /// Whether people of this node are introduced; unless it is said, where newcomers are taken.
    local: Mutex<Option<bool>>,
    introducing: AsyncMutex<()>,
    /// Where invitations are kept; nowhere in tests of the API alone.
    file: Mutex<Option<PathBuf>>,
}

/// An invitation that is out. Not its code.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    hash: Hash,
    until: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Newcomers {
    pub(crate) fn new(tries: RateLimit) -> Self {
        Self {
            rule: Mutex::default(),
            desk: Mutex::default(),
            tries: Buckets::new(tries),
            local: Mutex::default(),
            introducing: AsyncMutex::default(),
            file: Mutex::default(),
        }
    }

    /// Keeps invitations there.
    pub(crate) fn keep_in(&self, file: PathBuf) {
        *locked(&self.file) = Some(file);
    }

    pub(crate) fn set_rule(&self, rule: Registration) {
        *locked(&self.rule) = rule;
    }

    /// Says whether people of this node are introduced to each other.
    pub(crate) fn set_local(&self, local: Option<bool>) {
        *locked(&self.local) = local;
    }

    /// Whether they are.
    pub(crate) fn are_neighbours(&self) -> bool {
        let takes = matches!(self.rule(), Registration::Invite | Registration::Open);
        locked(&self.local).unwrap_or(takes)
    }

    /// Nobody else introduces anybody meanwhile.
    pub(crate) async fn introducing(&self) -> AsyncMutexGuard<'_, ()> {
        self.introducing.lock().await
    }

    fn rule(&self) -> Registration {
        *locked(&self.rule)
    }

    /// Whoever is asked from now on; nobody else is.
    pub(crate) fn open_desk(&self) -> mpsc::Receiver<Newcomer> {
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        *locked(&self.desk) = Some(sender);
        queue
    }

    /// Whether the desk may serve somebody, where there are `accounts` already.
    pub(crate) fn may_serve(&self, accounts: usize) -> bool {
        match self.rule() {
            Registration::Closed => false,
            Registration::First => accounts == 0,
            Registration::Invite | Registration::Open => true,
        }
    }

    /// Brings somebody to the desk, and waits until they are served. Tries are counted: each may make an account.
    pub(crate) async fn register(
        &self,
        new: NewAccount,
        email: Option<String>,
        password: Zeroizing<String>,
        code: Option<&str>,
        from: IpAddr,
        now: (Instant, u64),
    ) -> Result<Welcome, RegisterError> {
        let rule = self.rule();
        if rule == Registration::Closed {
            return Err(RegisterError::Closed);
        }
        self.tries.take(client(from), now.0).map_err(RegisterError::Wait)?;
        let desk = locked(&self.desk).clone().ok_or(RegisterError::Closed)?;
        let used = match rule {
            Registration::Invite => Some(self.use_up(code.unwrap_or_default(), now.1)?),
            Registration::Closed | Registration::First | Registration::Open => None,
        };
        let (reply, served) = oneshot::channel();
        let newcomer = Newcomer {
            new,
            email,
            password,
            reply,
        };
        let outcome = match desk.try_send(newcomer) {
            Ok(()) => served.await.unwrap_or(Err(RegisterError::Busy)),
            Err(_) => Err(RegisterError::Busy),
        };
        if let (Err(_), Some(code)) = (&outcome, used) {
            self.change(|codes| codes.push(code))?;
        }
        outcome
    }

    /// A new invitation, good once and before `until` (ms since 1970). Waits for the disk.
    pub(crate) fn invite(&self, until: u64, now: u64) -> Result<Zeroizing<String>, RegisterError> {
        let code = random_token();
        let made = Code {
            hash: Hash::of(&code),
            until,
        };
        self.change(|codes| {
            codes.retain(|code| now < code.until);
            if codes.len() >= MAX_CODES {
                codes.remove(0);
            }
            codes.push(made);
        })?;
        Ok(code)
    }

    fn use_up(&self, code: &str, now: u64) -> Result<Code, RegisterError> {
        let hash = Hash::of(code);
        let found = self.change(|codes| {
            let at = codes.iter().position(|known| known.hash == hash && now < known.until)?;
            Some(codes.remove(at))
        })?;
        found.ok_or(RegisterError::BadCode)
    }

    /// Changes the list on the disk, one change after the other.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Code>) -> T) -> Result<T, RegisterError> {
        let file = locked(&self.file);
        let path = file.as_ref().ok_or(RegisterError::Closed)?;
        let mut codes: Vec<Code> = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            bytes => serde_json::from_slice(&bytes?).map_err(std::io::Error::from)?,
        };
        let before = codes.clone();
        let out = change(&mut codes);
        // A wrong code changes nothing, and costs no write.
        if before != codes {
            write_private(path, &serde_json::to_vec_pretty(&codes).map_err(std::io::Error::from)?)?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_good_once_and_before_its_end_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("codes");
        let start = || {
            let newcomers = Newcomers::new(crate::api::ApiLimits::default().logins);
            newcomers.keep_in(file.clone());
            newcomers
        };
        let code = start().invite(1_000, 0).unwrap();
        assert!(!std::fs::read_to_string(&file).unwrap().contains(code.as_str()));
        let late = start().invite(1_000, 0).unwrap();
        let newcomers = start();
        assert!(matches!(newcomers.use_up("", 0), Err(RegisterError::BadCode)));
        assert!(newcomers.use_up(&code, 999).is_ok());
        assert!(matches!(newcomers.use_up(&code, 999), Err(RegisterError::BadCode)));
        assert!(matches!(newcomers.use_up(&late, 1_000), Err(RegisterError::BadCode)));
    }

    #[test]
    fn rules_have_names_and_nobody_is_served_by_default() {
        for (name, of_none, of_one) in [
            ("closed", false, false),
            ("first", true, false),
            ("invite", true, true),
            ("open", true, true),
        ] {
            let newcomers = Newcomers::new(crate::api::ApiLimits::default().logins);
            assert!(!newcomers.may_serve(0) && !newcomers.are_neighbours());
            newcomers.set_rule(name.parse().unwrap());
            assert_eq!(newcomers.are_neighbours(), of_one, "{name}");
            for local in [true, false] {
                newcomers.set_local(Some(local));
                assert_eq!(newcomers.are_neighbours(), local, "what is said goes before");
            }
            assert_eq!(
                (newcomers.may_serve(0), newcomers.may_serve(1)),
                (of_none, of_one),
                "{name}"
            );
        }
        assert!("all".parse::<Registration>().is_err());
    }
}
