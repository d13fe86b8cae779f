//! Logins by name and password: a token for some minutes, and another one that is exchanged for the next pair, once. Whoever
//! shows one that was exchanged before has stolen it, or was stolen from: that login ends.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::super::rate::client;
use super::grant::{Caller, Grant, Program};
use super::kept::{Hash, Keeper, Kept, KeptLogin, KeptPassword};
use super::password::{PASSWORD_BYTES, PasswordHash};
use super::{Auth, random_token};

/// Logins of an account at once; the one that was used longest ago makes room.
const MAX_LOGINS: usize = 32;
/// Bytes of what a login says of its device.
pub(crate) const MAX_DEVICE: usize = 128;
/// Bytes of an e-mail address.
pub(crate) const MAX_EMAIL: usize = 254;
/// Hexadecimal digits of a refresh token that stay the same for a login; what follows is new each time.
const FAMILY_DIGITS: usize = 64;
/// Bytes of the hash that names a login.
const ID_BYTES: usize = 10;

/// How long tokens of a login are good, ms.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) access: u64,
    pub(crate) refresh: u64,
}

impl Lives {
    /// Whether one token is all there is for a login.
    fn of_one_token(self) -> bool {
        self.access >= self.refresh
    }
}

/// What a user gets who has logged in.
pub(crate) struct LoggedIn {
    pub(crate) account: usize,
    pub(crate) access: Zeroizing<String>,
    pub(crate) until: u64,
    pub(crate) refresh: Zeroizing<String>,
    pub(crate) refresh_until: u64,
}

/// A login as it may be shown.
pub(crate) struct LoginRow {
    pub(crate) id: String,
    pub(crate) device: String,
    pub(crate) created: u64,
    pub(crate) used: u64,
    pub(crate) until: u64,
    pub(crate) current: bool,
}

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// Name or password; which one is not said.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many wrong ones.
    #[error("there were too many wrong passwords")]
    Wait(std::time::Duration),
    /// The refresh token is not good.
    #[error("this login has ended: log in again")]
    Ended,
    /// The refresh token was exchanged before.
    #[error("this token was used before, so that somebody else may have it: the login has ended")]
    Reused,
    /// There is no login of that id.
    #[error("there is no login {0:?}")]
    Unknown(String),
    /// Not usable as a password.
    #[error("a password has {} to {} bytes", PASSWORD_BYTES.start(), PASSWORD_BYTES.end())]
    BadPassword,
    /// Not usable as an address.
    #[error("an e-mail address has a name, an @ and a domain, and at most {MAX_EMAIL} bytes")]
    BadEmail,
    /// Another account has it.
    #[error("another account of this node has this e-mail address")]
    EmailTaken,
    /// The account is kept out.
    #[error("{0}")]
    Suspended(String),
    /// The disk did not take it, or the computing failed.
    #[error("the account's logins could not be read or written")]
    Io(#[from] io::Error),
}

impl Auth {
    /// Sets the password of an account, and an address to log in with; all logins end. Waits for the disk, and computes.
    pub(crate) fn set_password(
        &self,
        account: usize,
        email: Option<&str>,
        password: &str,
        now: u64,
    ) -> Result<(), LoginError> {
        let email = self.check_login(Some(account), email, password)?;
        for login in set_login(&self.keeper(account), email, password, now)? {
            self.end_family(&login.family);
        }
        Ok(())
    }

    /// Whether somebody may log in so; the address as it is kept. `account` is whose it is already.
    pub(crate) fn check_login(
        &self,
        account: Option<usize>,
        email: Option<&str>,
        password: &str,
    ) -> Result<Option<String>, LoginError> {
        if !PASSWORD_BYTES.contains(&password.len()) {
            return Err(LoginError::BadPassword);
        }
        let email = email.map(checked_email).transpose()?;
        let owner = email.as_deref().and_then(|email| self.account_named(email));
        match owner {
            Some(owner) if Some(owner) != account => Err(LoginError::EmailTaken),
            _ => Ok(email),
        }
    }

    /// The address to log in with, and since when there is a password; nothing, if there is none.
    pub(crate) fn password_of(&self, account: usize) -> Result<Option<(Option<String>, u64)>, LoginError> {
        let look = |kept: &Kept| {
            let password = kept.password.as_ref()?;
            Some((password.email.clone(), password.created))
        };
        Ok(self.keeper(account).look(look)?)
    }

