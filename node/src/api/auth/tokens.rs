//! Tokens made for programs: kept until they end or are taken back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use data_encoding::HEXLOWER;
use parlour_crypto::ConversationId;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::grant::{Grant, Program, Scope};
use super::kept::{Hash, Keeper, KeptToken};
use super::{Auth, random_token};

/// Tokens of an account at once.
const MAX_TOKENS: usize = 256;
/// Bytes of a label.
pub(crate) const MAX_LABEL: usize = 64;
/// Bytes of a token's hash that name it.
const ID_BYTES: usize = 10;

/// A token to make.
pub(crate) struct NewToken {
    pub(crate) label: String,
    pub(crate) scope: Scope,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) until: Option<u64>,
}

/// A token as it may be shown.
#[derive(Clone)]
pub(crate) struct TokenRow {
    pub(crate) id: String,
    pub(crate) label: String,
    pub(crate) scope: Scope,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) created: u64,
    pub(crate) until: Option<u64>,
    /// 0 = never.
    pub(crate) used: u64,
}

/// Why a token was not made or taken back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// There are enough.
    #[error("there are {MAX_TOKENS} tokens already: revoke one that is not used any more")]
    TooMany,
    /// Not usable as a label.
    #[error("a label has at most {MAX_LABEL} bytes and no control characters")]
    BadLabel,
    /// There is none of that id.
    #[error("there is no token {0:?}")]
    Unknown(String),
    /// The disk did not take it.
    #[error("the account's tokens could not be written")]
    Io(#[from] io::Error),
}

impl Auth {
    /// Lets in whoever holds a kept token of this account, or the one token of a login, from now on.
    pub(crate) fn admit_kept(&self, account: usize, keeper: Keeper, now: u64) {
        let kept = keeper.look(|kept| (kept.tokens.clone(), kept.logins.clone()));
        let (tokens, logins) = kept.unwrap_or_default();
        for token in tokens.into_iter().filter(|token| is_live(token, now)) {
            self.admit_token(account, &token);
        }
        for login in logins.iter().filter(|login| now < login.until) {
            self.admit_login(account, login);
        }
        self.set_keeper(account, keeper);
    }

    /// Makes a token; it is on the disk when it is told. Waits for the disk.
    pub(crate) fn make_token(
        &self,
        account: usize,
        new: NewToken,
        now: u64,
    ) -> Result<(Zeroizing<String>, TokenRow), TokenError> {
        if new.label.len() > MAX_LABEL || new.label.chars().any(char::is_control) {
            return Err(TokenError::BadLabel);
        }
        let secret = random_token();
        let token = KeptToken {
            hash: Hash::of(&secret),
            label: new.label,
            scope: new.scope,
            conversation: new.conversation,
            created: now,
            until: new.until,
            used: 0,
        };
        self.keeper(account).change(|kept| {
            kept.tokens.retain(|token| is_live(token, now));
            if kept.tokens.len() >= MAX_TOKENS {
                return Err(TokenError::TooMany);
            }
            kept.tokens.push(token.clone());
            Ok(())
        })??;
        self.admit_token(account, &token);
        Ok((secret, row(&token, 0)))
    }

    /// The tokens of an account that are good now, the newest first.
    pub(crate) fn tokens(&self, account: usize, now: u64) -> Result<Vec<TokenRow>, TokenError> {
        let mut tokens = self.keeper(account).look(|kept| kept.tokens.clone())?;
        tokens.retain(|token| is_live(token, now));
        tokens.reverse();
        let used = |token: &KeptToken| self.grant(&token.hash).map_or(0, |grant| grant.last_used());
        Ok(tokens.iter().map(|token| row(token, used(token))).collect())
    }

    /// Ends a token at once, with everything that was opened by it. Waits for the disk.
    pub(crate) fn revoke_token(&self, account: usize, id: &str) -> Result<(), TokenError> {
        let keeper = self.keeper(account);
        let known = keeper.look(|kept| {
            let mut tokens = kept.tokens.iter().map(|token| token.hash);
            tokens.find(|hash| id_of(hash) == id)
        })?;
        let hash = known.ok_or_else(|| TokenError::Unknown(id.to_owned()))?;
        // Before the disk is asked: it may be full.
        self.take_back(&hash);
        keeper.change(|kept| kept.tokens.retain(|token| token.hash != hash))?;
        Ok(())
    }

