//! What is known of an account's webhooks: a small file beside its keystore, and what is true while they work. The file never
//! leaves the node, like the one with the tokens, and no key is in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use parlour_crypto::ConversationId;
use rand_core::Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::NewHook;
use super::delivery::Key;
use super::trouble::{Trouble, ms};
use crate::data::{read_versioned, write_private};
use crate::random::SystemRng;

/// Webhooks of an account at once.
const MAX_WEBHOOKS: usize = 32;
/// Random bytes of an id.
const ID_BYTES: usize = 10;
/// The format this program writes; a newer one is left alone.
const VERSION: u32 = 1;

/// One webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hook {
    pub(crate) id: String,
    pub(crate) url: String,
    pub(crate) anywhere: bool,
    /// Names of changes; all if there are none.
    pub(crate) events: Vec<String>,
    pub(crate) conversation: Option<ConversationId>,
    pub(crate) created: u64,
    /// Everything up to it is delivered, or not for this one.
    pub(crate) cursor: u64,
    /// When something was delivered last; 0 = never.
    pub(crate) delivered: u64,
    pub(crate) trouble: Option<Trouble>,
}

/// Why the webhooks could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("there are {MAX_WEBHOOKS} webhooks already: remove one that is not used any more")]
    TooMany,
    #[error("there is no webhook {0:?}")]
    Unknown(String),
    #[error("the webhook cannot be used: {0}")]
    Unusable(String),
    #[error("the account's webhooks could not be read or written")]
    Io(#[from] io::Error),
}

/// How a worker is told of what does not come from the feed.
#[derive(Debug, Clone, Default)]
pub(super) struct Signals {
    /// The webhook was removed.
    pub(super) over: CancellationToken,
    /// What it waits for has come early.
    pub(super) wake: Arc<Notify>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    hooks: Vec<Hook>,
}

#[derive(Default)]
struct Live {
    signals: Signals,
    /// When, and that as ms since 1970.
    next_try: Option<(Instant, u64)>,
}

struct Pages {
    /// `None`: the file cannot be used; no webhook works, and nothing is written over it.
    kept: Option<Kept>,
    live: BTreeMap<String, Live>,
}

pub(super) struct Book {
    file: PathBuf,
    root: Zeroizing<[u8; 32]>,
    pages: Mutex<Pages>,
}

impl Book {
    pub(super) fn open(file: PathBuf, root: Zeroizing<[u8; 32]>, now: u64) -> Self {
        let kept = read(&file).inspect_err(|error| {
            tracing::error!(%error, file = %file.display(), "webhooks do not work: their file cannot be used");
        });
        let pages = Pages {
            live: kept
                .iter()
                .flat_map(|kept| &kept.hooks)
                .map(|hook| live(hook, now))
                .collect(),
            kept: kept.ok(),
        };
        Self {
            file,
            root,
            pages: Mutex::new(pages),
        }
    }

    pub(super) fn key(&self, id: &str) -> Key {
        Key::of(&self.root, id)
    }

    pub(super) fn secret_text(&self, id: &str) -> Zeroizing<String> {
        self.key(id).text()
    }

    pub(super) fn all(&self) -> Result<Vec<Hook>, KeepError> {
        let pages = self.pages();
        Ok(pages.kept.as_ref().ok_or_else(unusable)?.hooks.clone())
    }

    pub(super) fn get(&self, id: &str) -> Result<Hook, KeepError> {
        let found = self.all()?.into_iter().find(|hook| hook.id == id);
        found.ok_or_else(|| KeepError::Unknown(id.to_owned()))
    }

    pub(super) fn signals(&self, id: &str) -> Option<Signals> {
        self.pages().live.get(id).map(|live| live.signals.clone())
    }

    pub(super) fn next_try(&self, id: &str) -> Option<u64> {
        self.pages().live.get(id)?.next_try.map(|(_, at)| at)
    }

