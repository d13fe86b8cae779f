//! People of one node: where it takes newcomers, or says so, they become contacts of each other without invites, and find each
//! other's public rooms at once. They talk as any two users do; only how they meet is shorter.

use std::time::Duration;

use parlour_store::{contacts, registers};

use super::door::Door;
use super::error::ApiError;
use super::state::{ApiState, Shared};
use crate::engine::{AddContact, MakeInviteError, NewInvite, PublicRoom};

/// How long the invite between two of them is good: a node that is stopped in between goes on afterwards.
const VALID_MS: u64 = 24 * 3_600_000;
/// Until an account listens somewhere.
const PATIENCE: Duration = Duration::from_secs(30);

/// Makes those contacts of each other who know nothing of each other. Whoever was removed is known, and not brought back.
pub(crate) async fn introduce_all(door: &Door) {
    let work = async {
        // One pair has one invite, whoever comes meanwhile.
        let _alone = door.newcomers.introducing().await;
        let all = door.accounts();
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at.saturating_add(1)) {
                if !door.newcomers.are_neighbours() {
                    return;
                }
                if let Err(error) = introduce(one, other).await {
                    tracing::warn!(?error, "two accounts of this node could not be made contacts");
                }
            }
        }
    };
    tokio::select! {
        () = door.stop.cancelled() => {}
        () = work => {}
    }
}

async fn introduce(one: &Shared, other: &Shared) -> Result<(), ApiError> {
    let (here, there) = (one.account.facts(), other.account.facts());
    let is_known = contacts::get(one.account.store(), &there.own.user)?.is_some()
        || contacts::get(other.account.store(), &here.own.user)?.is_some();
    if is_known || !here.network || !there.network {
        return Ok(());
    }
    let link = invite(other).await?;
    let (petname, note) = (None, None);
    one.account.add(AddContact { link, petname, note }).await?;
    Ok(())
}

/// An invite for one, as soon as the account listens anywhere.
async fn invite(account: &Shared) -> Result<String, ApiError> {
    let mut live = account.account.live.clone();
    let made = async {
        loop {
            live.borrow_and_update();
            let new = NewInvite {
                valid_ms: VALID_MS,
                max_uses: 1,
            };
            match account.account.invite(new).await {
                Err(MakeInviteError::NoAddress) if live.changed().await.is_ok() => {}
                made => return made,
            }
        }
    };
    let made = tokio::time::timeout(PATIENCE, made).await;
    Ok(made.unwrap_or(Err(MakeInviteError::NoAddress))?.link)
}

/// The public rooms into which others of this node let people, without those of whoever is blocked.
pub(crate) async fn public_rooms(state: &ApiState) -> Result<Vec<PublicRoom>, ApiError> {
    let mut found = Vec::new();
    if !state.door.newcomers.are_neighbours() {
        return Ok(found);
    }
    let own = state.account.facts().own.user;
    for neighbour in state.all() {
        let user = neighbour.account.facts().own.user;
        if user != own && registers::blocked(state.account.store(), &user)?.is_none() {
            found.extend(neighbour.account.own_public_rooms().await?);
        }
    }
    Ok(found)
}