    /// Writes down when tokens were last shown. Waits for the disk.
    pub(crate) fn note_use(&self) {
        for keeper in self.keepers() {
            let latest = |token: &KeptToken| self.grant(&token.hash).map_or(0, |grant| grant.last_used());
            let is_behind = keeper.look(|kept| kept.tokens.iter().any(|token| latest(token) > token.used));
            if !is_behind.unwrap_or(false) {
                continue;
            }
            let noted = keeper.change(|kept| {
                for token in &mut kept.tokens {
                    token.used = token.used.max(latest(token));
                }
            });
            if let Err(error) = noted {
                tracing::warn!(%error, "when tokens were last used could not be written down");
            }
        }
    }

    fn admit_token(&self, account: usize, token: &KeptToken) {
        let grant = Grant {
            account,
            program: Program::Token,
            number: self.next_number(),
            scope: token.scope,
            conversation: token.conversation,
            until: token.until,
            family: None,
            over: CancellationToken::new(),
            used: AtomicU64::new(token.used),
        };
        self.admit(token.hash, Arc::new(grant));
    }
}

fn is_live(token: &KeptToken, now: u64) -> bool {
    token.until.is_none_or(|until| now < until)
}

fn row(token: &KeptToken, used: u64) -> TokenRow {
    TokenRow {
        id: id_of(&token.hash),
        label: token.label.clone(),
        scope: token.scope,
        conversation: token.conversation,
        created: token.created,
        until: token.until,
        used: used.max(token.used),
    }
}

/// A token's name follows from its hash, so that nothing has to be counted.
fn id_of(hash: &Hash) -> String {
    let (named, _) = hash.0.split_at(ID_BYTES);
    format!("token_{}", HEXLOWER.encode(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(label: &str, until: Option<u64>) -> NewToken {
        NewToken {
            label: label.into(),
            scope: Scope::Read,
            conversation: None,
            until,
        }
    }

    #[test]
    fn a_token_is_good_until_it_ends_or_is_taken_back_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access");
        let start = |now| {
            let auth = Auth::of("cookie");
            auth.admit_kept(0, Keeper::open("ada", file.clone()), now);
            auth
        };
        let auth = start(0);
        let (short, _) = auth.make_token(0, new("short", Some(1_000)), 0).unwrap();
        let (long, row) = auth.make_token(0, new("long", None), 0).unwrap();
        assert_eq!(short.len(), 64);
        assert!(auth.accepts(&short, 999).is_some() && auth.accepts(&short, 1_000).is_none());
        auth.accepts(&long, 70_000).unwrap();
        auth.note_use();

        let auth = start(500);
        assert!(auth.accepts(&short, 500).is_some());
        let listed = auth.tokens(0, 2_000).unwrap();
        assert_eq!((listed.len(), &listed[0].id, listed[0].used), (1, &row.id, 70_000));
        let caller = auth.accepts(&long, 2_000).unwrap();
        assert!(!caller.is_over(2_000));
        auth.revoke_token(0, &row.id).unwrap();
        assert!(caller.is_over(2_000) && auth.accepts(&long, 2_000).is_none());
        assert!(matches!(auth.revoke_token(0, &row.id), Err(TokenError::Unknown(_))));
        assert!(start(2_000).accepts(&long, 2_000).is_none());
    }

    #[test]
    fn there_are_only_so_many_and_labels_are_short() {
        let auth = Auth::of("cookie");
        for _ in 0..MAX_TOKENS {
            auth.make_token(0, new("", Some(10)), 0).unwrap();
        }
        assert!(matches!(auth.make_token(0, new("", None), 9), Err(TokenError::TooMany)));
        auth.make_token(0, new("", None), 10).unwrap();
        for wrong in ["x".repeat(MAX_LABEL + 1), "a\nb".into()] {
            assert!(matches!(
                auth.make_token(0, new(&wrong, None), 10),
                Err(TokenError::BadLabel)
            ));
        }
    }
}