    /// The time that is left until the next try.
    pub(super) fn left(&self, id: &str) -> Option<Duration> {
        let (at, _) = self.pages().live.get(id)?.next_try?;
        Some(at.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    pub(super) fn add(&self, new: NewHook, now: u64) -> Result<Hook, KeepError> {
        let mut random = [0; ID_BYTES];
        SystemRng.fill_bytes(&mut random);
        let hook = Hook {
            id: format!("hook_{}", HEXLOWER.encode(&random)),
            url: new.url,
            anywhere: new.anywhere,
            events: new.events,
            conversation: new.conversation,
            created: now,
            cursor: new.cursor,
            delivered: 0,
            trouble: None,
        };
        let mut pages = self.pages();
        self.change(&mut pages, |hooks| {
            if hooks.len() >= MAX_WEBHOOKS {
                return Err(KeepError::TooMany);
            }
            hooks.push(hook.clone());
            Ok(())
        })?;
        pages.live.extend([live(&hook, now)]);
        Ok(hook)
    }

    pub(super) fn remove(&self, id: &str) -> Result<(), KeepError> {
        let mut pages = self.pages();
        let known = pages.live.get(id).map(|live| live.signals.clone());
        let signals = known.ok_or_else(|| KeepError::Unknown(id.to_owned()))?;
        // Before the disk is asked: it may be full.
        signals.over.cancel();
        self.change(&mut pages, |hooks| {
            hooks.retain(|hook| hook.id != id);
            Ok(())
        })?;
        pages.live.remove(id);
        Ok(())
    }

    /// What is behind `cursor` is next; `delivered` says when this was told, if it was. In memory, until [`Book::save`].
    pub(super) fn passed(&self, id: &str, cursor: u64, delivered: Option<u64>) {
        self.note(id, |hook, live| {
            hook.cursor = hook.cursor.max(cursor);
            if let Some(now) = delivered {
                hook.delivered = now;
                if hook.trouble.take().is_some() {
                    live.next_try = None;
                    tracing::info!(webhook = hook.id, "the receiver of a webhook takes deliveries again");
                }
            }
        });
    }

    /// The receiver has answered as it should.
    pub(super) fn recovered(&self, id: &str, now: u64) {
        self.passed(id, 0, Some(now));
        if let Some(signals) = self.signals(id) {
            signals.wake.notify_one();
        }
    }

    /// One more try has failed, and the receiver asks to be left alone for a while or not; answers how it stands, and after which time the next one is, unless it is paused.
    pub(super) fn failed(
        &self,
        id: &str,
        error: String,
        wait: Option<Duration>,
        now: u64,
    ) -> Option<(Trouble, Duration)> {
        let mut random = [0; 4];
        SystemRng.fill_bytes(&mut random);
        let mut found = None;
        self.note(id, |hook, live| {
            let trouble = Trouble::after(hook.trouble.as_ref(), error, wait, now);
            let pause = trouble.pause(u32::from_le_bytes(random), now);
            live.next_try = (!trouble.paused).then(|| after(pause, now));
            hook.trouble = Some(trouble.clone());
            found = Some((trouble, pause));
        });
        found
    }

    /// Brings what was noted to the disk. Waits for it.
    pub(super) fn save(&self) -> Result<(), KeepError> {
        let mut pages = self.pages();
        self.change(&mut pages, |_| Ok(()))
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, id: &str, change: impl FnOnce(&mut Hook, &mut Live)) {
        let mut pages = self.pages();
        let Pages { kept, live } = &mut *pages;
        let hook = kept
            .iter_mut()
            .flat_map(|kept| &mut kept.hooks)
            .find(|hook| hook.id == id);
        if let (Some(hook), Some(live)) = (hook, live.get_mut(id)) {
            change(hook, live);
        }
    }

    /// Changes what is kept, on the disk first.
    fn change(
        &self,
        pages: &mut Pages,
        change: impl FnOnce(&mut Vec<Hook>) -> Result<(), KeepError>,
    ) -> Result<(), KeepError> {
        let mut next = pages.kept.clone().ok_or_else(unusable)?;
        change(&mut next.hooks)?;
        let text = serde_json::to_vec_pretty(&next).map_err(io::Error::other)?;
        write_private(&self.file, &text)?;
        pages.kept = Some(next);
        Ok(())
    }
}

/// When a pause is over that begins `now`, ms since 1970.
fn after(pause: Duration, now: u64) -> (Instant, u64) {
    (Instant::now() + pause, now.saturating_add(ms(pause)))
}

/// What is true of one that begins to work at `now`: what its receiver asked for outlasts the process, other pauses do not.
fn live(hook: &Hook, now: u64) -> (String, Live) {
    let trouble = hook.trouble.as_ref().filter(|trouble| !trouble.paused);
    let pause = trouble.map_or(Duration::ZERO, |trouble| trouble.asked_pause(now));
    let live = Live {
        next_try: (!pause.is_zero()).then(|| after(pause, now)),
        ..Live::default()
    };
    (hook.id.clone(), live)
}

fn unusable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file with the webhooks cannot be used")
}

fn read(file: &Path) -> io::Result<Kept> {
    let kept = read_versioned(file, VERSION, |kept: &Kept| kept.version)?;
    Ok(kept.unwrap_or_else(|| Kept {
        version: VERSION,
        hooks: Vec::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(cursor: u64) -> NewHook {
        NewHook {
            url: "http://localhost/".into(),
            anywhere: false,
            events: vec!["message".into()],
            conversation: None,
            cursor,
        }
    }

    fn open(folder: &tempfile::TempDir) -> Book {
        Book::open(folder.path().join("webhooks"), Zeroizing::new([9; 32]), 0)
    }

    #[test]
    fn what_was_saved_is_there_again_and_no_key_is() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder);
        let hook = book.add(new(3), 100).unwrap();
        let secret = book.secret_text(&hook.id);
        book.passed(&hook.id, 8, Some(200));
        assert_eq!(open(&folder).get(&hook.id).unwrap().cursor, 3, "not saved yet");
        book.failed(&hook.id, "it was away".into(), None, 300).unwrap();
        book.save().unwrap();

        let again = open(&folder);
        let found = again.get(&hook.id).unwrap();
        assert_eq!((found.cursor, found.delivered), (8, 200));
        assert_eq!(found.trouble.unwrap().error, "it was away");
        assert_eq!(*again.secret_text(&hook.id), *secret);
        let text = std::fs::read_to_string(folder.path().join("webhooks")).unwrap();
        assert!(!text.contains(secret.strip_prefix("whsec_").unwrap()));
        again.remove(&hook.id).unwrap();
        assert!(matches!(open(&folder).get(&hook.id), Err(KeepError::Unknown(_))));
    }

    #[test]
    fn a_cursor_does_not_go_back_and_success_ends_the_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder);
        let id = book.add(new(3), 0).unwrap().id;
        book.failed(&id, "x".into(), None, 10).unwrap();
        assert!(book.next_try(&id).is_some_and(|at| (510..=1_010).contains(&at)));
        book.passed(&id, 5, None);
        assert!(book.get(&id).unwrap().trouble.is_some(), "nothing was delivered");
        book.recovered(&id, 20);
        let hook = book.get(&id).unwrap();
        assert_eq!((hook.cursor, hook.delivered, hook.trouble), (5, 20, None));
        assert_eq!(book.next_try(&id), None);
    }

