//! Tokens: kept as hashes, taken from the `Authorization` header or a WebSocket's first frame and from nowhere else. Each is for
//! one account of the node. The command line's live as long as the process, those of paired pages for some hours, those made for
//! programs as long as their maker said.

mod grant;
mod kept;
mod logins;
mod password;
mod roles;
mod seat;
mod tokens;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use rand_core::Rng;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::error::ApiError;
use super::limits::RateLimit;
use super::rate::Buckets;
use crate::random::SystemRng;

pub(crate) use grant::{Caller, Grant, Program, Scope};
pub(crate) use kept::{Hash, Keeper};
pub(crate) use logins::{Lives, LoggedIn, LoginError, MAX_DEVICE, prepare_login};
pub(crate) use roles::{Role, RoleChange, RoleError, Roles, Standing, Suspension};
pub(crate) use tokens::{NewToken, TokenError, TokenRow};

/// Longest token that is looked at.
const MAX_TOKEN: usize = 512;
/// Passwords compared at once.
const MAX_HASHING: usize = 2;
/// Paired sessions of an account at once, and likewise tokens of logins; the one that ends first makes room.
const MAX_SESSIONS: usize = 64;

/// Knows the valid tokens by their hashes.
pub(crate) struct Auth {
    /// Looked up by hash: how long that takes tells nothing that helps to find a token.
    known: Mutex<BTreeMap<Hash, Caller>>,
    /// One for each account, by number.
    keepers: Mutex<Vec<Arc<Keeper>>>,
    grants: AtomicU64,
    /// What accounts may do with the node, and who is kept out.
    roles: Mutex<Arc<Roles>>,
    /// Wrong passwords, by client and name.
    wrong: Buckets<(IpAddr, Hash)>,
    /// Passwords that are compared at once: each takes 19 MiB.
    hashing: Arc<Semaphore>,
}

impl Auth {
    pub(crate) fn new(cookie: &str, wrong: RateLimit) -> Self {
        let auth = Self {
            known: Mutex::default(),
            keepers: Mutex::default(),
            grants: AtomicU64::new(0),
            roles: Mutex::default(),
            wrong: Buckets::new(wrong),
            hashing: Arc::new(Semaphore::new(MAX_HASHING)),
        };
        auth.add_cookie(cookie);
        auth
    }

    /// Takes the command line's token for one more account.
    pub(crate) fn add_cookie(&self, cookie: &str) {
        let account = {
            let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
            keepers.push(Arc::new(Keeper::nowhere()));
            keepers.len().saturating_sub(1)
        };
        let grant = Grant::full(account, Program::CommandLine, self.next_number(), None);
        self.admit(Hash::of(cookie.trim()), Arc::new(grant));
    }

    /// Whose token this is, if it is valid at `now` (ms since 1970).
    pub(crate) fn accepts(&self, token: &str, now: u64) -> Option<Caller> {
        if token.is_empty() || token.len() > MAX_TOKEN {
            return None;
        }
        let grant = self.grant(&Hash::of(token)).filter(|grant| !grant.is_over(now))?;
        // Whoever has the node's own files lets others in again.
        if grant.program != Program::CommandLine && self.suspension(grant.account).is_some() {
            return None;
        }
        grant.used.store(now, Ordering::Relaxed);
        Some(grant)
    }

    fn roles(&self) -> Arc<Roles> {
        self.roles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps roles there from now on.
    pub(crate) fn keep_roles(&self, roles: Roles) {
        *self.roles.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(roles);
    }

    /// Accounts that are there; of a node where nobody looks after it, the first one does.
    pub(crate) fn know(&self, names: &[&str]) {
        self.roles().know(names);
    }

    /// What is known of the account of this name.
    pub(crate) fn standing(&self, name: &str) -> Standing {
        self.roles().of(name)
    }

    /// Why an account is kept out, if it is.
    pub(crate) fn suspension(&self, account: usize) -> Option<Suspension> {
        let keeper = self.keeper(account);
        self.roles().suspension(keeper.name()?)
    }

    /// Whether the account of this name is kept out.
    pub(crate) fn keeps_out(&self, name: &str) -> bool {
        self.roles().suspension(name).is_some()
    }

    /// Whether a caller looks after the node; the command line does.
    pub(crate) fn may_look_after_node(&self, caller: &Grant) -> Result<(), RoleError> {
        match self.role_of(caller) {
            None | Some(Role::Admin | Role::Owner) => Ok(()),
            Some(Role::User) => Err(RoleError::NotAllowed),
        }
    }

    fn role_of(&self, caller: &Grant) -> Option<Role> {
        let name = self.keeper(caller.account).name().map(ToOwned::to_owned);
        let role = name.map(|name| self.standing(&name).role).unwrap_or_default();
        (caller.program != Program::CommandLine).then_some(role)
    }

    /// Does something with the account of a name; whoever is kept out from then on has nothing open any more. Waits for the disk.
    pub(crate) fn change_standing(
        &self,
        caller: &Grant,
        name: &str,
        change: &RoleChange,
        now: u64,
    ) -> Result<(), RoleError> {
        let roles = self.roles();
        roles.change(self.role_of(caller), name, change, now)?;
        if roles.suspension(name).is_some() {
            let keepers = self.keepers();
            let account = keepers.iter().position(|keeper| keeper.name() == Some(name));
            account.into_iter().for_each(|account| self.cut(account));
        }
        Ok(())
    }

    /// Ends what an account's tokens have opened. The tokens are good again when it is let in.
    fn cut(&self, account: usize) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_meant = |grant: &Caller| grant.account == account && grant.program != Program::CommandLine;
        for grant in known.values_mut().filter(|grant| is_meant(grant)) {
            grant.over.cancel();
            *grant = Arc::new(grant.anew(self.next_number()));
        }
    }

