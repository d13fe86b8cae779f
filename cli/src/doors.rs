//! What `parlour up` opens beside the API: gateways, and the door to the network.

use std::net::SocketAddr;

use anyhow::Result;
use parlour_node::{ApiLimits, BindError, Gateway, Lan, LanError, LanFacts, Node, Ui, WaitingNode};

use crate::handles;
use crate::output::Output;

/// What is opened beside the API.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) gateways: Vec<Gateway>,
    pub(crate) lan: Option<Lan>,
}

/// A node with accounts, or one that waits for one.
pub(crate) trait House {
    async fn lan(&mut self, lan: Lan) -> Result<LanFacts, LanError>;
    async fn gateway(&mut self, gateway: Gateway) -> Result<SocketAddr, BindError>;
}

impl House for Node {
    async fn lan(&mut self, lan: Lan) -> Result<LanFacts, LanError> {
        self.open_lan(lan).await
    }

    async fn gateway(&mut self, gateway: Gateway) -> Result<SocketAddr, BindError> {
        self.open_gateway(gateway).await
    }
}

impl House for WaitingNode {
    async fn lan(&mut self, lan: Lan) -> Result<LanFacts, LanError> {
        self.open_lan(lan).await
    }

    async fn gateway(&mut self, gateway: Gateway) -> Result<SocketAddr, BindError> {
        self.open_gateway(gateway).await
    }
}

impl Doors {
    /// Opens them, and says where they are.
    ///
    /// # Errors
    /// One cannot be opened.
    pub(crate) async fn open(&self, house: &mut impl House, out: &Output) -> Result<()> {
        if let Some(lan) = &self.lan {
            let facts = house.lan(lan.clone()).await?;
            out.note(&format!(
                "  network     {}, with the certificate SHA-256 {}",
                facts.urls.join(", "),
                facts.fingerprint
            ));
        }
        for gateway in &self.gateways {
            let address = house.gateway(gateway.clone()).await?;
            let what = match &gateway.ui {
                Some(ui) => format!("{} with {ui}", gateway.family.name()),
                None => gateway.family.name().to_owned(),
            };
            out.note(&format!("  gateway     {what} at http://{address}"));
        }
        Ok(())
    }

    /// What of these limits the node can keep, as far as the system gives it files for that.
    pub(crate) fn within(&self, usual: ApiLimits, out: &Output) -> ApiLimits {
        let passing = |gateway: &Gateway| matches!(gateway.ui, Some(Ui::Server(_)));
        let doors = self.gateways.iter().map(|gateway| if passing(gateway) { 2 } else { 1 });
        let first = 1_u64.saturating_add(u64::from(self.lan.is_some()));
        let doors = doors.fold(first, u64::saturating_add);
        let Some(files) = handles::raise() else { return usual };
        let limits = usual.clone().within(files, doors);
        if limits.sockets < usual.sockets {
            out.note(&format!(
                "the system lets this program open {files} files: {} WebSockets at once; `ulimit -n` raises it",
                limits.sockets
            ));
        }
        limits
    }
}
