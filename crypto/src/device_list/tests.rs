#![allow(clippy::arithmetic_side_effects, reason = "a test knows its numbers")]

use super::*;
use crate::device::CertError;
use crate::keys::DeviceKeys;
use crate::suite::Suites;
use crate::testing::{NOW, fields, join, malformed, person, rng, with_field};

fn devices(count: u64) -> Vec<DeviceCert> {
    let owner = person(1).identity;
    (0..count)
        .map(|seed| DeviceCert::issue(&owner, &DeviceKeys::generate(&mut rng(100 + seed)), seed, NOW))
        .collect()
}

fn list(certs: &[DeviceCert]) -> DeviceList {
    DeviceList::first(&person(1).identity, certs, NOW).unwrap()
}

fn signed(statement: &[u8]) -> Vec<u8> {
    let signature = person(1).identity.sign(Purpose::DEVICE_LIST, statement).to_vec();
    join(&[(1, statement.to_vec()), (2, signature)])
}

fn statement(of: &DeviceList) -> Vec<u8> {
    fields(of.as_bytes())[0].1.clone()
}

#[test]
fn lists_read_back_and_know_their_devices() {
    for count in [0, 1, 8] {
        let made = list(&devices(count));
        let read = DeviceList::verify(made.as_bytes()).unwrap();
        assert_eq!(read, made);
        assert_eq!(
            (read.version(), read.user(), read.created()),
            (1, person(1).identity.user_id(), NOW)
        );
        assert_eq!(read.certs().len(), count as usize);
        assert!(
            devices(count)
                .iter()
                .all(|cert| read.cert(&cert.device()) == Some(cert))
        );
        assert_eq!(ListReference::decode(&read.reference().encode()), read.reference());
    }
}

#[test]
fn every_malformed_list_is_refused() {
    let good = list(&devices(1));
    assert!(DeviceList::verify(&signed(&statement(&good))).is_ok());
    for (what, bad) in malformed(&statement(&good), &[]) {
        assert!(DeviceList::verify(&signed(&bad)).is_err(), "statement {what}");
    }
    for (what, bad) in malformed(good.as_bytes(), &[]) {
        assert!(DeviceList::verify(&bad).is_err(), "{what}");
    }
    for at in 0..good.as_bytes().len() {
        let mut bad = good.as_bytes().to_vec();
        bad[at] ^= 1;
        assert!(DeviceList::verify(&bad).is_err(), "byte {at}");
    }
}

#[test]
fn values_out_of_range_are_refused_though_well_signed() {
    let two = devices(2);
    let good = statement(&list(&two));
    let verify = |tag, value: &[u8]| DeviceList::verify(&signed(&with_field(&good, tag, value))).map(|_| ());
    assert_eq!(verify(1, &[0; 4]), Err(ListError::Version));
    assert_eq!(
        verify(1, &[0, 0, 0, 2]),
        Err(ListError::Previous),
        "version 2 names no predecessor"
    );
    assert_eq!(verify(3, &[1; 32]), Err(ListError::Previous), "version 1 names one");
    assert_eq!(verify(6, &[2]), Err(ListError::Recovered));
    let entry = |cert: &DeviceCert| [&[1, 27], cert.as_bytes()].concat();
    let mut ordered = two.clone();
    ordered.sort_by_key(DeviceCert::device);
    assert_eq!(verify(4, &[entry(&ordered[0]), entry(&ordered[1])].concat()), Ok(()));
    assert_eq!(
        verify(4, &[entry(&ordered[1]), entry(&ordered[0])].concat()),
        Err(ListError::Order)
    );
    assert_eq!(
        verify(4, &[entry(&ordered[0]), entry(&ordered[0])].concat()),
        Err(ListError::Order)
    );
    assert_eq!(verify(4, &entry(&person(2).cert)), Err(ListError::OtherUser));
    assert_eq!(
        verify(4, &entry(&ordered[0]).repeat(9)),
        Err(ListError::TooManyDevices { got: 9 })
    );
    let mut forged = entry(&ordered[0]);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(verify(4, &forged), Err(ListError::Certificate(CertError::Signature)));
    assert_eq!(
        verify(5, ordered[0].device().as_bytes()),
        Err(ListError::RevokedCertified)
    );
    assert_eq!(verify(5, &[[2; 32], [1; 32]].concat()), Err(ListError::Order));
    assert_eq!(verify(5, &[[2; 32], [2; 32]].concat()), Err(ListError::Order));
    let many = |count: u16| -> Vec<u8> {
        (0..count)
            .flat_map(|n| {
                let mut id = [0; 32];
                id[..2].copy_from_slice(&n.to_be_bytes());
                id
            })
            .collect()
    };
    assert_eq!(verify(5, &many(1024)), Ok(()));
    assert_eq!(verify(5, &many(1025)), Err(ListError::TooManyRevoked { got: 1025 }));
}

#[test]
fn lists_that_would_be_refused_cannot_be_made() {
    let (owner, certs) = (person(1).identity, devices(9));
    assert_eq!(
        DeviceList::first(&owner, &certs, NOW),
        Err(ListError::TooManyDevices { got: 9 })
    );
    assert_eq!(
        DeviceList::first(&owner, &[person(2).cert], NOW),
        Err(ListError::OtherUser)
    );
    assert_eq!(
        DeviceList::first(&owner, &[certs[0].clone(), certs[0].clone()], NOW),
        Err(ListError::Order)
    );
    let first = list(&certs[..2]);
    assert_eq!(
        first.next(&owner, &certs[..2], &[certs[0].device()], NOW),
        Err(ListError::RevokedCertified)
    );
    let last = DeviceList::recovered(&owner, u32::MAX, &certs[..1], &[], NOW).unwrap();
    assert_eq!(last.next(&owner, &certs[..1], &[], NOW), Err(ListError::Version));
}

