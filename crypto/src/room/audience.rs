//! The devices a sender chain is made for, as a Merkle tree (PROTOCOL.md section 11; the shape of RFC 6962, section 2.1).
//!
//! Its root is signed with the chain; a proof shows whoever was handed the chain by somebody else than its owner that it was
//! meant for them.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::ids::DeviceId;
use crate::kdf::{Purpose, hash};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most devices of an audience.
pub const MAX_AUDIENCE: usize = 1024;
/// Height of the tree of [`MAX_AUDIENCE`] devices.
pub(super) const MAX_PATH: usize = 10;

/// Devices, ascending and distinct, 1–1024.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    devices: Vec<DeviceId>,
}

/// That a device is one of an audience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceProof {
    /// Place of the device.
    pub index: u16,
    /// Devices in all.
    pub count: u16,
    /// The other halves, from the leaf upwards; at most 10.
    pub path: Vec<[u8; 32]>,
}

impl Audience {
    /// Of these devices, in any order, the chain's owner among them.
    ///
    /// # Errors
    /// When there is none, or more than 1024.
    pub fn new(devices: impl IntoIterator<Item = DeviceId>) -> Result<Self, AudienceError> {
        let mut devices: Vec<_> = devices.into_iter().collect();
        devices.sort_unstable();
        devices.dedup();
        match devices.len() {
            1..=MAX_AUDIENCE => Ok(Self { devices }),
            got => Err(AudienceError { got }),
        }
    }

    /// The devices, ascending.
    #[must_use]
    pub fn devices(&self) -> &[DeviceId] {
        &self.devices
    }

    /// HASH("audience root", count, top).
    #[must_use]
    pub fn root(&self) -> [u8; 32] {
        root(self.count(), &top(&self.devices))
    }

    /// The proof that `device` is one of them, if it is.
    #[must_use]
    pub fn prove(&self, device: &DeviceId) -> Option<AudienceProof> {
        let index = self.devices.binary_search(device).ok()?;
        let mut path = Vec::new();
        let (mut at, mut rest) = (index, self.devices.as_slice());
        while let Some((left, right)) = halves(rest) {
            if let Some(beyond) = at.checked_sub(left.len()) {
                path.push(top(left));
                (at, rest) = (beyond, right);
            } else {
                path.push(top(right));
                rest = left;
            }
        }
        path.reverse();
        Some(AudienceProof {
            index: u16::try_from(index).ok()?,
            count: self.count(),
            path,
        })
    }

    fn count(&self) -> u16 {
        // At most 1024.
        self.devices.len() as u16
    }
}

impl AudienceProof {
    /// Whether it proves that `device` is in the audience with this root.
    #[must_use]
    pub fn holds(&self, device: &DeviceId, audience_root: &[u8; 32]) -> bool {
        let (index, count) = (usize::from(self.index), usize::from(self.count));
        if index >= count || count > MAX_AUDIENCE || self.path.len() > MAX_PATH {
            return false;
        }
        let mut path = self.path.iter();
        let climbed = climb(index, count, leaf(device), &mut path);
        climbed.is_some_and(|top| root(self.count, &top) == *audience_root) && path.next().is_none()
    }
}

/// The top of a tree of `count` whose leaf `index` is `leaf`; `path` gives the halves it is not in.
fn climb<'a>(
    index: usize,
    count: usize,
    leaf: [u8; 32],
    path: &mut impl Iterator<Item = &'a [u8; 32]>,
) -> Option<[u8; 32]> {
    let Some(left) = left_of(count) else {
        return Some(leaf);
    };
    if let Some(beyond) = index.checked_sub(left) {
        let right = climb(beyond, count.saturating_sub(left), leaf, path)?;
        Some(node(path.next()?, &right))
    } else {
        let left = climb(index, left, leaf, path)?;
        Some(node(&left, path.next()?))
    }
}