    /// Logs in. Each wrong try counts; they are counted before anything is computed, so that many at once are too many.
    pub(crate) async fn log_in(
        self: &Arc<Self>,
        name: &str,
        password: Zeroizing<String>,
        device: &str,
        from: IpAddr,
        lives: Lives,
        now: (Instant, u64),
    ) -> Result<LoggedIn, LoginError> {
        let (instant, now) = now;
        let key = (client(from), Hash::of(&name.to_lowercase()));
        self.wrong.take(key, instant).map_err(LoginError::Wait)?;
        let account = self.account_named(name);
        let hash = account.and_then(|account| {
            let look = |kept: &Kept| Some(kept.password.as_ref()?.hash.clone());
            self.keeper(account).look(look).ok().flatten()
        });
        let place = self.hashing.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (auth, device) = (self.clone(), device.to_owned());
        // All of it goes on when the client hangs up, so that hanging up makes no room for more at once.
        let work = move || {
            let _place = place;
            let hash = hash.unwrap_or_else(PasswordHash::of_nobody);
            let is_right = hash.is_of(&password);
            let account = account.filter(|_| is_right).ok_or(LoginError::Wrong)?;
            // Only whoever has the password is told.
            if let Some(suspension) = auth.suspension(account) {
                auth.wrong.give_back(key);
                return Err(LoginError::Suspended(suspension.text()));
            }
            let logged_in = auth.open_login((account, &hash), device, lives, now)?;
            auth.wrong.give_back(key);
            Ok(logged_in)
        };
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }

    /// Exchanges a refresh token for the next pair. Waits for the disk.
    pub(crate) fn refresh(&self, token: &str, lives: Lives, now: u64) -> Result<LoggedIn, LoginError> {
        let family = token.get(..FAMILY_DIGITS).ok_or(LoginError::Ended)?;
        let (hash, family_hash) = (Hash::of(token), Hash::of(family));
        let refresh = next_refresh(family);
        let refresh_until = now.saturating_add(lives.refresh);
        for (account, keeper) in self.keepers().into_iter().enumerate() {
            let known = keeper.look(|kept| kept.logins.iter().any(|login| login.family == family_hash));
            if !known.unwrap_or(false) {
                continue;
            }
            if let Some(suspension) = self.suspension(account) {
                return Err(LoginError::Suspended(suspension.text()));
            }
            // Whether it is the last one is decided where it is replaced: of two at once, one is too late.
            let outcome = keeper.change(|kept| {
                let at = kept.logins.iter().position(|login| login.family == family_hash);
                let login = at.and_then(|at| kept.logins.get_mut(at)).ok_or(LoginError::Ended)?;
                if login.refresh == hash && now < login.until {
                    (login.refresh, login.used, login.until) = (Hash::of(&refresh), now, refresh_until);
                    login.token = None;
                    return Ok(());
                }
                let reused = login.refresh != hash;
                kept.logins.retain(|login| login.family != family_hash);
                Err(if reused { LoginError::Reused } else { LoginError::Ended })
            })?;
            if let Err(error) = outcome {
                self.end_family(&family_hash);
                return Err(error);
            }
            let access = random_token();
            let until = self.open_access(account, family_hash, &access, lives, now)?;
            return Ok(LoggedIn {
                account,
                access,
                until,
                refresh,
                refresh_until,
            });
        }
        Err(LoginError::Ended)
    }

    /// The logins of an account, the last one used first.
    pub(crate) fn logins(&self, caller: &Grant, now: u64) -> Result<Vec<LoginRow>, LoginError> {
        let mut logins = self.keeper(caller.account).look(|kept| kept.logins.clone())?;
        logins.retain(|login| now < login.until);
        logins.sort_by_key(|login| std::cmp::Reverse(login.used));
        let row = |login: KeptLogin| LoginRow {
            id: id_of(&login.family),
            current: caller.family == Some(login.family),
            device: login.device,
            created: login.created,
            used: login.used,
            until: login.until,
        };
        Ok(logins.into_iter().map(row).collect())
    }

    /// Ends a login with everything that was opened by it. Waits for the disk.
    pub(crate) fn end_login(&self, account: usize, id: &str) -> Result<(), LoginError> {
        let keeper = self.keeper(account);
        let family = keeper.look(|kept| {
            let mut families = kept.logins.iter().map(|login| login.family);
            families.find(|family| id_of(family) == id)
        })?;
        let family = family.ok_or_else(|| LoginError::Unknown(id.to_owned()))?;
        self.end_family(&family);
        keeper.change(|kept| kept.logins.retain(|login| login.family != family))?;
        // What a renewal opened in between.
        self.end_family(&family);
        Ok(())
    }

