//! Every operation of the API: what it is for, what it takes and gives, and which tokens may do it. The access check and the
//! OpenAPI document both read this table, and what does not stand in it is for unlimited tokens alone.

use axum::http::Method;

use super::auth::Scope;

/// What a caller must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// No token.
    Nothing,
    /// A token of at least this scope.
    Scope(Scope),
    /// The command line's token.
    CommandLine,
}

/// How a token for one conversation is held to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not for such tokens.
    Account,
    /// The first part of the path names the conversation.
    Conversation,
    /// The first part of the path names a message.
    Message,
    /// The parameter `conversation` names it.
    Query,
    /// The handler leaves out what is elsewhere.
    Filtered,
}

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) method: &'static str,
    /// As the router has it.
    pub(crate) path: &'static str,
    pub(crate) needs: Needs,
    pub(crate) place: Place,
    pub(crate) summary: &'static str,
    /// The schema of the body it takes.
    pub(crate) takes: Option<&'static str>,
    /// The status and the schema of what it gives; no schema: no body.
    pub(crate) gives: (u16, Option<&'static str>),
    /// Another status with which it gives the same.
    pub(crate) or: Option<u16>,
    /// Parameters of the query.
    pub(crate) query: &'static [&'static str],
}

impl Operation {
    const fn takes(mut self, schema: &'static str) -> Self {
        self.takes = Some(schema);
        self
    }

    const fn by(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    /// Status 202 instead of 200: it goes on afterwards.
    const fn starts(mut self) -> Self {
        self.gives.0 = 202;
        self
    }

    /// Status 201 instead of 200.
    const fn makes(mut self) -> Self {
        self.gives.0 = 201;
        self
    }

    /// Another status with which it gives the same.
    const fn or(mut self, status: u16) -> Self {
        self.or = Some(status);
        self
    }

    /// Status 101.
    const fn upgrades(mut self) -> Self {
        self.gives.0 = 101;
        self
    }

    const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    const fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
}

const fn operation(
    needs: Needs,
    method: &'static str,
    path: &'static str,
    gives: &'static str,
    summary: &'static str,
) -> Operation {
    let gives = if gives.is_empty() {
        (204, None)
    } else {
        (200, Some(gives))
    };
    Operation {
        method,
        path,
        needs,
        place: Place::Account,
        summary,
        takes: None,
        gives,
        or: None,
        query: &[],
    }
}

const fn open(method: &'static str, path: &'static str, gives: &'static str, summary: &'static str) -> Operation {
    operation(Needs::Nothing, method, path, gives, summary)
}

const fn read(path: &'static str, gives: &'static str, summary: &'static str) -> Operation {
    operation(Needs::Scope(Scope::Read), "GET", path, gives, summary)
}

const fn send(method: &'static str, path: &'static str, gives: &'static str, summary: &'static str) -> Operation {
    operation(Needs::Scope(Scope::Send), method, path, gives, summary)
}

const fn admin(method: &'static str, path: &'static str, gives: &'static str, summary: &'static str) -> Operation {
    operation(Needs::Scope(Scope::Admin), method, path, gives, summary)
}

const fn command_line(
    method: &'static str,
    path: &'static str,
    gives: &'static str,
    summary: &'static str,
) -> Operation {
    operation(Needs::CommandLine, method, path, gives, summary)
}

use Place::{Conversation, Filtered, Message, Query};

/// The operation behind a path of the router.
pub(crate) fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    let method = if *method == Method::HEAD {
        "GET"
    } else {
        method.as_str()
    };
    OPERATIONS
        .iter()
        .find(|operation| operation.method == method && operation.path == path)
}

/// Whether this path needs no token.
pub(crate) fn is_open(path: &str) -> bool {
    OPERATIONS
        .iter()
        .any(|operation| operation.needs == Needs::Nothing && operation.path == path)
}

