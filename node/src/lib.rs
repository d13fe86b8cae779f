//! A parlour node: the rules of an account (`engine`), the loop that runs them, the local API, and the services around them.

mod api;
mod data;
mod engine;
mod handle;
mod node;
mod random;
mod resolve;
mod runner;
#[cfg(test)]
mod sim;

pub use api::{ApiConfig, ApiLimits, BindError, RateLimit, bind as bind_api, serve as serve_api};
pub use data::{
    AccountError, CreateError, Created, DataDir, NewAccount, choose_account, create_account, needs_password,
};
pub use engine::{
    AddContact, AddError, Added, Counters, Live, LivePeer, MadeInvite, MakeInviteError, NewInvite, ReadMarkError,
    RevokeError, SendError, SendText, Sent, StorageFailed,
};
pub use handle::{AccountHandle, Facts, Health};
pub use node::{Node, NodeError, NodeOptions};
pub use runner::{StartError, now_ms};