#[test]
fn a_revocation_is_kept_by_every_later_list() {
    let (owner, certs) = (person(1).identity, devices(3));
    let first = list(&certs);
    let second = first.next(&owner, &certs[1..], &[certs[0].device()], NOW + 1).unwrap();
    let third = second
        .next(&owner, &certs[2..], &[certs[1].device(), certs[0].device()], NOW + 2)
        .unwrap();
    assert_eq!(first.check_successor(&second), Ok(()));
    assert_eq!(second.check_successor(&third), Ok(()));
    assert!(third.is_revoked(&certs[0].device()) && third.is_revoked(&certs[1].device()));
    assert_eq!(third.revoked().len(), 2);
    assert_eq!(DeviceList::verify(third.as_bytes()).unwrap(), third);
}

#[test]
fn each_way_not_to_follow_has_its_name() {
    let (owner, certs) = (person(1).identity, devices(3));
    let first = list(&certs);
    let second = first.next(&owner, &certs[1..], &[certs[0].device()], NOW).unwrap();
    let third = second.next(&owner, &certs[1..], &[], NOW).unwrap();
    assert_eq!(second.check_successor(&second.clone()), Err(SuccessionError::Same));
    assert_eq!(
        second.check_successor(&first),
        Err(SuccessionError::Older { have: 2, got: 1 })
    );
    assert_eq!(
        first.check_successor(&third),
        Err(SuccessionError::Gap { have: 1, got: 3 })
    );
    let rival = first.next(&owner, &certs, &[], NOW).unwrap();
    assert_eq!(second.check_successor(&rival), Err(SuccessionError::Forked));
    assert_eq!(
        rival.check_successor(&third),
        Err(SuccessionError::Forked),
        "the predecessor is another"
    );
    let stranger = DeviceList::first(&person(2).identity, &[], NOW).unwrap();
    assert_eq!(first.check_successor(&stranger), Err(SuccessionError::WrongUser));
    // Right place, right predecessor, but the revocation is gone.
    let mut forgetful = with_field(&statement(&third), 5, &[]);
    assert_eq!(
        second.check_successor(&DeviceList::verify(&signed(&forgetful)).unwrap()),
        Err(SuccessionError::DroppedRevocation)
    );
    // The same with a gap: the undone revocation is the graver finding.
    forgetful = with_field(&forgetful, 1, &[0, 0, 0, 9]);
    assert_eq!(
        second.check_successor(&DeviceList::verify(&signed(&forgetful)).unwrap()),
        Err(SuccessionError::DroppedRevocation)
    );
}

#[test]
fn a_recovered_list_follows_any_lower_version_but_brings_no_revoked_device_back() {
    let (owner, certs) = (person(1).identity, devices(3));
    let second = list(&certs)
        .next(&owner, &certs[1..], &[certs[0].device()], NOW)
        .unwrap();
    let good = DeviceList::recovered(&owner, 7, &certs[2..], &[certs[1].device()], NOW).unwrap();
    assert!(good.is_recovered() && DeviceList::verify(good.as_bytes()).is_ok());
    assert_eq!(second.check_successor(&good), Ok(()));
    assert_eq!(
        good.check_successor(&good.next(&owner, &certs[2..], &[], NOW).unwrap()),
        Ok(())
    );
    let same_version = DeviceList::recovered(&owner, 2, &certs[2..], &[], NOW).unwrap();
    assert_eq!(second.check_successor(&same_version), Err(SuccessionError::Forked));
    let undoing = DeviceList::recovered(&owner, 7, &certs[..1], &[], NOW).unwrap();
    assert_eq!(
        second.check_successor(&undoing),
        Err(SuccessionError::DroppedRevocation)
    );
}

#[test]
fn no_list_takes_a_suite_from_a_device() {
    let owner = person(1).identity;
    let keys = [1, 2].map(|seed| DeviceKeys::generate(&mut rng(seed)));
    let certify = |device: usize, suites| DeviceCert::issue_for(&owner, &keys[device], suites, 2, NOW + 1);
    let (both, classic) = (certify(0, Suites::ALL), certify(0, Suites::CLASSIC));
    let first = DeviceList::first(&owner, std::slice::from_ref(&both), NOW).unwrap();
    let second = first.next(&owner, std::slice::from_ref(&both), &[], NOW).unwrap();
    let refused = Err(SuccessionError::Downgrade);

    let weaker = first.next(&owner, std::slice::from_ref(&classic), &[], NOW).unwrap();
    assert_eq!(first.check_successor(&weaker), refused);
    let late = second.next(&owner, std::slice::from_ref(&classic), &[], NOW).unwrap();
    assert_eq!(first.check_successor(&late), refused, "lists between are missing");
    let recovered = DeviceList::recovered(&owner, 9, std::slice::from_ref(&classic), &[], NOW).unwrap();
    assert_eq!(first.check_successor(&recovered), refused);

    // A device that was never stronger may be weak, and become stronger.
    let with_weak = first.next(&owner, &[both.clone(), certify(1, Suites::CLASSIC)], &[], NOW);
    let with_weak = with_weak.unwrap();
    assert_eq!(first.check_successor(&with_weak), Ok(()));
    let stronger = with_weak
        .next(&owner, &[both, certify(1, Suites::ALL)], &[], NOW)
        .unwrap();
    assert_eq!(with_weak.check_successor(&stronger), Ok(()));
}
