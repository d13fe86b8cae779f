//! Who may do what in a room, said before it is signed: what the fold would not count is not done.

use parlour_crypto::{
    JoinRule, MAX_AVATAR, MAX_REASON, MAX_ROOM_NAME, MAX_TOPIC, Rank, RoomState, UserId, plain_image,
};

use super::acts::{RoomAct, RoomError};

pub(super) fn check_texts(name: Option<&str>, topic: Option<&str>) -> Result<(), RoomError> {
    let limits = [("name", name, MAX_ROOM_NAME), ("topic", topic, MAX_TOPIC)];
    for (field, text, max) in limits {
        let got = text.map_or(0, str::len);
        if got > max {
            return Err(RoomError::TooLong { field, got, max });
        }
    }
    Ok(())
}

/// Whether the rules let a user do something now, said so that they know why not.
pub(super) fn may(state: &RoomState, own: &UserId, act: &RoomAct) -> Result<(), RoomError> {
    let have = state.rank(own);
    let policy = &state.policy;
    let needs = |least: u8| {
        let needs = Rank::from_number(least).unwrap_or(Rank::Owner);
        let enough = have >= needs || have == Rank::Owner;
        if enough {
            Ok(())
        } else {
            Err(RoomError::Rank { needs, have })
        }
    };
    if have == Rank::Nobody && !matches!(act, RoomAct::Join) {
        return Err(RoomError::NotMember);
    }
    let member = |user: &UserId| match state.rank(user) {
        Rank::Nobody => Err(RoomError::NoSuchMember),
        rank if rank >= have => Err(RoomError::Above(rank)),
        _ => Ok(()),
    };
    match act {
        RoomAct::Join if have != Rank::Nobody => Err(RoomError::AlreadyMember),
        RoomAct::Join if state.banned.contains(own) => Err(RoomError::Banned),
        RoomAct::Join => {
            let public = policy.join_rule() == JoinRule::Public;
            if public || state.invited.contains_key(own) {
                Ok(())
            } else {
                Err(RoomError::NotInvited)
            }
        }
        RoomAct::Leave if have == Rank::Owner => Err(RoomError::Owner),
        RoomAct::Leave => Ok(()),
        RoomAct::Invite(user, rank) => {
            needs(policy.invite)?;
            if !matches!(rank, Rank::Guest | Rank::Member) {
                return Err(RoomError::BadRank);
            }
            if state.rank(user) != Rank::Nobody {
                return Err(RoomError::Present);
            }
            if state.banned.contains(user) {
                Err(RoomError::Banned)
            } else {
                Ok(())
            }
        }
        RoomAct::Remove {
            user, reason, purge, ..
        } => {
            if user == own {
                return Err(RoomError::Oneself);
            }
            needs(policy.remove)?;
            if reason.len() > MAX_REASON {
                return Err(RoomError::TooLong {
                    field: "reason",
                    got: reason.len(),
                    max: MAX_REASON,
                });
            }
            // What somebody said can be deleted when they have gone, too.
            match member(user) {
                Err(RoomError::NoSuchMember) if *purge => Ok(()),
                may => may,
            }
        }
        // Who is told has to be looked for, and what is here can be put away.
        RoomAct::Alias(_) | RoomAct::Report { .. } | RoomAct::DismissReports(_) => Ok(()),
        RoomAct::TurnAway(_) => needs(policy.invite),
        RoomAct::RevokeLink(_) => needs(Rank::Member.number()),
        RoomAct::Unban(user) => {
            needs(policy.remove)?;
            if state.banned.contains(user) {
                Ok(())
            } else {
                Err(RoomError::NotBanned)
            }
        }
        RoomAct::Role(user, rank) => {
            if user == own {
                return Err(RoomError::Oneself);
            }
            needs(policy.roles)?;
            member(user)?;
            if matches!(rank, Rank::Nobody | Rank::Owner) || *rank >= have {
                return Err(RoomError::BadRank);
            }
            Ok(())
        }
        RoomAct::Transfer(user) => {
            needs(Rank::Owner.number())?;
            member(user)
        }
        RoomAct::Info { name, topic } => {
            needs(policy.info)?;
            if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
                return Err(RoomError::Nameless);
            }
            check_texts(name.as_deref(), topic.as_deref())
        }
        RoomAct::Picture(picture) => {
            needs(policy.info)?;
            let plain = picture.as_deref().map(plain_image).transpose();
            match plain.map_err(RoomError::Picture)?.map_or(0, |plain| plain.len()) {
                got if got > MAX_AVATAR => Err(RoomError::TooLong {
                    field: "avatar",
                    got,
                    max: MAX_AVATAR,
                }),
                _ => Ok(()),
            }
        }
        RoomAct::Policy(_) => needs(Rank::Admin.number()),
    }
}