    /// Ends what the caller's token belongs to. Waits for the disk.
    pub(crate) fn log_out(&self, caller: &Caller) -> Result<(), LoginError> {
        match caller.family {
            Some(family) => self.end_login(caller.account, &id_of(&family)),
            None => {
                self.forget(caller);
                Ok(())
            }
        }
    }

    /// Ends the login that a refresh token belongs to, be it the newest one or not; whether there was one. Waits for the disk.
    pub(crate) fn end_by_refresh(&self, token: &str) -> Result<bool, LoginError> {
        let Some(family) = token.get(..FAMILY_DIGITS).map(Hash::of) else {
            return Ok(false);
        };
        let is_of = |login: &KeptLogin| login.family == family;
        for keeper in self.keepers() {
            if keeper.look(|kept| kept.logins.iter().any(is_of)).unwrap_or(false) {
                self.end_family(&family);
                keeper.change(|kept| kept.logins.retain(|login| !is_of(login)))?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The account that somebody names who logs in: by its address, or by its name on this node.
    fn account_named(&self, name: &str) -> Option<usize> {
        let keepers = self.keepers();
        let has_email = |kept: &Kept| {
            let email = kept.password.as_ref().and_then(|password| password.email.as_deref());
            email.is_some_and(|email| email.eq_ignore_ascii_case(name))
        };
        let by_email = keepers
            .iter()
            .position(|keeper| keeper.look(has_email).unwrap_or(false));
        by_email.or_else(|| keepers.iter().position(|keeper| keeper.name() == Some(name)))
    }

    /// Opens a login with the password of this hash, unless there is another one by now.
    fn open_login(
        &self,
        (account, password): (usize, &PasswordHash),
        device: String,
        lives: Lives,
        now: u64,
    ) -> Result<LoggedIn, LoginError> {
        let family = random_token();
        let (hash, refresh) = (Hash::of(&family), next_refresh(&family));
        let access = random_token();
        let refresh_until = now.saturating_add(lives.refresh);
        let login = KeptLogin {
            family: hash,
            refresh: Hash::of(&refresh),
            token: lives.of_one_token().then(|| Hash::of(&access)),
            device,
            created: now,
            used: now,
            until: refresh_until,
        };
        let ended = self.keeper(account).change(|kept| {
            if kept.password.as_ref().is_none_or(|kept| kept.hash != *password) {
                return Err(LoginError::Wrong);
            }
            let (live, mut ended): (Vec<_>, Vec<_>) = kept.logins.drain(..).partition(|login| now < login.until);
            kept.logins = live;
            kept.logins.sort_by_key(|login| login.used);
            while kept.logins.len() >= MAX_LOGINS {
                ended.push(kept.logins.remove(0));
            }
            kept.logins.push(login);
            Ok(ended)
        })??;
        for login in ended {
            self.end_family(&login.family);
        }
        let until = self.open_access(account, hash, &access, lives, now)?;
        Ok(LoggedIn {
            account,
            access,
            until,
            refresh,
            refresh_until,
        })
    }

    /// Lets a login's token in; until when it is good.
    fn open_access(
        &self,
        account: usize,
        family: Hash,
        token: &str,
        lives: Lives,
        now: u64,
    ) -> Result<u64, LoginError> {
        let until = now.saturating_add(lives.access);
        self.open(token, self.access(account, family, until), now);
        // Who ended the login meanwhile ended what was open then: either they see this token, or this sees that it is over.
        let keeper = self.keeper(account);
        if !keeper.look(|kept| kept.logins.iter().any(|login| login.family == family))? {
            self.end_family(&family);
            return Err(LoginError::Ended);
        }
        Ok(until)
    }

    fn access(&self, account: usize, family: Hash, until: u64) -> Grant {
        Grant {
            family: Some(family),
            ..Grant::full(account, Program::Login, self.next_number(), Some(until))
        }
    }

    /// Lets in whoever holds the one token of a login that went on before the node's start.
    pub(super) fn admit_login(&self, account: usize, login: &KeptLogin) {
        if let Some(token) = login.token {
            self.admit(token, Arc::new(self.access(account, login.family, login.until)));
        }
    }
}

/// Writes how the user of an account that does not run yet logs in. Waits for the disk, and computes.
pub(crate) fn prepare_login(
    keeper: &Keeper,
    email: Option<String>,
    password: &str,
    now: u64,
) -> Result<(), LoginError> {
    set_login(keeper, email, password, now).map(drop)
}

/// The logins that went on by then end with it.
fn set_login(keeper: &Keeper, email: Option<String>, password: &str, now: u64) -> Result<Vec<KeptLogin>, LoginError> {
    let hash = PasswordHash::of(password).ok_or_else(|| io::Error::other("a password could not be hashed"))?;
    Ok(keeper.change(|kept| {
        let before = kept.password.take().and_then(|password| password.email);
        kept.password = Some(KeptPassword {
            email: email.or(before),
            hash,
            created: now,
        });
        std::mem::take(&mut kept.logins)
    })?)
}

fn next_refresh(family: &str) -> Zeroizing<String> {
    let secret = random_token();
    let mut token = Zeroizing::new(String::with_capacity(family.len().saturating_add(secret.len())));
    token.push_str(family);
    token.push_str(&secret);
    token
}

pub(super) fn id_of(family: &Hash) -> String {
    let (named, _) = family.0.split_at(ID_BYTES);
    format!("login_{}", HEXLOWER.encode(named))
}

fn checked_email(text: &str) -> Result<String, LoginError> {
    let text = text.trim();
    let is_plain = text.len() <= MAX_EMAIL && !text.chars().any(|c| c.is_control() || c.is_whitespace());
    match text.split_once('@') {
        Some((name, domain)) if is_plain && !name.is_empty() && !domain.is_empty() && !domain.contains('@') => {
            Ok(text.to_owned())
        }
        _ => Err(LoginError::BadEmail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: Lives = Lives {
        access: 1_000,
        refresh: 10_000,
    };

    #[test]
    fn a_password_that_was_replaced_while_it_was_compared_opens_nothing() {
        let auth = Auth::of("cookie");
        auth.set_password(0, None, "the old one", 0).unwrap();
        let hash = |kept: &Kept| kept.password.as_ref().map(|password| password.hash.clone());
        let compared = auth.keeper(0).look(hash).unwrap().unwrap();
        assert!(auth.open_login((0, &compared), String::new(), LIVES, 0).is_ok());
        auth.set_password(0, None, "the new one", 0).unwrap();
        let outcome = auth.open_login((0, &compared), String::new(), LIVES, 0);
        assert!(matches!(outcome, Err(LoginError::Wrong)));
        assert!(auth.keeper(0).look(|kept| kept.logins.is_empty()).unwrap());
    }

    #[test]
    fn a_login_that_was_ended_gives_no_token_more() {
        let auth = Auth::of("cookie");
        let outcome = auth.open_access(0, Hash::of("ended"), "token", LIVES, 0);
        assert!(matches!(outcome, Err(LoginError::Ended)));
        let open = auth.known.lock().unwrap();
        assert!(open.values().all(|grant| grant.program == Program::CommandLine));
    }

    #[test]
    fn the_one_token_of_a_login_is_good_after_a_restart_until_the_login_ends() {
        let folder = tempfile::tempdir().unwrap();
        let start = |now| {
            let auth = Auth::of("cookie");
            auth.admit_kept(0, Keeper::open("ada", folder.path().join("access")), now);
            auth
        };
        let auth = start(0);
        auth.set_password(0, None, "a password", 0).unwrap();
        let hash = |kept: &Kept| kept.password.as_ref().map(|password| password.hash.clone());
        let hash = auth.keeper(0).look(hash).unwrap().unwrap();
        let one = Lives {
            access: LIVES.refresh,
            ..LIVES
        };
        let short = auth.open_login((0, &hash), String::new(), LIVES, 0).unwrap();
        let long = auth.open_login((0, &hash), String::new(), one, 0).unwrap();
        let again = start(5);
        assert!(again.accepts(&short.access, 5).is_none());
        let caller = again.accepts(&long.access, 9_999).unwrap();
        assert_eq!((caller.program, caller.until), (Program::Login, Some(10_000)));
        assert!(again.accepts(&long.access, 10_000).is_none());
        assert!(start(10_000).accepts(&long.access, 9_999).is_none());
        again.log_out(&caller).unwrap();
        assert!(again.accepts(&long.access, 5).is_none());
        assert!(start(6).accepts(&long.access, 6).is_none());
    }
}
