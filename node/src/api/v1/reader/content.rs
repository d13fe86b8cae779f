//! What a message says now, as JSON: its text or why there is none, what it answers, who reacted.

use parlour_crypto::{EventId, KIND_MESSAGE};
use parlour_store::view::{self, Absent, ReactionView, Shown, State};
use parlour_store::{ConversationNo, EventKey, StoreError, annotations, events};

use super::super::dto::{self, Time, What};
use super::{Reader, parts};
use crate::runner::now_ms;

impl Reader<'_> {
    /// The text, and what most messages have not.
    pub(super) fn content(
        &mut self,
        conversation: ConversationNo,
        state: &State,
    ) -> Result<(Option<String>, Box<dto::More>), StoreError> {
        let mut more = Box::new(dto::More {
            edited_at: state.edited.map(Time),
            expires_at: state.expires.map(Time),
            mentions: state.mentions.clone(),
            reply_to: state.reply_to,
            thread: state.thread,
            replies: state.replies.map(|thread| dto::Replies {
                count: thread.replies,
                last_id: thread.last.id,
                last_at: Time(thread.last.clock),
            }),
            ..dto::More::default()
        });
        if let Some(target) = &state.reply_to {
            more.reply = Some(self.quote(conversation, target)?);
        }
        let mut text = None;
        match &state.shown {
            Shown::Text(shown) => text = Some(shown.clone()),
            Shown::Poll(poll) => more.poll = Some(parts::poll(poll, &self.facts.own.user)),
            Shown::Content(content) => {
                text = parts::text(content);
                more.parts = parts::parts(content);
            }
            Shown::OnDemand { views_left } => more.views_left = Some(*views_left),
            Shown::Timer(after) => {
                more.timer = Some(dto::Timer {
                    expires_after_ms: *after,
                });
            }
            Shown::Absent(why) => more.gone = Some(absent_name(*why)),
            Shown::Unsupported => {}
        }
        Ok((text, more))
    }

    /// What of the message at `at` is read as text, if it is shown.
    pub(crate) fn words(&mut self, at: &EventKey) -> Result<Option<String>, StoreError> {
        let Some(event) = events::get(&self.rows, at)? else {
            return Ok(None);
        };
        let author = self.author(at.log.device)?;
        Ok(view::state(&self.rows, at, &event, &author.user)?
            .at(now_ms())
            .shown
            .words())
    }

    pub(super) fn quote(&mut self, conversation: ConversationNo, id: &EventId) -> Result<dto::Quote, StoreError> {
        let mut quote = dto::Quote {
            id: *id,
            author: None,
            author_name: None,
            snippet: None,
            reason: Some("missing"),
        };
        let place = events::place(&self.rows, id)?.filter(|at| at.log.conversation == conversation);
        let Some((at, event)) = place
            .map(|at| Ok::<_, StoreError>(events::get(&self.rows, &at)?.map(|event| (at, event))))
            .transpose()?
            .flatten()
            .filter(|(_, event)| event.header().kind == KIND_MESSAGE)
        else {
            return Ok(quote);
        };
        if annotations::is_hidden(&self.rows, id)? {
            quote.reason = Some("hidden");
            return Ok(quote);
        }
        let author = self.author(at.log.device)?;
        let state = view::state(&self.rows, &at, &event, &author.user)?.at(now_ms());
        quote.author = Some(author.user);
        quote.author_name = Some(author.name);
        quote.reason = match &state.shown {
            Shown::Text(_) | Shown::Poll(_) | Shown::Content(_) => {
                quote.snippet = state.shown.words().map(|words| beginning(&words));
                None
            }
            Shown::OnDemand { .. } => Some("on_demand"),
            Shown::Absent(why) => Some(absent_name(*why)),
            Shown::Timer(_) | Shown::Unsupported => Some("unsupported"),
        };
        Ok(quote)
    }

    pub(super) fn reactions(&self, all: Vec<ReactionView>) -> Vec<dto::Reaction> {
        all.into_iter()
            .map(|reaction| dto::Reaction {
                emoji: reaction.emoji,
                count: reaction.users.len(),
                mine: reaction.users.contains(&self.facts.own.user),
                users: reaction.users,
            })
            .collect()
    }

    /// A message after a change; `None` if it is not shown, and was not.
    pub(super) fn updated(&mut self, at: &EventKey) -> Result<Option<What>, StoreError> {
        if let Some(message) = self.message_at(at)? {
            return Ok(Some(What::MessageUpdated {
                message: Box::new(message),
            }));
        }
        let Some(event) = events::get(&self.rows, at)? else {
            return Ok(None);
        };
        let id = event.id();
        let hidden = annotations::is_hidden(&self.rows, &id)?;
        Ok(hidden.then_some(What::MessageHidden {
            conversation: event.header().conversation,
            id,
        }))
    }

    /// What happened, or that it did not.
    pub(super) fn what_happened(&mut self, at: &EventKey) -> Result<Option<What>, StoreError> {
        if let Some(message) = self.message_at(at)? {
            return Ok(Some(What::System {
                message: Box::new(message),
            }));
        }
        let event = events::get(&self.rows, at)?;
        Ok(event.map(|event| What::MessageHidden {
            conversation: event.header().conversation,
            id: event.id(),
        }))
    }

    /// The versions of the message at `at`, the first one first, at most `limit` and the first.
    pub(crate) fn versions(&mut self, at: &EventKey, limit: usize) -> Result<Vec<dto::Version>, StoreError> {
        let Some(event) = events::get(&self.rows, at)? else {
            return Ok(Vec::new());
        };
        let author = self.author(at.log.device)?;
        if let Shown::Absent(_) = view::state(&self.rows, at, &event, &author.user)?.at(now_ms()).shown {
            return Ok(Vec::new());
        }
        let versions = view::versions(&self.rows, at, &event, &author.user, limit)?;
        Ok(versions
            .into_iter()
            .map(|version| dto::Version {
                id: version.at.id,
                text: version.text,
                created_at: Time(version.at.clock),
            })
            .collect())
    }
}

fn beginning(text: &str) -> String {
    match annotations::quoted(text) {
        quoted if quoted.len() < text.len() => format!("{quoted}…"),
        whole => whole.to_owned(),
    }
}

fn absent_name(why: Absent) -> &'static str {
    match why {
        Absent::Deleted => "deleted",
        Absent::Expired => "expired",
        Absent::Viewed => "viewed",
        Absent::Erased => "erased",
        Absent::TooSoon => "too_soon",
        Absent::Void => "void",
    }
}
