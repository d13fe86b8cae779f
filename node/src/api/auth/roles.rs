//! What the accounts of a node may do with the node itself, and who is kept out: in one small file of the node's. It says nothing of
//! what an account may do in its own conversations, and never leaves the node.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::data::{read_versioned, write_private};

/// The format this program writes; a newer one is left alone.
const VERSION: u32 = 1;
/// Bytes of what is said about a suspension.
pub(crate) const MAX_REASON: usize = 256;

/// What an account may do with its node. Each may do what those before it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Nothing.
    #[default]
    User,
    /// Look after the accounts of others.
    Admin,
    /// Say who does.
    Owner,
}

impl Role {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::User, Self::Admin, Self::Owner]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or(())
    }
}

/// That an account is kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspension {
    /// Since when, ms since 1970.
    pub(crate) since: u64,
    /// For whoever is kept out; may be empty.
    pub(crate) reason: String,
    /// It is erased when the node starts next.
    #[serde(default)]
    pub(crate) removed: bool,
}

impl Suspension {
    /// As whoever is kept out is told.
    pub(crate) fn text(&self) -> String {
        let what = if self.removed { "removed" } else { "suspended" };
        match self.reason.as_str() {
            "" => format!("this account has been {what} by those who look after this node"),
            why => format!("this account has been {what} by those who look after this node: {why}"),
        }
    }
}

/// What is known of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Standing {
    #[serde(default)]
    pub(crate) role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) suspended: Option<Suspension>,
}

impl Standing {
    /// Whether it looks after the node now.
    fn looks_after(&self) -> bool {
        self.role >= Role::Admin && self.suspended.is_none()
    }
}

/// What is to be done with an account.
#[derive(Debug, Clone)]
pub(crate) enum RoleChange {
    /// Gives it a role.
    Role(Role),
    /// Keeps it out, and says why.
    Suspend(String),
    /// Lets it in again.
    Resume,
    /// Keeps it out, and erases it when the node starts next.
    Remove,
}

/// Why nothing was done with an account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RoleError {
    /// Whoever asks does not look after the node.
    #[error("this needs an account that looks after this node (admin or owner), or the command line")]
    NotAllowed,
    /// Whoever asks is below the one whom it is about, or would be.
    #[error("only an owner of this node, or the command line, does this with an admin or an owner")]
    NotOwner,
    /// Nobody would be left who looks after the node.
    #[error("nobody else looks after this node: make another account an admin first")]
    LastAdmin,
    /// There is none.
    #[error("there is no account {0:?} on this node")]
    Unknown(String),
    /// It has nothing to be let in from.
    #[error("the account {0:?} is not suspended")]
    NotSuspended(String),
    /// Too long, or not readable.
    #[error("a reason has at most {MAX_REASON} bytes, on one line")]
    BadReason,
    /// The disk did not take it, or the file cannot be used.
    #[error("the roles of this node's accounts could not be read or written")]
    Io(#[from] io::Error),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u32,
    accounts: BTreeMap<String, Standing>,
}

/// The roles of a node's accounts, by their names on it.
pub(crate) struct Roles {
    /// Nowhere in tests of the API alone.
    file: Option<PathBuf>,
    /// `None`: the file cannot be used, and only the command line is let in.
    kept: Mutex<Option<Kept>>,
}

impl Default for Roles {
    /// In memory only.
    fn default() -> Self {
        let accounts = BTreeMap::new();
        Self {
            file: None,
            kept: Mutex::new(Some(Kept {
                version: VERSION,
                accounts,
            })),
        }
    }
}