    /// A new token of the full scope of an account for a page, valid until `until`.
    pub(crate) fn open_session(&self, account: usize, now: u64, until: u64) -> Zeroizing<String> {
        let grant = Grant::full(account, Program::Page, self.next_number(), Some(until));
        let token = random_token();
        self.open(&token, grant, now);
        token
    }

    /// Takes a new token for a while. There are only so many of a kind for an account; the one that ends first makes room.
    fn open(&self, token: &str, grant: Grant, now: u64) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, grant| !grant.is_over(now));
        let own = known
            .iter()
            .filter(|(_, other)| other.program == grant.program && other.account == grant.account);
        if own.clone().count() >= MAX_SESSIONS
            && let Some((hash, _)) = own.min_by_key(|(_, grant)| (grant.until, grant.number))
        {
            let hash = *hash;
            if let Some(first) = known.remove(&hash) {
                first.over.cancel();
            }
        }
        known.insert(Hash::of(token), Arc::new(grant));
    }

    fn next_number(&self) -> u64 {
        self.grants.fetch_add(1, Ordering::Relaxed)
    }

    fn grant(&self, hash: &Hash) -> Option<Caller> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(hash).cloned()
    }

    fn admit(&self, hash: Hash, grant: Caller) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(hash, grant);
    }

    /// Ends a token and whatever was opened by it.
    fn take_back(&self, hash: &Hash) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(grant) = known.remove(hash) {
            grant.over.cancel();
        }
    }

    /// Ends everything that belongs to a login.
    fn end_family(&self, family: &Hash) {
        self.end_where(|grant| grant.family.as_ref() == Some(family));
    }

    /// Ends this token.
    fn forget(&self, caller: &Grant) {
        self.end_where(|grant| grant.number == caller.number);
    }

    fn end_where(&self, is_meant: impl Fn(&Grant) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, grant| {
            let ends = is_meant(grant);
            if ends {
                grant.over.cancel();
            }
            !ends
        });
    }

    fn keepers(&self) -> Vec<Arc<Keeper>> {
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keeper(&self, account: usize) -> Arc<Keeper> {
        let keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        keepers
            .get(account)
            .cloned()
            .unwrap_or_else(|| Arc::new(Keeper::nowhere()))
    }

    fn set_keeper(&self, account: usize, keeper: Keeper) {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = keepers.get_mut(account) {
            *place = Arc::new(keeper);
        }
    }

    /// Why a token lets nobody in. Only its holder is told that it would, were the account not kept out.
    fn refusal(&self, token: &str, now: u64) -> ApiError {
        let known = Some(token).filter(|token| token.len() <= MAX_TOKEN);
        let known = known.and_then(|token| self.grant(&Hash::of(token)));
        let suspension = known
            .filter(|grant| !grant.is_over(now))
            .and_then(|grant| self.suspension(grant.account));
        match suspension {
            Some(suspension) => ApiError::forbidden("suspended", suspension.text()),
            None => ApiError::unauthorized("the token is not valid, or not any more; `parlour token new` makes one"),
        }
    }

    /// Whose valid token the headers carry.
    pub(crate) fn check(&self, headers: &HeaderMap, now: u64) -> Result<Caller, ApiError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (first, second) = (values.next(), values.next());
        if second.is_some() {
            return Err(ApiError::bad_request(
                "duplicate_header",
                "the request has more than one Authorization header",
            ));
        }
        let token = first.and_then(|value| value.to_str().ok()).and_then(bearer);
        match token {
            Some(token) => self.accepts(token, now).ok_or_else(|| self.refusal(token, now)),
            None => Err(ApiError::unauthorized(
                "this needs the header \"Authorization: Bearer TOKEN\"",
            )),
        }
    }
}

