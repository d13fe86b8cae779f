//! Who the engine speaks for.

use parlour_crypto::{DeviceCert, DeviceKeys, DeviceList, UserId};
use parlour_store::DeviceNo;
use parlour_store::view::Own;

/// One unlocked account on this node.
pub(crate) struct Account {
    /// This device's secret keys.
    pub(crate) keys: DeviceKeys,
    /// This device's certificate.
    pub(crate) certificate: DeviceCert,
    /// The account's device list.
    pub(crate) list: DeviceList,
    /// Profile name.
    pub(crate) name: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}

impl Account {
    /// The user id.
    #[must_use]
    pub(crate) fn user(&self) -> UserId {
        self.list.user()
    }

    pub(crate) fn own(&self, device: DeviceNo) -> Own {
        Own {
            user: self.user(),
            device,
        }
    }
}