impl Roles {
    /// What a file holds.
    pub(crate) fn open(file: PathBuf) -> Self {
        let kept = match read(&file) {
            Ok(kept) => Some(kept),
            Err(error) => {
                tracing::error!(%error, file = %file.display(), "only the command line is let in: the file with the roles of accounts cannot be used");
                None
            }
        };
        Self {
            file: Some(file),
            kept: Mutex::new(kept),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accounts that are there. Where nobody looks after the node, the first one does.
    pub(crate) fn know(&self, names: &[&str]) {
        if let Some(kept) = self.kept().as_mut() {
            for name in names {
                kept.accounts.entry((*name).to_owned()).or_default();
            }
            if !kept.accounts.values().any(Standing::looks_after)
                && let Some(first) = names.first().and_then(|name| kept.accounts.get_mut(*name))
            {
                first.role = Role::Owner;
                // Whoever is to let others in again is let in.
                first.suspended = None;
            }
        }
    }

    /// What is known of an account.
    pub(crate) fn of(&self, account: &str) -> Standing {
        let kept = self.kept();
        let found = kept.as_ref().and_then(|kept| kept.accounts.get(account));
        found.cloned().unwrap_or_default()
    }

    /// Why an account is kept out, if it is.
    pub(crate) fn suspension(&self, account: &str) -> Option<Suspension> {
        match self.kept().as_ref() {
            Some(kept) => kept.accounts.get(account)?.suspended.clone(),
            None => Some(Suspension {
                since: 0,
                reason: "the file with the roles of accounts cannot be used".into(),
                removed: false,
            }),
        }
    }

    /// Those that are to be erased.
    pub(crate) fn removed(&self) -> Vec<String> {
        let kept = self.kept();
        let all = kept.as_ref().into_iter().flat_map(|kept| &kept.accounts);
        let is_removed = |standing: &Standing| standing.suspended.as_ref().is_some_and(|one| one.removed);
        all.filter(|(_, standing)| is_removed(standing))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// It has been erased. Waits for the disk.
    pub(crate) fn forget(&self, account: &str) -> io::Result<()> {
        self.write(|kept| {
            kept.accounts.remove(account);
            Ok(())
        })?
    }

    /// Does something with an account, for one of this role, or for the command line (`None`). Waits for the disk.
    pub(crate) fn change(
        &self,
        by: Option<Role>,
        account: &str,
        change: &RoleChange,
        now: u64,
    ) -> Result<(), RoleError> {
        self.write(|kept| {
            let unknown = || RoleError::Unknown(account.to_owned());
            let before = kept.accounts.get(account).cloned().ok_or_else(unknown)?;
            let after = changed(&before, account, change, now)?;
            match by {
                Some(Role::User) => return Err(RoleError::NotAllowed),
                Some(Role::Admin) if before.role.max(after.role) >= Role::Admin => return Err(RoleError::NotOwner),
                Some(Role::Admin | Role::Owner) | None => {}
            }
            let had_one = before.looks_after();
            kept.accounts.insert(account.to_owned(), after);
            if had_one && !kept.accounts.values().any(Standing::looks_after) {
                return Err(RoleError::LastAdmin);
            }
            Ok(())
        })?
    }

    /// Changes what is kept, on the disk first; an error changes nothing.
    fn write<T, E>(&self, change: impl FnOnce(&mut Kept) -> Result<T, E>) -> io::Result<Result<T, E>> {
        let mut kept = self.kept();
        let unusable = || io::Error::new(io::ErrorKind::InvalidData, "the file with the roles cannot be used");
        let mut next = kept.clone().ok_or_else(unusable)?;
        let out = match change(&mut next) {
            Ok(out) => out,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(file) = &self.file {
            let text = serde_json::to_vec_pretty(&next).map_err(io::Error::other)?;
            write_private(file, &text)?;
        }
        *kept = Some(next);
        Ok(Ok(out))
    }
}

fn changed(before: &Standing, account: &str, change: &RoleChange, now: u64) -> Result<Standing, RoleError> {
    let mut after = before.clone();
    let suspension = |reason: &str, removed| Suspension {
        since: now,
        reason: reason.to_owned(),
        removed,
    };
    match change {
        RoleChange::Role(role) => after.role = *role,
        RoleChange::Suspend(reason) => {
            if reason.len() > MAX_REASON || reason.chars().any(char::is_control) {
                return Err(RoleError::BadReason);
            }
            after.suspended = Some(suspension(reason.trim(), false));
        }
        RoleChange::Resume if before.suspended.is_none() => return Err(RoleError::NotSuspended(account.to_owned())),
        RoleChange::Resume => after.suspended = None,
        RoleChange::Remove => after.suspended = Some(suspension("", true)),
    }
    Ok(after)
}

fn read(file: &Path) -> io::Result<Kept> {
    let kept = read_versioned(file, VERSION, |kept: &Kept| kept.version)?;
    Ok(kept.unwrap_or_else(|| Kept {
        version: VERSION,
        accounts: BTreeMap::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        let roles = Roles::default();
        roles.know(&["ada", "bo", "cy"]);
        roles
    }

    fn suspend() -> RoleChange {
        RoleChange::Suspend("spam".into())
    }

    #[test]
    fn the_first_account_looks_after_a_node_and_somebody_always_does() {
        let roles = roles();
        assert_eq!((roles.of("ada").role, roles.of("bo").role), (Role::Owner, Role::User));
        for change in [suspend(), RoleChange::Remove, RoleChange::Role(Role::User)] {
            for by in [None, Some(Role::Owner)] {
                let refused = roles.change(by, "ada", &change, 1);
                assert!(matches!(refused, Err(RoleError::LastAdmin)), "{change:?}");
            }
        }
        roles.change(None, "bo", &RoleChange::Role(Role::Admin), 1).unwrap();
        roles.change(None, "ada", &suspend(), 1).unwrap();
        assert!(matches!(
            roles.change(None, "bo", &suspend(), 1),
            Err(RoleError::LastAdmin)
        ));
        // Whoever does not look after the node can be kept out at any time.
        roles.change(None, "cy", &suspend(), 1).unwrap();
        roles.change(None, "ada", &RoleChange::Resume, 1).unwrap();
        roles.change(None, "bo", &suspend(), 1).unwrap();
    }

    #[test]
    fn admins_look_after_users_and_owners_after_all() {
        let roles = roles();
        roles.change(None, "bo", &RoleChange::Role(Role::Admin), 1).unwrap();
        let by = |role, account, change: &RoleChange| roles.change(Some(role), account, change, 1);
        assert!(matches!(by(Role::User, "cy", &suspend()), Err(RoleError::NotAllowed)));
        assert!(matches!(by(Role::Admin, "ada", &suspend()), Err(RoleError::NotOwner)));
        assert!(matches!(by(Role::Admin, "bo", &suspend()), Err(RoleError::NotOwner)));
        let admin = RoleChange::Role(Role::Admin);
        assert!(matches!(by(Role::Admin, "cy", &admin), Err(RoleError::NotOwner)));
        by(Role::Admin, "cy", &suspend()).unwrap();
        assert_eq!(roles.suspension("cy").unwrap().reason, "spam");
        by(Role::Admin, "cy", &RoleChange::Resume).unwrap();
        assert!(matches!(
            by(Role::Admin, "cy", &RoleChange::Resume),
            Err(RoleError::NotSuspended(_))
        ));
        by(Role::Owner, "cy", &admin).unwrap();
        assert!(matches!(by(Role::Owner, "dee", &admin), Err(RoleError::Unknown(_))));
        let long = RoleChange::Suspend("x".repeat(MAX_REASON + 1));
        assert!(matches!(by(Role::Owner, "cy", &long), Err(RoleError::BadReason)));
    }

    #[test]
    fn roles_are_there_again_and_a_file_that_cannot_be_used_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roles");
        let start = || {
            let roles = Roles::open(file.clone());
            roles.know(&["ada", "bo"]);
            roles
        };
        start().change(None, "bo", &suspend(), 7).unwrap();
        let again = start();
        assert_eq!(again.suspension("bo").unwrap().since, 7);
        assert_eq!((again.suspension("ada"), again.of("ada").role), (None, Role::Owner));
        again.change(None, "bo", &RoleChange::Remove, 8).unwrap();
        assert_eq!(start().removed(), ["bo"]);
        again.forget("bo").unwrap();
        assert!(Roles::open(file.clone()).removed().is_empty());
        for other in ["", "nonsense", "{\"version\":2,\"accounts\":{}}"] {
            std::fs::write(&file, other).unwrap();
            let roles = start();
            assert!(
                roles.suspension("ada").is_some() && roles.of("ada").role == Role::User,
                "{other}"
            );
            assert!(matches!(
                roles.change(None, "ada", &RoleChange::Resume, 1),
                Err(RoleError::Io(_))
            ));
            assert_eq!(std::fs::read_to_string(&file).unwrap(), other);
        }
    }
}
