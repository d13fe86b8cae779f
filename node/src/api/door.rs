//! What every request meets first, whatever is behind it: the guard, the limits, the pairing.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock, PoisonError};

use axum::extract::FromRef;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use super::auth::Auth;
use super::error::ApiError;
use super::guard::Guard;
use super::limits::ApiLimits;
use super::neighbours::introduce_all;
use super::newcomers::Newcomers;
use super::pairing::Pairing;
use super::server::ApiConfig;
use super::state::{ApiState, Neighbours, Shared};
use super::tls::{LanDoor, Tls};
use crate::runner::now_ms;

/// One API's door. It stays the same when a node gets its account. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) guard: Arc<Guard>,
    pub(crate) limits: Arc<ApiLimits>,
    pub(crate) address: SocketAddr,
    pub(crate) started: Instant,
    /// Live connections and WebSockets.
    pub(crate) tasks: TaskTracker,
    /// Asks everything to end.
    pub(crate) stop: CancellationToken,
    pairing: Arc<Pairing>,
    /// People who make accounts for themselves.
    pub(crate) newcomers: Arc<Newcomers>,
    pub(super) neighbours: Arc<Neighbours>,
    /// What is said on it is encrypted.
    pub(super) tls: Option<Arc<Tls>>,
    /// The door to the network beside the API's, if it is open.
    pub(crate) lan: Arc<OnceLock<LanDoor>>,
}

/// A secret with its end, ms since 1970.
pub(crate) struct Until {
    pub(crate) secret: Zeroizing<String>,
    pub(crate) until: u64,
}

impl Door {
    /// A door at an address that is ours.
    pub(crate) fn new(address: SocketAddr, config: ApiConfig, stop: CancellationToken) -> Self {
        let ApiConfig {
            token,
            limits,
            allowed_hosts,
            allowed_origins,
            ..
        } = config;
        let auth = Arc::new(Auth::new(&token, limits.logins));
        Self {
            guard: Arc::new(Guard::new(address, &allowed_hosts, &allowed_origins, auth, &limits)),
            pairing: Arc::new(Pairing::new(&limits)),
            newcomers: Arc::new(Newcomers::new(limits.logins)),
            neighbours: Arc::default(),
            tls: None,
            lan: Arc::default(),
            limits: Arc::new(limits),
            address,
            started: Instant::now(),
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// The door of a gateway at an address of its own, for pages of these origins besides its own: the same tokens. Whether
    /// those may read what it answers is `shares`.
    pub(crate) fn gateway(&self, address: SocketAddr, origins: &[String], shares: bool) -> Self {
        Self {
            guard: Arc::new(self.guard.gateway(address, origins, shares, &self.limits)),
            address,
            tasks: TaskTracker::new(),
            stop: self.stop.child_token(),
            ..self.clone()
        }
    }

    /// The door to the network: the same tokens, the same rooms.
    pub(crate) fn lan(&self, lan: &LanDoor) -> Self {
        Self {
            guard: Arc::new(self.guard.lan(lan.authorities(), &self.limits)),
            address: lan.address,
            tasks: TaskTracker::new(),
            stop: self.stop.child_token(),
            tls: Some(lan.tls.clone()),
            ..self.clone()
        }
    }

    /// The account with this number.
    pub(crate) fn account(&self, account: usize) -> Option<Arc<Shared>> {
        let neighbours = self.neighbours.read().unwrap_or_else(PoisonError::into_inner);
        neighbours.get(account)?.upgrade()
    }

    /// All accounts behind it that run.
    pub(crate) fn accounts(&self) -> Vec<Arc<Shared>> {
        let all = self.neighbours.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(std::sync::Weak::upgrade).collect()
    }

    /// Has the people of this node introduced to each other, if that is its rule, beside everything else.
    pub(crate) fn introduce(&self) {
        if self.newcomers.are_neighbours() {
            let door = self.clone();
            self.tasks.spawn(async move { introduce_all(&door).await });
        }
    }

    /// Where a program of this machine finds the API: `http://IP:PORT`.
    pub(crate) fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// A new link for a browser, to an account. It makes the one before useless.
    pub(crate) fn link(&self, account: usize) -> Until {
        let until = now_ms().saturating_add(ms(self.limits.pairing_code));
        let code = self.pairing.new_code(account, until);
        Until {
            secret: Zeroizing::new(format!("{}/#pair={}", self.url(), code.as_str())),
            until,
        }
    }

    /// The same link for another machine of the network, if the door to it is open: by the first of its names, and with the
    /// fingerprint of a certificate that nobody else vouches for, to be compared with what a browser shows.
    pub(crate) fn link_from_lan(&self, link: &Until) -> Option<String> {
        let (_, fragment) = link.secret.split_once('#')?;
        let lan = self.lan.get()?;
        let (url, facts) = (lan.urls().into_iter().next()?, lan.tls.facts());
        let fingerprint = match facts.own {
            true => format!("&sha256={}", facts.fingerprint.replace(':', "").to_ascii_lowercase()),
            false => String::new(),
        };
        Some(format!("{url}/#{fragment}{fingerprint}"))
    }

    /// Exchanges the code of a link for a token.
    pub(crate) fn pair(&self, code: &str, from: IpAddr) -> Result<Until, ApiError> {
        let now = now_ms();
        let account = self.pairing.redeem(code, from, Instant::now(), now)?;
        if let Some(suspension) = self.guard.auth().suspension(account) {
            return Err(ApiError::forbidden("suspended", suspension.text()));
        }
        let until = now.saturating_add(ms(self.limits.paired_session));
        Ok(Until {
            secret: self.guard.auth().open_session(account, now, until),
            until,
        })
    }
}

impl FromRef<ApiState> for Door {
    fn from_ref(state: &ApiState) -> Self {
        state.door.clone()
    }
}

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
