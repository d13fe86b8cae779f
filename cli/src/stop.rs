//! Ctrl-C, and what a service manager sends.

use anyhow::{Context, Result};

/// The ways in which the program is asked to stop.
pub(crate) struct Stop {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    /// # Errors
    /// The system does not let us listen.
    pub(crate) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Stop {
    /// # Errors
    /// The system does not let us listen.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {})
    }

    /// Waits until somebody asks.
    pub(crate) async fn asked(&mut self) {
        if tokio::signal::ctrl_c()
            .await
            .context("cannot listen for signals")
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}
