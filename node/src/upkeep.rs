//! What goes on beside a running account: its search index, its certificate, its port.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parlour_crypto::DataKey;
use parlour_net::Multiaddr;
use tokio_util::sync::CancellationToken;

use crate::api::Guard;
use crate::data::write_private;
use crate::handle::AccountHandle;
use crate::renewal::renew_running;
use crate::runner::now_ms;

/// The index is brought up to date this long after a change, so that many changes are one commit.
const INDEX_PAUSE: Duration = Duration::from_secs(1);
/// An index without work for this long frees its memory.
const INDEX_REST: Duration = Duration::from_secs(20);
/// How often the last use of tokens is written down.
const TOKENS_PAUSE: Duration = Duration::from_secs(60);
/// How often to look whether the device's certificate has to be renewed: a clock may have been put right meanwhile.
const CERTIFICATE_PAUSE: Duration = Duration::from_secs(600);

/// Looks now and then whether the device needs a new certificate.
pub(crate) async fn keep_certificate(account: AccountHandle, keystore: PathBuf, key: DataKey, stop: CancellationToken) {
    let key = Arc::new(key);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(CERTIFICATE_PAUSE) => {}
        }
        let (file, key) = (keystore.clone(), key.clone());
        match tokio::task::spawn_blocking(move || renew_running(&file, &key, now_ms())).await {
            Ok(Ok((certificate, list))) => account.renewed(certificate, list).await,
            Ok(Err(error)) => tracing::warn!(%error, "the certificate could not be looked after"),
            Err(error) => tracing::error!(%error, "the certificate could not be looked after"),
        }
    }
}

/// Brings the search index up to date after changes, and lets it rest when there are none.
pub(crate) async fn keep_index(account: AccountHandle, stop: CancellationToken) {
    let mut feed = account.feed();
    feed.mark_changed();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = feed.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(INDEX_REST) => {
                let store = account.store();
                store.finder().rest();
                // It begins anew by itself when it was found damaged.
                if !store.finder().is_behind(store) {
                    continue;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INDEX_PAUSE) => {}
        }
        let store = account.store().clone();
        let stop = stop.clone();
        let indexed = tokio::task::spawn_blocking(move || {
            while !stop.is_cancelled() && store.finder().catch_up(&store)? {}
            Ok::<_, parlour_store::FindError>(())
        });
        if let Ok(Err(error)) = indexed.await {
            tracing::warn!(%error, "the search index could not be brought up to date");
        }
    }
}

/// Writes down now and then, and at the end, when tokens were last used.
pub(crate) async fn keep_tokens(guard: Arc<Guard>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(TOKENS_PAUSE) => {}
        }
        let guard = guard.clone();
        if let Err(error) = tokio::task::spawn_blocking(move || guard.auth().note_use()).await {
            tracing::error!(%error, "when tokens were last used could not be written down");
        }
    }
}

/// The UDP or TCP port of an address.
pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    let text = address.to_string();
    let mut parts = text.split('/').skip_while(|part| !matches!(*part, "udp" | "tcp"));
    parts.nth(1)?.parse().ok().filter(|port| *port != 0)
}

/// Keeps the port of the first start, so that addresses given to others stay true.
pub(crate) async fn remember_port(account: AccountHandle, file: PathBuf, stop: CancellationToken) {
    let mut live = account.live.clone();
    loop {
        let port = live.borrow_and_update().listening.iter().find_map(port_of);
        if let Some(port) = port {
            if let Err(error) = write_private(&file, format!("{port}\n").as_bytes()) {
                tracing::warn!(%error, "the listening port could not be remembered");
            }
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = live.changed() => if changed.is_err() { return },
        }
    }
}