/// 256 random bits as text.
pub(crate) fn random_token() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    SystemRng.fill_bytes(bytes.as_mut_slice());
    Zeroizing::new(data_encoding::HEXLOWER.encode(bytes.as_slice()))
}

/// Equality in constant time.
pub(crate) fn same(one: &blake3::Hash, other: &blake3::Hash) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
impl Auth {
    /// With the usual limits.
    pub(super) fn of(cookie: &str) -> Self {
        Self::new(cookie, super::limits::ApiLimits::default().logins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (AUTHORIZATION, value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_the_very_token_is_taken() {
        let auth = Auth::of("0123456789abcdef\n");
        let first = auth.accepts("0123456789abcdef", 0).unwrap();
        assert_eq!((first.account, first.program), (0, Program::CommandLine));
        auth.add_cookie("another");
        assert_eq!(auth.accepts("another", 0).unwrap().account, 1);
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789ABCDEF",
            &"x".repeat(10_000),
        ] {
            assert!(auth.accepts(wrong, 0).is_none());
        }
    }

    #[test]
    fn a_session_ends_at_its_time_and_only_so_many_are_open() {
        let auth = Auth::of("cookie");
        let token = auth.open_session(3, 0, 1_000);
        let caller = auth.accepts(&token, 999).unwrap();
        assert_eq!(
            (caller.account, caller.program, caller.until),
            (3, Program::Page, Some(1_000))
        );
        assert!(auth.accepts(&token, 1_000).is_none());
        let later: Vec<_> = (0..MAX_SESSIONS).map(|_| auth.open_session(0, 0, 2_000)).collect();
        assert!(auth.accepts(&token, 0).is_some(), "another account's pages end nothing");
        let first = auth.accepts(&later[0], 0).unwrap();
        auth.open_session(0, 0, 2_000);
        assert!(auth.accepts(&later[0], 1_999).is_none() && first.is_over(0));
        let later = &later[1..];
        assert!(later.iter().all(|token| auth.accepts(token, 1_999).is_some()));
        auth.open_session(0, 2_000, 3_000);
        assert_eq!(auth.known.lock().unwrap().len(), 2, "the cookie and one page");
    }

    #[test]
    fn whoever_is_kept_out_has_nothing_open_and_goes_on_when_let_in_again() {
        let folder = tempfile::tempdir().unwrap();
        let auth = Auth::of("cookie of ada");
        auth.add_cookie("cookie of bo");
        for (number, name) in ["ada", "bo"].into_iter().enumerate() {
            auth.admit_kept(number, Keeper::open(name, folder.path().join(name)), 0);
        }
        auth.know(&["ada", "bo"]);
        let (ada, bo) = (auth.open_session(0, 0, 1_000), auth.open_session(1, 0, 1_000));
        let (owner, open) = (auth.accepts(&ada, 0).unwrap(), auth.accepts(&bo, 0).unwrap());
        assert!(matches!(auth.may_look_after_node(&open), Err(RoleError::NotAllowed)));
        auth.may_look_after_node(&owner).unwrap();
        let suspend = RoleChange::Suspend("spam".into());
        let line = auth.accepts("cookie of bo", 0).unwrap();
        auth.change_standing(&owner, "bo", &suspend, 0).unwrap();
        assert!(open.is_over(0) && !owner.is_over(0) && !line.is_over(0));
        assert!(auth.accepts(&bo, 0).is_none() && auth.accepts(&ada, 0).is_some());
        assert!(auth.accepts("cookie of bo", 0).is_some());
        let refused = auth
            .check(&headers(&[&format!("Bearer {}", bo.as_str())]), 0)
            .unwrap_err();
        let told = serde_json::to_value(refused.problem()).unwrap();
        assert_eq!((&told["status"], &told["code"]), (&403.into(), &"suspended".into()));
        assert!(told["detail"].as_str().unwrap().ends_with(": spam"), "{told}");
        auth.change_standing(&owner, "bo", &RoleChange::Resume, 0).unwrap();
        assert!(!auth.accepts(&bo, 999).unwrap().is_over(999));
        assert!(open.is_over(0), "what was cut stays cut");
    }

    #[test]
    fn the_header_is_one_bearer_token() {
        let auth = Auth::of("secret");
        assert!(auth.check(&headers(&["Bearer secret"]), 0).is_ok());
        assert!(auth.check(&headers(&["bearer  secret"]), 0).is_ok());
        for wrong in [
            &[][..],
            &["secret"],
            &["Basic secret"],
            &["Bearer"],
            &["Bearer secret", "Bearer secret"],
            &["Bearersecret"],
        ] {
            assert!(auth.check(&headers(wrong), 0).is_err(), "{wrong:?}");
        }
    }
}
