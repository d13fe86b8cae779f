//! Where a webhook goes. Without leave to go anywhere it is this machine, whatever a name resolves to when it is asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::http::Uri;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::OnceCell;

/// Bytes of an address.
const MAX_URL: usize = 2_048;

/// A place that was checked.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) tls: bool,
    /// As a certificate names it; without the brackets of IPv6.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `Host` header has it.
    pub(super) authority: String,
    pub(super) path: String,
    anywhere: bool,
}

/// Why an address is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("the address of a webhook is http://HOST[:PORT]/PATH or https://…, of at most {MAX_URL} bytes")]
    Malformed,
    #[error("the address of a webhook has no name and password in it: what comes is signed")]
    Credentials,
    #[error("a webhook sends decrypted messages: without leave to go anywhere, only to 127.0.0.1, [::1] or localhost")]
    Elsewhere,
}

impl Target {
    pub(super) fn parse(url: &str, anywhere: bool) -> Result<Self, TargetError> {
        if url.len() > MAX_URL || url.contains('#') {
            return Err(TargetError::Malformed);
        }
        let uri: Uri = url.parse().map_err(|_| TargetError::Malformed)?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(TargetError::Malformed),
        };
        let authority = uri.authority().ok_or(TargetError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(TargetError::Credentials);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        // A port that is none is left out by the parser, which would lead to another one.
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => Some(if tls { 443 } else { 80 }),
            rest => rest.and_then(|rest| rest.strip_prefix(':')?.parse().ok()),
        };
        let port = port.ok_or(TargetError::Malformed)?;
        if host.is_empty() || port == 0 {
            return Err(TargetError::Malformed);
        }
        let is_here = match host.parse::<IpAddr>() {
            Ok(address) => is_loopback(address),
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        };
        if !anywhere && !is_here {
            return Err(TargetError::Elsewhere);
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            anywhere,
        })
    }

    /// Whether it may go to this address, to which its name has led.
    pub(super) fn may_reach(&self, address: &SocketAddr) -> bool {
        self.anywhere || is_loopback(address.ip())
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// TLS that trusts whom this machine trusts. Read once; a machine without certificates trusts nobody.
pub(super) async fn tls_of_this_machine() -> Result<Arc<ClientConfig>, rustls::Error> {
    static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    let read = async || {
        let found = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs).await;
        let mut roots = RootCertStore::empty();
        if let Ok(found) = found {
            roots.add_parsable_certificates(found.certs);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    };
    CONFIG.get_or_try_init(read).await.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_without_leave() {
        for here in [
            "http://127.0.0.1:8080/hook?x=1",
            "http://127.8.8.8/",
            "https://[::1]:9/",
            "http://[::ffff:127.0.0.1]/",
            "http://LocalHost",
        ] {
            assert!(Target::parse(here, false).is_ok(), "{here}");
        }
        for elsewhere in [
            "http://example.org/",
            "http://0.0.0.0:80/",
            "http://[::]/",
            "http://2130706433/",
            "http://192.168.1.2/",
            "http://localhost.example.org/",
            "http://127.0.0.1.nip.io/",
        ] {
            let refused = Target::parse(elsewhere, false);
            assert!(matches!(refused, Err(TargetError::Elsewhere)), "{elsewhere}");
            assert!(Target::parse(elsewhere, true).is_ok(), "{elsewhere}");
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_later_is_not_followed() {
        let here = Target::parse("http://localhost:80/", false).unwrap();
        assert!(here.may_reach(&"[::1]:80".parse().unwrap()));
        assert!(!here.may_reach(&"10.0.0.1:80".parse().unwrap()));
        assert!(
            Target::parse("http://localhost/", true)
                .unwrap()
                .may_reach(&"10.0.0.1:80".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_address_of_a_server_is_refused() {
        let long = format!("http://localhost/{}", "x".repeat(MAX_URL));
        for wrong in [
            "",
            "/hook",
            "localhost:80",
            "ftp://localhost/",
            "file:///etc/passwd",
            "http:///x",
            "http://localhost:0/",
            "http://localhost:99999/",
            "http://localhost/#x",
            "http://local host/",
            &long,
        ] {
            assert!(
                matches!(Target::parse(wrong, true), Err(TargetError::Malformed)),
                "{wrong}"
            );
        }
        assert!(matches!(
            Target::parse("http://a:b@localhost/", true),
            Err(TargetError::Credentials)
        ));
    }

    #[test]
    fn the_parts_of_an_address_are_told_apart() {
        let target = Target::parse("https://[::1]/a/b?c=d", false).unwrap();
        assert_eq!((target.tls, target.host.as_str(), target.port), (true, "::1", 443));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("[::1]", "/a/b?c=d"));
        assert_eq!(Target::parse("http://localhost", false).unwrap().path, "/");
    }
}