/// All of them, by resource.
#[rustfmt::skip]
pub(crate) const OPERATIONS: &[Operation] = &[
    open("GET", "/api/openapi.json", "Document", "This document"),
    open("GET", "/api/docs", "Html", "The same for people"),
    open("GET", "/health/live", "Health", "Whether the process answers"),
    open("GET", "/health/ready", "Health", "Whether all accounts can write").or(503),
    admin("GET", "/metrics", "Figures", "Counts of the account in the text format of Prometheus"),
    // session
    read("/api/v1/session", "Session", "What the token that asks allows").at(Filtered),
    open("POST", "/api/v1/session/pair", "Paired", "Exchange the code of a pairing link for a token").takes("Pair"),
    command_line("POST", "/api/v1/session/link", "Link", "Make a pairing link for a browser").takes("Nothing").makes(),
    open("POST", "/api/v1/session/login", "LoggedIn", "Log in with name and password").takes("LogIn"),
    open("POST", "/api/v1/session/refresh", "LoggedIn", "Exchange a refresh token for the next pair; each is good once")
        .takes("Refresh"),
    open("POST", "/api/v1/session/register", "Registered", "Make an account, as far as the node lets people do that")
        .takes("Register").makes(),
    read("/api/v1/session/logout", "", "End the session that the token belongs to").by("POST").takes("Nothing").at(Filtered),
    admin("GET", "/api/v1/session/logins", "Logins", "The logins that go on"),
    admin("DELETE", "/api/v1/session/logins/{login}", "", "End a login, with its live sockets and streams"),
    admin("GET", "/api/v1/me/login", "OwnLogin", "How the account's user logs in"),
    command_line("PUT", "/api/v1/me/login", "OwnLogin", "Set the password, and an e-mail address; all logins end")
        .takes("SetLogin"),
    admin("GET", "/api/v1/tokens", "Tokens", "The tokens made for programs"),
    command_line("POST", "/api/v1/tokens", "MadeToken", "Make a token for a program; it is shown once")
        .takes("MakeToken").makes(),
    admin("DELETE", "/api/v1/tokens/{token}", "", "Take a token back, with its live sockets and streams"),
    admin("GET", "/api/v1/webhooks", "Webhooks", "The webhooks, and how their deliveries go"),
    admin("POST", "/api/v1/webhooks", "MadeWebhook", "Tell changes from now on to an HTTP server; the secret of its signatures is shown once")
        .takes("MakeWebhook").makes(),
    admin("DELETE", "/api/v1/webhooks/{webhook}", "", "Remove a webhook"),
    admin("POST", "/api/v1/webhooks/{webhook}/test", "WebhookTest", "Send a test; if it is taken, a webhook that waits or is paused goes on")
        .takes("Nothing"),
    // accounts
    read("/api/v1/accounts", "Accounts", "The account that the token is for"),
    admin("POST", "/api/v1/accounts", "MadeAccount", "Make the node's account, while it has none").takes("MakeAccount").makes(),
    admin("GET", "/api/v1/node/accounts", "NodeAccounts", "The accounts of this node, for whoever looks after it"),
    admin("PATCH", "/api/v1/node/accounts/{account}", "NodeAccount", "Give an account a role, keep it out, or let it in again").takes("ChangeNodeAccount"),
    admin("DELETE", "/api/v1/node/accounts/{account}", "", "Keep an account out, and erase it when the node starts next"),
    command_line("POST", "/api/v1/accounts/invites", "AccountInvite", "Make an invitation to make an account; it is good once")
        .takes("InviteAccount").makes(),
    read("/api/v1/me", "Me", "Who this account is"),
    read("/api/v1/me/address", "ContactAddress", "A link by which anybody may ask to become a contact"),
    read("/api/v1/me/presence", "OwnPresence", "What contacts are told of whether you are there"),
    send("PUT", "/api/v1/me/presence", "OwnPresence", "Tell contacts that you are there").takes("SetPresence"),
    read("/api/v1/me/settings", "Settings", "How the account behaves towards others"),
    admin("PATCH", "/api/v1/me/settings", "Settings", "Change settings").takes("ChangeSettings"),
    read("/api/v1/me/profile", "OwnProfile", "What contacts see of you"),
    admin("PATCH", "/api/v1/me/profile", "OwnProfile", "Change your profile").takes("ChangeProfile"),
    read("/api/v1/me/avatar", "Image", "Your picture"),
    admin("PUT", "/api/v1/me/avatar", "", "Set your picture").takes("Image"),
    admin("DELETE", "/api/v1/me/avatar", "", "Take your picture away"),
    read("/api/v1/qr", "Svg", "Draw a text as a QR code").by("POST").takes("DrawQr").at(Filtered),
    read("/api/v1/stats", "Stats", "Counts, connections, what waits"),
    read("/api/v1/doctor", "Doctor", "What is wrong, since when, and what would help"),
    // contacts
    admin("GET", "/api/v1/invites", "Invites", "The invites that are out"),
    admin("POST", "/api/v1/invites", "NewInvite", "Make an invite").takes("MakeInvite").makes(),
    admin("DELETE", "/api/v1/invites/{token}", "", "Take an invite back"),
    read("/api/v1/contacts", "Contacts", "All contacts"),
    admin("POST", "/api/v1/contacts", "AddedContact", "Open somebody's invite or address").takes("AddContact").makes().or(200),
    read("/api/v1/contacts/{contact}", "Contact", "One contact"),
    admin("PATCH", "/api/v1/contacts/{contact}", "Contact", "Rename or block a contact").takes("ChangeContact"),
    admin("DELETE", "/api/v1/contacts/{contact}", "Contact", "Remove a contact").query(&["history"]),
    read("/api/v1/contacts/{contact}/avatar", "Image", "A contact's picture"),
    read("/api/v1/contacts/{contact}/safety", "Safety", "The safety number to compare"),
    read("/api/v1/contacts/{contact}/safety.svg", "Svg", "The same as a QR code"),
    admin("POST", "/api/v1/contacts/{contact}/verify", "Contact", "Say that the safety number was compared").takes("Verify"),
    admin("POST", "/api/v1/contacts/{contact}/trust", "Contact", "Accept a contact's new devices").takes("AcceptDevices"),
    read("/api/v1/requests", "Requests", "Who asks to become a contact"),
    read("/api/v1/requests/{request}", "Request", "One request"),
    admin("DELETE", "/api/v1/requests/{request}", "", "Decline a request"),
    admin("POST", "/api/v1/requests/{request}/accept", "AddedContact", "Accept a request").takes("AcceptRequest").makes().or(200),
    admin("POST", "/api/v1/requests/{request}/block", "Contact", "Block whoever asks").takes("Nothing"),
    // conversations
    read("/api/v1/conversations", "Conversations", "All conversations, the newest first"),
    send("PUT", "/api/v1/notes", "Conversation", "The conversation with yourself, made at first use").takes("Nothing"),
    read("/api/v1/conversations/{conversation}", "Conversation", "One conversation").at(Conversation),
    send("PATCH", "/api/v1/conversations/{conversation}", "Conversation", "Mute it, put it away, keep a draft")
        .takes("ChangeConversation").at(Conversation),
    send("POST", "/api/v1/conversations/{conversation}/read", "", "Read up to a sequence number")
        .takes("MarkRead").at(Conversation),
    send("PUT", "/api/v1/conversations/{conversation}/read", "Conversation", "Read up to a message, or all of it")
        .takes("ReadUpTo").at(Conversation),
    read("/api/v1/conversations/{conversation}/typing", "Typing", "Who writes just now").at(Conversation),
    send("PUT", "/api/v1/conversations/{conversation}/typing", "", "Say that you write, for some seconds")
        .takes("SetTyping").at(Conversation),
    read("/api/v1/conversations/{conversation}/pins", "Messages", "What is pinned").at(Conversation),
    read("/api/v1/conversations/{conversation}/timer", "Timer", "After which time new messages disappear").at(Conversation),
    send("PUT", "/api/v1/conversations/{conversation}/timer", "Timer", "Let new messages disappear")
        .takes("SetTimer").at(Conversation),
    send("DELETE", "/api/v1/conversations/{conversation}/timer", "Timer", "Let new messages stay").at(Conversation),
    read("/api/v1/conversations/{conversation}/messages", "MessagePage", "A page of messages, the oldest first")
        .query(&["limit", "before", "after", "around", "after_room_seq", "thread"]).at(Conversation),
    send("POST", "/api/v1/conversations/{conversation}/messages", "Message", "Write a message")
        .takes("SendMessage").makes().or(200).at(Conversation),
    // messages
    read("/api/v1/messages/{id}", "MessageDetails", "One message and how far it has come").at(Message),
    send("PATCH", "/api/v1/messages/{id}", "Message", "Edit your message").takes("EditMessage").at(Message),
    send("DELETE", "/api/v1/messages/{id}", "", "Delete a message for all or for yourself").query(&["for"]).at(Message),
    read("/api/v1/messages/{id}/versions", "Versions", "All versions of an edited message").at(Message),
    send("PUT", "/api/v1/messages/{id}/reactions/{emoji}", "Message", "React").takes("Nothing").at(Message),
    send("DELETE", "/api/v1/messages/{id}/reactions/{emoji}", "Message", "Take a reaction back").at(Message),
    send("PUT", "/api/v1/messages/{id}/pin", "Message", "Pin a message").takes("Nothing").at(Message),
    send("DELETE", "/api/v1/messages/{id}/pin", "Message", "Unpin a message").at(Message),
    send("POST", "/api/v1/messages/{id}/view", "Viewed", "See what is seen on demand; that counts").takes("Nothing").at(Message),
    send("PUT", "/api/v1/messages/{id}/vote", "Message", "Vote in a poll").takes("CastVote").at(Message),
    send("POST", "/api/v1/messages/{id}/vote", "Message", "The same").takes("CastVote").at(Message),
    send("DELETE", "/api/v1/messages/{id}/vote", "Message", "Take a vote back").at(Message),
    send("POST", "/api/v1/messages/{id}/close", "Message", "Close your poll").takes("Nothing").at(Message),
    send("POST", "/api/v1/messages/{id}/report", "", "Tell those who keep order in its room")
        .takes("MakeReport").at(Message),
    read("/api/v1/search", "Found", "Search in messages")
        .query(&[ "q", "conversation", "author", "after_time", "before_time", "order", "limit", ]).at(Query),
    // rooms
    read("/api/v1/rooms", "Rooms", "The rooms you are in, or are invited into"),
    admin("POST", "/api/v1/rooms", "Room", "Make a room").takes("MakeRoom").makes(),
    admin("POST", "/api/v1/room-links", "Room", "Open a link into a room").takes("OpenRoomLink").starts(),
    admin("POST", "/api/v1/public-rooms", "PublicRooms", "The public rooms of this node's people, of contacts and of nodes on the LAN, who are asked again")
        .takes("Nothing"),
    admin("POST", "/api/v1/public-rooms/{room}/join", "Room", "Come into a public room, by its id or by a slug that no other listed one has; 202: not let in yet")
        .takes("Nothing").or(202),
    read("/api/v1/rooms/{room}", "Room", "One room").at(Conversation),
    admin("PATCH", "/api/v1/rooms/{room}", "Room", "Change its name, topic, rules, or what it is called here").takes("ChangeRoom"),
    read("/api/v1/rooms/{room}/avatar", "Image", "Its picture").at(Conversation),
    admin("PUT", "/api/v1/rooms/{room}/avatar", "", "Set its picture").takes("Image"),
    admin("DELETE", "/api/v1/rooms/{room}/avatar", "", "Take its picture away"),
    read("/api/v1/rooms/{room}/members", "RoomMembers", "Its members").at(Conversation),
    admin("PATCH", "/api/v1/rooms/{room}/members/{user}", "", "Give a member a rank").takes("GiveRank"),
    admin("POST", "/api/v1/rooms/{room}/members/{user}/remove", "", "Remove a member").takes("RemoveMember"),
    admin("PUT", "/api/v1/rooms/{room}/members/{user}/block", "", "Block a member, contact or not, in all rooms").takes("Nothing"),
    admin("DELETE", "/api/v1/rooms/{room}/members/{user}/block", "", "Block them no more"),
    admin("DELETE", "/api/v1/rooms/{room}/bans/{user}", "", "Lift a ban"),
    admin("POST", "/api/v1/rooms/{room}/invites", "", "Invite a contact").takes("InviteToRoom"),
    admin("POST", "/api/v1/rooms/{room}/links", "RoomLink", "Make a link into the room").takes("MakeRoomLink").makes(),
    admin("POST", "/api/v1/rooms/{room}/links/revoke", "", "Take a link into the room back").takes("OpenRoomLink"),
    admin("GET", "/api/v1/rooms/{room}/requests", "RoomRequests", "Who knocks"),
    admin("POST", "/api/v1/rooms/{room}/requests/{user}", "", "Let somebody in who knocks").takes("Nothing"),
    admin("DELETE", "/api/v1/rooms/{room}/requests/{user}", "", "Turn somebody away who knocks"),
    admin("GET", "/api/v1/rooms/{room}/reports", "Reports", "The messages that were reported, until the report is dismissed"),
    admin("DELETE", "/api/v1/rooms/{room}/reports/{message}", "", "Dismiss what was reported of a message"),
    admin("POST", "/api/v1/rooms/{room}/join", "Room", "Accept an invitation").takes("Nothing"),
    admin("POST", "/api/v1/rooms/{room}/leave", "Room", "Leave the room").takes("Nothing"),
    // streams
    read("/api/v1/events", "EventStream", "The feed as server-sent events, from a cursor")
        .query(&["after_seq", "ephemeral"]).at(Filtered),
    read("/api/v1/ws", "", "The feed and commands over a WebSocket; the token comes in the first frame").upgrades().at(Filtered),
];
