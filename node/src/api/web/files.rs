//! The files of the pages, by the paths a browser asks for.

/// Makes the list from names of files, once each.
macro_rules! files {
    ($($path:literal)*) => { &[$(($path, include_str!(concat!("../../../web", $path)))),*] };
}

/// Where an account is made.
pub(super) const SETUP: &str = include_str!("../../../web/setup.html");
/// Where people talk.
pub(super) const APP: &str = include_str!("../../../web/index.html");

/// What the pages load, in the order of the paths.
pub(super) static FILES: &[(&str, &str)] = files! {
    "/app/api.js"
    "/app/drafts.js"
    "/app/feed.js"
    "/app/format.js"
    "/app/h.js"
    "/app/main.js"
    "/app/parts/avatar.js"
    "/app/parts/bits.js"
    "/app/parts/emoji.js"
    "/app/parts/icon.js"
    "/app/parts/layer.js"
    "/app/parts/qr.js"
    "/app/route.js"
    "/app/state.js"
    "/app/summary.js"
    "/app/text.js"
    "/app/timeline.js"
    "/app/views/about.js"
    "/app/views/add.js"
    "/app/views/composer.js"
    "/app/views/conversation.js"
    "/app/views/conversations.js"
    "/app/views/details.js"
    "/app/views/invite.js"
    "/app/views/message.js"
    "/app/views/new-poll.js"
    "/app/views/new-room.js"
    "/app/views/node.js"
    "/app/views/pair.js"
    "/app/views/people.js"
    "/app/views/person.js"
    "/app/views/pins.js"
    "/app/views/poll.js"
    "/app/views/profile.js"
    "/app/views/requests.js"
    "/app/views/room.js"
    "/app/views/search.js"
    "/app/views/settings.js"
    "/app/views/thread.js"
    "/app/views/timeline.js"
    "/app/views/welcome.js"
    "/app/views/wishes.js"
    "/base.css"
    "/composer.css"
    "/form.css"
    "/house.css"
    "/layer.css"
    "/list.css"
    "/message.css"
    "/page.css"
    "/poll.css"
    "/setup.css"
    "/setup.js"
    "/theme.css"
    "/theme.js"
    "/timeline.css"
    "/vendor/hooks.js"
    "/vendor/htm.js"
    "/vendor/licences/htm.txt"
    "/vendor/licences/preact.txt"
    "/vendor/licences/signals.txt"
    "/vendor/preact.js"
    "/vendor/signals-core.js"
    "/vendor/signals.js"
};
