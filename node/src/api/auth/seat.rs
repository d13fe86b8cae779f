//! What a grant is called where its token must not be told: a login is the same one whatever token it has just now.

use super::Auth;
use super::grant::{Caller, Grant};
use super::logins::id_of;
use std::sync::PoisonError;

impl Grant {
    /// Names the login that this belongs to, or else this one token. It lets nobody in.
    pub(crate) fn seat(&self) -> String {
        match &self.family {
            Some(family) => id_of(family),
            None => format!("token_{}", self.number),
        }
    }
}

impl Auth {
    /// A grant of this name that is good at `now` (ms since 1970), and whose account is not kept out.
    pub(crate) fn seated(&self, seat: &str, now: u64) -> Option<Caller> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut good = known.values().filter(|grant| !grant.is_over(now));
        let found = good.find(|grant| grant.seat() == seat).cloned();
        drop(known);
        found.filter(|grant| self.suspension(grant.account).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_there_for_as_long_as_its_token_and_is_nobody_elses() {
        let auth = Auth::of("cookie");
        let token = auth.open_session(0, 0, 1_000);
        let (own, other) = (
            auth.accepts(&token, 0).unwrap(),
            auth.accepts(&auth.open_session(0, 0, 1_000), 0).unwrap(),
        );
        assert_ne!(own.seat(), other.seat());
        assert_eq!(auth.seated(&own.seat(), 999).unwrap().number, own.number);
        assert!(auth.seated(&own.seat(), 1_000).is_none());
        assert!(auth.seated("token_x", 0).is_none());
        assert!(auth.accepts(&own.seat(), 0).is_none(), "it is no token");
        auth.log_out(&own).unwrap();
        assert!(auth.seated(&own.seat(), 0).is_none());
        assert!(auth.seated(&other.seat(), 0).is_some());
    }
}