fn top(devices: &[DeviceId]) -> [u8; 32] {
    match (halves(devices), devices) {
        (Some((left, right)), _) => node(&top(left), &top(right)),
        (None, [device, ..]) => leaf(device),
        (None, []) => [0; 32],
    }
}

fn halves(devices: &[DeviceId]) -> Option<(&[DeviceId], &[DeviceId])> {
    devices.split_at_checked(left_of(devices.len())?)
}

/// The largest power of two below `count`; nothing for a leaf.
fn left_of(count: usize) -> Option<usize> {
    let last = count.checked_sub(1).filter(|&last| last > 0)?;
    Some(1usize.wrapping_shl(last.ilog2()))
}

fn leaf(device: &DeviceId) -> [u8; 32] {
    hash(Purpose::AUDIENCE_LEAF, &[device.as_bytes()])
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    hash(Purpose::AUDIENCE_NODE, &[left, right])
}

fn root(count: u16, top: &[u8; 32]) -> [u8; 32] {
    hash(Purpose::AUDIENCE_ROOT, &[&count.to_be_bytes(), top])
}

/// Nobody, or too many.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an audience of {got} devices does not exist: it has 1 to 1024")]
pub struct AudienceError {
    /// Devices given.
    pub got: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(count: u16) -> Vec<DeviceId> {
        (0..count)
            .map(|n| DeviceId::from_bytes(hash(Purpose::DEVICE_ID, &[&n.to_be_bytes()])))
            .collect()
    }

    #[test]
    fn every_device_has_a_proof_and_no_other_does() {
        for count in [1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100, 1024] {
            let all = devices(count + 1);
            let (outside, inside) = all.split_last().unwrap();
            let audience = Audience::new(inside.iter().copied()).unwrap();
            for device in inside.iter().step_by(1 + usize::from(count) / 20) {
                let proof = audience.prove(device).unwrap();
                assert!(proof.holds(device, &audience.root()));
                assert!(!proof.holds(outside, &audience.root()));
                assert!(!proof.holds(device, &[0; 32]));
                for bad in damaged(&proof) {
                    assert!(!bad.holds(device, &audience.root()), "{bad:?}");
                }
            }
            assert_eq!(audience.prove(outside), None);
        }
    }

    /// Proofs of another shape: none may hold.
    fn damaged(proof: &AudienceProof) -> Vec<AudienceProof> {
        let with = |change: &dyn Fn(&mut AudienceProof)| {
            let mut bad = proof.clone();
            change(&mut bad);
            bad
        };
        let mut all = vec![
            with(&|bad| bad.path.push([1; 32])),
            with(&|bad| bad.count = bad.count.wrapping_add(1)),
            with(&|bad| bad.count = 0),
            with(&|bad| bad.index = bad.count),
        ];
        if !proof.path.is_empty() {
            all.push(with(&|bad| bad.path.truncate(bad.path.len().saturating_sub(1))));
            all.push(with(&|bad| bad.path[0][0] ^= 1));
            all.push(with(&|bad| bad.index ^= 1));
        }
        all
    }

    #[test]
    fn a_node_does_not_pass_for_a_leaf_and_order_does_not_matter() {
        let all = devices(4);
        let audience = Audience::new(all.iter().copied()).unwrap();
        let shuffled = Audience::new([all[2], all[0], all[3], all[1], all[0]]).unwrap();
        assert_eq!(audience.root(), shuffled.root());
        let pair = node(&leaf(&audience.devices[0]), &leaf(&audience.devices[1]));
        let forged = AudienceProof {
            index: 0,
            count: 4,
            path: vec![node(&leaf(&audience.devices[2]), &leaf(&audience.devices[3]))],
        };
        assert!(!forged.holds(&DeviceId::from_bytes(pair), &audience.root()));
    }

    #[test]
    fn nobody_and_too_many_are_no_audience() {
        assert_eq!(Audience::new([]), Err(AudienceError { got: 0 }));
        assert_eq!(Audience::new(devices(1025)), Err(AudienceError { got: 1025 }));
    }
}
