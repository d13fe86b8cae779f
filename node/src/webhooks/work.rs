//! The worker of one webhook: reads from its cursor, delivers one change after the other, waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::book::{Book, Hook, Signals};
use super::delivery::Delivery;
use super::post::Line;
use super::target::Target;
use crate::api::{ApiState, EncodedChange};
use crate::runner::now_ms;

/// How far back the cursor on the disk may be: what was delivered since comes again, under the same ids, after a crash.
const SAVE_EVERY: Duration = Duration::from_secs(5);
/// What was read is delivered for so long; then it is read again, since some of it may have been erased.
const FRESH: Duration = Duration::from_secs(1);
/// How often to look whether an account that is kept out is let in again, or a feed can be read again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What is to be waited for.
enum Rest {
    Nothing,
    Change,
    For(Duration),
    /// Until somebody says otherwise.
    Paused,
}

pub(super) struct Worker {
    state: ApiState,
    book: Arc<Book>,
    id: String,
    target: Target,
    signals: Signals,
    line: Line,
    is_saved: bool,
    saved: Instant,
}

impl Worker {
    pub(super) fn new(state: ApiState, book: Arc<Book>, id: &str, target: Target, signals: Signals) -> Self {
        Self {
            line: Line::new(&state.door),
            state,
            book,
            id: id.to_owned(),
            target,
            signals,
            is_saved: true,
            saved: Instant::now(),
        }
    }

    /// Works until the node stops or the webhook is removed.
    pub(super) async fn run(mut self) {
        let (stop, over) = (self.state.door.stop.clone(), self.signals.over.clone());
        tokio::select! {
            () = over.cancelled() => return,
            () = stop.cancelled() => {}
            () = self.work() => {}
        }
        self.save().await;
    }

    async fn work(&mut self) {
        let mut feed = self.state.account.feed();
        let wake = self.signals.wake.clone();
        loop {
            // Before the feed is read: a change in between ends the wait.
            feed.borrow_and_update();
            let rest = self.turn().await;
            if self.is_saved || self.saved.elapsed() < SAVE_EVERY {
                tokio::task::yield_now().await;
            } else {
                self.save().await;
            }
            if matches!(rest, Rest::Nothing) {
                continue;
            }
            tokio::select! {
                changed = feed.changed(), if matches!(rest, Rest::Change) => if changed.is_err() { return },
                () = wait(&rest) => {}
                () = wake.notified() => {}
                () = sleep_until(self.saved + SAVE_EVERY), if !self.is_saved => self.save().await,
            }
        }
    }

    async fn turn(&mut self) -> Rest {
        let Ok(hook) = self.book.get(&self.id) else {
            return Rest::Paused;
        };
        let facts = self.state.account.facts();
        if self.state.door.guard.auth().keeps_out(&facts.account) {
            return Rest::For(LOOK_AGAIN);
        }
        if hook.trouble.as_ref().is_some_and(|trouble| trouble.paused) {
            return Rest::Paused;
        }
        if let Some(left) = self.book.left(&self.id) {
            return Rest::For(left);
        }
        let page = match self.state.changes.after(hook.cursor) {
            Ok(Some(page)) => page,
            Ok(None) => return Rest::Change,
            Err(error) => {
                tracing::error!(webhook = self.id, %error, "a webhook waits: the feed could not be read");
                return Rest::For(LOOK_AGAIN);
            }
        };
        let read = Instant::now();
        for change in page.changes.iter().filter(|change| is_for(&hook, change)) {
            if read.elapsed() >= FRESH {
                return Rest::Nothing;
            }
            if let Err(rest) = self.deliver(change).await {
                return rest;
            }
        }
        self.passed(page.cursor, None);
        Rest::Nothing
    }

    async fn deliver(&mut self, change: &EncodedChange) -> Result<(), Rest> {
        let delivery = Delivery::change(&self.id, change.seq, change.json());
        let signed = delivery.signed(&self.book.key(&self.id), now_ms());
        let Err(error) = self.line.post(&self.target, &signed).await else {
            self.passed(change.seq, Some(now_ms()));
            return Ok(());
        };
        let failed = self.book.failed(&self.id, error.to_string(), error.wait(), now_ms());
        self.save().await;
        let Some((trouble, pause)) = failed else {
            return Err(Rest::Paused);
        };
        if trouble.paused {
            tracing::warn!(webhook = self.id, tries = trouble.tries, %error, "a webhook is paused: its receiver has failed for a day");
            return Err(Rest::Paused);
        }
        if trouble.tries == 1 {
            tracing::warn!(webhook = self.id, %error, "a webhook was not delivered, and is tried again");
        }
        Err(Rest::For(pause))
    }

    fn passed(&mut self, cursor: u64, delivered: Option<u64>) {
        self.book.passed(&self.id, cursor, delivered);
        self.is_saved = false;
    }

    async fn save(&mut self) {
        (self.is_saved, self.saved) = (true, Instant::now());
        let book = self.book.clone();
        match tokio::task::spawn_blocking(move || book.save()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(webhook = self.id, %error, "how far a webhook is could not be written down")
            }
            Err(error) => tracing::error!(webhook = self.id, %error, "how far a webhook is could not be written down"),
        }
    }
}

async fn wait(rest: &Rest) {
    match rest {
        Rest::For(time) => sleep(*time).await,
        Rest::Nothing | Rest::Change | Rest::Paused => std::future::pending().await,
    }
}

fn is_for(hook: &Hook, change: &EncodedChange) -> bool {
    let is_of_kind = hook.events.is_empty() || hook.events.iter().any(|name| name == change.name);
    let is_there = hook.conversation.is_none() || hook.conversation == change.conversation;
    is_of_kind && is_there
}
