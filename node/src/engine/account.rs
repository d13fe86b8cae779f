//! Who the engine speaks for.

use parlour_crypto::{DeviceCert, DeviceKeys, DeviceList, UserId};
use parlour_store::DeviceNo;
use parlour_store::view::Own;

/// One unlocked account on this node.
pub struct Account {
    /// This device's secret keys.
    pub keys: DeviceKeys,
    /// This device's certificate.
    pub certificate: DeviceCert,
    /// The account's device list.
    pub list: DeviceList,
    /// Profile name.
    pub name: String,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account").field("user", &self.user()).finish_non_exhaustive()
    }
}

impl Account {
    /// The user id.
    #[must_use]
    pub fn user(&self) -> UserId {
        self.list.user()
    }

    pub(crate) fn own(&self, device: DeviceNo) -> Own {
        Own { user: self.user(), device }
    }
}
