//! Typing and presence for one reader of a stream: what differs from what it was told last. Nothing is queued for slow readers.

use std::sync::Arc;

use tokio::sync::watch;

use super::dto::Passing;
use crate::api::auth::Caller;
use crate::engine::Ephemera;
use crate::handle::AccountHandle;

/// What a reader has been told.
pub(crate) struct PassingReader {
    caller: Caller,
    now: watch::Receiver<Arc<Ephemera>>,
    told: Arc<Ephemera>,
    fresh: bool,
}

impl PassingReader {
    pub(crate) fn new(account: &AccountHandle, caller: Caller) -> Self {
        Self {
            caller,
            now: account.ephemera(),
            told: Arc::default(),
            fresh: true,
        }
    }

    /// Waits until there may be something to tell; at first there may be at once. `false`: the node is stopping.
    pub(crate) async fn changed(&mut self) -> bool {
        if std::mem::take(&mut self.fresh) {
            return true;
        }
        self.now.changed().await.is_ok()
    }

    /// What is different by now.
    pub(crate) fn take(&mut self) -> Vec<Passing> {
        let now = self.now.borrow_and_update().clone();
        let told = std::mem::replace(&mut self.told, now.clone());
        let mut all = differences(&told, &now);
        all.retain(|one| {
            self.caller.may_hear_of(match one {
                Passing::Typing { conversation, .. } => Some(conversation),
                Passing::Presence { .. } => None,
            })
        });
        all
    }
}

/// How presence is called.
pub(crate) fn presence_name(online: bool) -> &'static str {
    if online { "online" } else { "away" }
}

fn differences(before: &Ephemera, now: &Ephemera) -> Vec<Passing> {
    let typing = |(conversation, user_id): &(_, _), typing| Passing::Typing {
        conversation: *conversation,
        user_id: *user_id,
        typing,
    };
    let mut all: Vec<Passing> = before
        .typing
        .difference(&now.typing)
        .map(|at| typing(at, false))
        .collect();
    all.extend(now.typing.difference(&before.typing).map(|at| typing(at, true)));
    for user in before.presence.keys().filter(|user| !now.presence.contains_key(user)) {
        all.push(Passing::Presence {
            user_id: *user,
            presence: None,
        });
    }
    for (user, online) in &now.presence {
        if before.presence.get(user) != Some(online) {
            all.push(Passing::Presence {
                user_id: *user,
                presence: Some(presence_name(*online)),
            });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use parlour_crypto::{ConversationId, UserId};

    use super::*;

    #[test]
    fn a_reader_is_told_what_differs_and_nothing_twice() {
        let (user, conversation) = (UserId::from_bytes([1; 32]), ConversationId::from_bytes([2; 32]));
        let (nothing, mut busy) = (Ephemera::default(), Ephemera::default());
        busy.typing.insert((conversation, user));
        busy.presence.insert(user, true);
        let names = |all: Vec<Passing>| {
            all.iter()
                .map(|one| serde_json::to_string(one).unwrap())
                .collect::<Vec<_>>()
        };
        let told = names(differences(&nothing, &busy));
        assert!(
            told[0].contains("\"typing\":true") && told[1].contains("\"presence\":\"online\""),
            "{told:?}"
        );
        assert!(differences(&busy, &busy).is_empty());
        let told = names(differences(&busy, &nothing));
        assert!(
            told[0].contains("\"typing\":false") && told[1].contains("\"presence\":null"),
            "{told:?}"
        );
    }
}
