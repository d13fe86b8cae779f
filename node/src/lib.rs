//! A parlour node: the rules of an account (`engine`), the loop that runs them, the local API, and the services around them.

mod account;
mod api;
mod data;
mod desk;
mod engine;
mod entrance;
mod gateways;
mod handle;
mod node;
mod offline;
mod random;
mod renewal;
mod resident;
mod resolve;
mod runner;
#[cfg(test)]
mod sim;
mod text;
mod upkeep;
mod waiting;
mod webhooks;

pub use account::{AccountError, CreateError, Created, NewAccount, choose_account, create_account, needs_password};
pub use api::{
    ApiConfig, ApiLimits, BindError, Certificate, CertificateError, HostName, HostNameError, Lan, LanError, RateLimit,
    Registration, RegistrationError, bind as bind_api, serve as serve_api,
};
pub use data::DataDir;
pub use engine::{
    AddContact, AddError, Added, Bootstrap, Change, ChangeError, ChangeMessage, Changed, ContactChange,
    ConversationChange, Counters, Decision, DecisionError, Ephemera, Expiry, LinkKind, ListCode, Live, LivePeer,
    MadeInvite, MadeLink, MakeInviteError, NewInvite, NewRoom, PolicyChange, ProfileChange, PublicRoom, ReadMarkError,
    Refusal, RevokeError, RoomAct, RoomError, SendError, SendText, Sent, SetTimer, StorageFailed, TimerError,
    Unreachable, UpTo,
};
pub use entrance::LanFacts;
pub use gateways::{Family, Gateway, GatewayError, Ui, UiError};
pub use handle::{AccountHandle, Facts, Health};
pub use node::{Node, NodeError, NodeOptions};
pub use offline::OfflineAccount;
pub use runner::{StartError, now_ms};
pub use text::span;
pub use waiting::WaitingNode;
