//! How many operations a room takes, and of whom: a room that is full is of no use to anybody.

use parlour_crypto::{MAX_OPERATIONS, Membership, Rank, RoomOperation, UserId};

/// Places for operations that are kept for those who can put an end to a flood of them.
const RESERVED: usize = 1_024;
/// Operations without effect that are taken from those who are no members, and of anybody below a moderator.
const MAX_VOID: usize = 4_096;
const MAX_IDLE_OF_ONE: usize = 64;
/// Operations of one user below an admin, by rank: more than anybody needs, and of a member no more heads than can be told.
const MAX_OF_MODERATOR: usize = 4_096;
const MAX_OF_MEMBER: usize = 1_024;
const MAX_OF_GUEST: usize = 128;
/// Operations that may wait for others, and those of them by others than members.
const MAX_WAITING: usize = 256;
const MAX_WAITING_OF_OUTSIDERS: usize = 128;

/// Whether a room takes no more operations of a user.
pub(super) fn is_full(folded: &Membership, user: &UserId) -> bool {
    let count = folded.len().saturating_add(folded.waiting());
    let rank = folded.state().rank(user);
    let room = match rank {
        Rank::Admin | Rank::Owner => MAX_OPERATIONS,
        _ => MAX_OPERATIONS.saturating_sub(RESERVED),
    };
    let (of_user, idle) = folded.of_user(user);
    let places = match rank {
        Rank::Admin | Rank::Owner => MAX_OPERATIONS,
        Rank::Moderator => MAX_OF_MODERATOR,
        Rank::Member => MAX_OF_MEMBER,
        Rank::Guest | Rank::Nobody => MAX_OF_GUEST,
    };
    count >= room
        || of_user >= places
        || (rank < Rank::Moderator && idle >= MAX_IDLE_OF_ONE)
        || (rank == Rank::Nobody && folded.state().dropped.len() >= MAX_VOID)
}

/// Whether an operation that others give us is not taken now. What is `wanted` because a member has built on it, or knew it when they wrote,
/// is taken, whoever did it: without it the member's own would never be.
pub(super) fn has_no_room(folded: &Membership, operation: &RoomOperation, wanted: bool) -> bool {
    if wanted {
        return folded.len().saturating_add(folded.waiting()) >= MAX_OPERATIONS;
    }
    let user = operation.user();
    let missing = operation.parents().iter().any(|parent| !folded.contains(parent));
    let outside = folded.state().rank(&user) == Rank::Nobody;
    is_full(folded, &user)
        || (missing && folded.waiting() >= MAX_WAITING)
        || (missing && outside && folded.waiting_of_outsiders() >= MAX_WAITING_OF_OUTSIDERS)
}