    #[test]
    fn what_a_receiver_asked_for_outlasts_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder);
        let id = book.add(new(3), 0).unwrap().id;
        book.failed(&id, "x".into(), Some(Duration::from_secs(3_600)), 10)
            .unwrap();
        book.save().unwrap();
        assert_eq!(open(&folder).next_try(&id), Some(3_600_010));
        assert!(open(&folder).left(&id).is_some());
        book.failed(&id, "x".into(), None, 20).unwrap();
        book.save().unwrap();
        assert_eq!(open(&folder).next_try(&id), None);
    }

    #[test]
    fn there_are_only_so_many_and_a_file_of_another_kind_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let book = open(&folder);
        for _ in 0..MAX_WEBHOOKS {
            book.add(new(0), 0).unwrap();
        }
        assert!(matches!(book.add(new(0), 0), Err(KeepError::TooMany)));
        let file = folder.path().join("webhooks");
        for other in ["nonsense", "{\"version\":2,\"hooks\":[]}"] {
            std::fs::write(&file, other).unwrap();
            let book = open(&folder);
            assert!(matches!(book.all(), Err(KeepError::Io(_))), "{other}");
            assert!(matches!(book.add(new(0), 0), Err(KeepError::Io(_))), "{other}");
            assert!(book.save().is_err(), "{other}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
        }
    }
}
