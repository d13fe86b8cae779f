//! TLS for the door to the network: nothing is said in plain there, and whoever tries is told so.

mod certificate;
mod lan;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

pub use certificate::CertificateError;
pub(crate) use certificate::Facts;
use certificate::Shown;
pub use lan::{Certificate, HostName, HostNameError, Lan, LanError};
pub(crate) use lan::{LanDoor, authority_of};

use super::error::ApiError;
use crate::runner::now_ms;

/// How often to look whether the certificate has to be made anew, or has changed on the disk.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
/// The first byte of a TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;
/// Of a request in plain, so much is read, for as long, before it is told that it is wrong here.
const PLAIN_BYTES: usize = 16 * 1024;
const PLAIN_TIME: Duration = Duration::from_secs(2);

/// The encryption of one door.
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    source: Source,
}

/// Where the certificate comes from.
#[derive(Debug, Clone)]
enum Source {
    /// Made here, for these and the machine's own names, and kept in this folder.
    Kept {
        folder: PathBuf,
        hosts: Vec<HostName>,
        listen: SocketAddr,
    },
    Given {
        certificate: PathBuf,
        key: PathBuf,
    },
}

/// What is shown at the moment.
struct Current(RwLock<(Facts, Arc<CertifiedKey>)>);

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Current").field(&self.facts()).finish()
    }
}

impl Current {
    fn facts(&self) -> Facts {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone())
    }
}

impl Source {
    fn shown(&self) -> Result<Shown, CertificateError> {
        match self {
            Self::Kept { folder, hosts, listen } => {
                let mut names = certificate::machine();
                names.extend(hosts.iter().map(HostName::name));
                if !listen.ip().is_unspecified() {
                    names.insert(listen.ip().to_string());
                }
                certificate::kept(folder, &names, now_ms())
            }
            Self::Given { certificate, key } => certificate::read(certificate, key, false),
        }
    }
}

impl Tls {
    /// Reads the certificate, or makes it.
    ///
    /// # Errors
    /// See [`CertificateError`].
    fn open(source: Source) -> Result<Self, CertificateError> {
        let Shown { facts, key } = source.shown()?;
        let current = Arc::new(Current(RwLock::new((facts, Arc::new(key)))));
        let provider = Arc::new(aws_lc_rs::default_provider());
        #[expect(
            clippy::expect_used,
            reason = "the provider has suites for the versions that rustls takes by default"
        )]
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            current,
            source,
        })
    }

    /// The certificate that is shown now.
    pub(crate) fn facts(&self) -> Facts {
        self.current.facts()
    }

    /// Does the handshake of a connection that has just come. `None`: there is nothing to talk about on it.
    pub(crate) async fn greet(&self, mut socket: TcpStream, within: Duration) -> Option<TlsStream<TcpStream>> {
        let greeted = async {
            let mut first = [0];
            match socket.peek(&mut first).await {
                Ok(1..) if first == [HANDSHAKE] => match self.acceptor.accept(socket).await {
                    Ok(stream) => Some(stream),
                    // Clients that do not like the certificate are no news.
                    Err(error) => {
                        tracing::debug!(%error, "a TLS handshake failed");
                        None
                    }
                },
                Ok(1..) => {
                    let _ = tokio::time::timeout(PLAIN_TIME, refuse_plain(&mut socket)).await;
                    None
                }
                _ => None,
            }
        };
        tokio::time::timeout(within, greeted).await.ok().flatten()
    }

    /// Has the certificate made anew in time, and takes over files that were replaced, until the node stops.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.look_again()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the TLS certificate stays the one from before"),
                Err(error) => tracing::error!(%error, "the TLS certificate could not be looked at"),
            }
        }
    }

    fn look_again(&self) -> Result<(), CertificateError> {
        let Shown { facts, key } = self.source.shown()?;
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.0 != facts {
            tracing::info!(fingerprint = facts.fingerprint, "a new TLS certificate is shown");
            *current = (facts, Arc::new(key));
        }
        Ok(())
    }
}

/// Says to whoever speaks plain HTTP that they should not, as soon as they have asked.
async fn refuse_plain(socket: &mut TcpStream) -> io::Result<()> {
    let (mut head, mut chunk) = (Vec::<u8>::new(), [0; 1024]);
    while head.len() < PLAIN_BYTES && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match socket.read(&mut chunk).await? {
            0 => break,
            read => head.extend(chunk.iter().take(read)),
        }
    }
    let refused = ApiError::bad_request(
        "tls_required",
        "this port speaks HTTPS alone: write https:// instead of http://",
    );
    let body = serde_json::to_string(&refused.problem())?;
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // What is closed with something unread takes the answer along.
    while socket.read(&mut chunk).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::*;

    fn of(folder: &Path) -> Source {
        Source::Given {
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        }
    }

    #[test]
    fn files_that_are_replaced_are_shown_and_broken_ones_are_not() {
        let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let names = ["localhost".to_owned()].into();
        for folder in [&here, &there] {
            certificate::kept(folder.path(), &names, now_ms()).unwrap();
        }
        let tls = Tls::open(of(here.path())).unwrap();
        let before = tls.facts();
        tls.look_again().unwrap();
        assert_eq!(tls.facts(), before);
        fs::write(here.path().join("key.pem"), "half of it is wri").unwrap();
        assert!(tls.look_again().is_err());
        assert_eq!(tls.facts(), before);
        for file in ["key.pem", "certificate.pem"] {
            fs::copy(there.path().join(file), here.path().join(file)).unwrap();
        }
        tls.look_again().unwrap();
        let next = Tls::open(of(there.path())).unwrap().facts();
        assert_eq!(tls.facts(), next);
        assert_ne!(tls.facts(), before);
    }
}
