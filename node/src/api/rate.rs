//! Rate limits: token buckets, one per key, in bounded memory.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::RateLimit;

/// Keys remembered at once; the one that has the most left is forgotten first.
const MAX_KEYS: usize = 4096;

/// One limit for many keys.
pub(crate) struct Buckets<K> {
    limit: RateLimit,
    buckets: Mutex<BTreeMap<K, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl<K: Ord + Copy> Buckets<K> {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            buckets: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes one from the bucket of `key`; `Err` says after how long there is one again.
    pub(crate) fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = f64::from(self.limit.burst);
        let refilled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at).as_secs_f64();
            (bucket.left + since * self.limit.per_second).min(full)
        };
        let left = buckets.get(&key).map_or(full, refilled);
        if left < 1.0 {
            let wait = (1.0 - left) / self.limit.per_second.max(f64::MIN_POSITIVE);
            return Err(Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX));
        }
        if buckets.len() >= MAX_KEYS && !buckets.contains_key(&key) {
            let fullest = buckets
                .iter()
                .max_by(|a, b| refilled(a.1).total_cmp(&refilled(b.1)))
                .map(|(key, _)| *key);
            fullest.and_then(|key| buckets.remove(&key));
        }
        let left = left - 1.0;
        buckets.insert(key, Bucket { left, at: now });
        Ok(())
    }

    /// Puts back what was taken.
    pub(crate) fn give_back(&self, key: K) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            bucket.left = (bucket.left + 1.0).min(f64::from(self.limit.burst));
        }
    }
}

/// Who counts as one client: this machine, an IPv4 address, or an IPv6 network of 64 bits.
pub(crate) fn client(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        // Every program here can choose among the addresses of loopback.
        ip if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_refills_for_its_key_alone() {
        let buckets = Buckets::new(RateLimit {
            burst: 2,
            per_second: 0.5,
        });
        let start = Instant::now();
        assert_eq!(buckets.take(1, start), Ok(()));
        assert_eq!(buckets.take(1, start), Ok(()));
        assert_eq!(buckets.take(1, start), Err(Duration::from_secs(2)));
        assert_eq!(buckets.take(2, start), Ok(()));
        let later = start + Duration::from_secs(2);
        assert_eq!(buckets.take(1, later), Ok(()));
        assert_eq!(buckets.take(1, later), Err(Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_the_emptiest_stay() {
        let buckets = Buckets::new(RateLimit {
            burst: 1,
            per_second: 1.0,
        });
        let start = Instant::now();
        for key in 0..MAX_KEYS {
            let at = start + Duration::from_micros(u64::try_from(key).unwrap());
            assert_eq!(buckets.take(key, at), Ok(()));
        }
        let last = start + Duration::from_millis(5);
        assert_eq!(buckets.take(MAX_KEYS, last), Ok(()));
        assert_eq!(buckets.buckets.lock().unwrap().len(), MAX_KEYS);
        assert!(buckets.take(MAX_KEYS - 1, last).is_err());
        assert_eq!(buckets.take(0, last), Ok(()));
    }

    #[test]
    fn one_client_is_an_address_or_a_network() {
        let ip = |text: &str| client(text.parse().unwrap());
        assert_eq!(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
        assert_eq!(ip("2001:db8::1"), ip("2001:db8::ffff:1"));
        assert_ne!(ip("2001:db8::1"), ip("2001:db8:0:1::1"));
        assert_ne!(ip("10.0.0.1"), ip("10.0.0.2"));
        for here in ["127.1.2.3", "::1", "::ffff:127.0.0.9"] {
            assert_eq!(ip(here), ip("127.0.0.1"), "{here}");
        }
    }
}
