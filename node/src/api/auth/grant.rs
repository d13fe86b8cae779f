//! What a token allows: which account, how much, where, until when.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parlour_crypto::ConversationId;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::kept::Hash;
use crate::runner::now_ms;

/// How much a token allows. Each allows what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scope {
    /// Reading.
    Read,
    /// Taking part in conversations.
    Send,
    /// Everything.
    Admin,
}

impl Scope {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Scope {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Read, Self::Send, Self::Admin]
            .into_iter()
            .find(|scope| scope.name() == text)
            .ok_or(())
    }
}

/// Who shows a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The command line.
    CommandLine,
    /// A paired page.
    Page,
    /// A program with a token that was made for it.
    Token,
    /// Somebody who has logged in.
    Login,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CommandLine => "command_line",
            Self::Page => "page",
            Self::Token => "token",
            Self::Login => "login",
        }
    }
}

/// What one valid token allows.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Which of the node's accounts it is for, by number.
    pub(crate) account: usize,
    pub(crate) program: Program,
    /// Tells grants apart.
    pub(crate) number: u64,
    pub(crate) scope: Scope,
    /// The only conversation it is for.
    pub(crate) conversation: Option<ConversationId>,
    /// When it ends, ms since 1970; never, if not given.
    pub(crate) until: Option<u64>,
    /// The login it belongs to.
    pub(super) family: Option<Hash>,
    /// Cancelled when it is taken back.
    pub(super) over: CancellationToken,
    /// When it was last shown.
    pub(super) used: AtomicU64,
}

/// The holder of a token, for as long as a request, a stream or a socket lasts.
pub(crate) type Caller = Arc<Grant>;

impl Grant {
    /// Everything, in one account.
    pub(super) fn full(account: usize, program: Program, number: u64, until: Option<u64>) -> Self {
        Self {
            account,
            program,
            number,
            scope: Scope::Admin,
            conversation: None,
            until,
            family: None,
            over: CancellationToken::new(),
            used: AtomicU64::new(0),
        }
    }

    /// The same with nothing opened by it yet.
    pub(super) fn anew(&self, number: u64) -> Self {
        Self {
            account: self.account,
            program: self.program,
            number,
            scope: self.scope,
            conversation: self.conversation,
            until: self.until,
            family: self.family,
            over: CancellationToken::new(),
            used: AtomicU64::new(self.last_used()),
        }
    }

    /// Whether it is over at `now` (ms since 1970).
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.over.is_cancelled() || self.until.is_some_and(|until| until <= now)
    }

    /// Waits until it is over: taken back, or at its end.
    pub(crate) async fn ended(&self) {
        // In steps, since the wall clock may be set.
        const STEP: u64 = 60_000;
        loop {
            let now = now_ms();
            if self.is_over(now) {
                return;
            }
            let left = self.until.map_or(u64::MAX, |until| until.saturating_sub(now)).min(STEP);
            tokio::select! {
                () = self.over.cancelled() => return,
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
            }
        }
    }

    /// When it was last shown, ms since 1970; 0 = not since it was learnt.
    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether a holder may be told of something in this conversation, or in none.
    pub(crate) fn may_hear_of(&self, conversation: Option<&ConversationId>) -> bool {
        self.conversation.is_none() || self.conversation.as_ref() == conversation
    }
}
