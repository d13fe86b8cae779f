//! Identities, devices, prekeys and what is kept of them.

use hkdf::Hkdf;
use parlour_crypto::{DeviceCert, DeviceId, DeviceKeys, DeviceList, Identity, PrekeyBundle, PrekeySecret};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Case, Draw};
use crate::given::{Given, hex, hexes};
use crate::{kinds, people};

/// 2027-01-15, ms.
pub(super) const NOW: u64 = 1_800_000_000_000;
const DAY_MS: u64 = 86_400_000;

/// A user with one device, its list and its prekeys.
pub(super) struct Person {
    pub(super) entropy: [u8; 32],
    pub(super) identity: Identity,
    pub(super) identity_seed: [u8; 32],
    pub(super) keys: DeviceKeys,
    pub(super) cert: DeviceCert,
    pub(super) list: DeviceList,
    prekey: PrekeySecret,
    pub(super) bundle: PrekeyBundle,
}

impl Person {
    pub(super) fn new(draw: &mut Draw, suites: u8) -> Self {
        let entropy = draw.array();
        let identity = Identity::from_entropy(&entropy);
        let mut identity_seed = [0; 32];
        let extracted = Hkdf::<Sha256>::new(None, &entropy);
        extracted.expand(b"parlour/1\0identity\0", &mut identity_seed).unwrap();
        let keys = DeviceKeys::generate(&mut draw.0);
        let cert = match suites {
            3 => DeviceCert::issue(&identity, &keys, draw.number(64), NOW - DAY_MS),
            suites => people::issue(&identity_seed, &keys, suites, [NOW - DAY_MS, NOW + 1], draw.number(64)),
        };
        let list = DeviceList::first(&identity, std::slice::from_ref(&cert), NOW).unwrap();
        let serial = u32::try_from(draw.number(32)).unwrap();
        let prekey = PrekeySecret::generate(&mut draw.0, serial);
        let bundle = prekey.bundle(&keys, &cert, NOW, NOW + draw.below(15 * DAY_MS));
        Self {
            entropy,
            identity,
            identity_seed,
            keys,
            cert,
            list,
            prekey,
            bundle,
        }
    }

    /// The names that every case of a device begins with.
    pub(super) fn secrets(&self) -> Value {
        let (signing, dh) = self.keys.secrets();
        json!({
            "identity_seed": hex(self.identity_seed), "signing_seed": hex(signing.as_slice()),
            "dh_secret": hex(dh.as_slice()), "certificate": hex(self.cert.as_bytes()),
        })
    }

    pub(super) fn prekey_secrets(&self) -> [Value; 2] {
        let bytes = self.prekey.to_bytes();
        [hex(&bytes[4..36]), hex(&bytes[36..])]
    }

    fn another_device(&self, draw: &mut Draw) -> DeviceCert {
        DeviceCert::issue(&self.identity, &DeviceKeys::generate(&mut draw.0), draw.number(64), NOW)
    }

    fn list_case(&self, name: &str, list: &DeviceList, previous: [u8; 32]) -> Case {
        let inputs = json!({
            "identity_seed": hex(self.identity_seed), "version": list.version(), "previous": hex(previous),
            "certificates": hexes(list.certs().iter().map(DeviceCert::as_bytes)), "revoked": hexes(list.revoked()),
            "recovered": u8::from(list.is_recovered()), "created": list.created(),
        });
        let made = kinds::run("device_list", Given(&inputs));
        assert_eq!(made.out["signed"], hex(list.as_bytes()), "the crate signs another list");
        ("device_list", name.to_owned(), inputs)
    }
}

pub(super) fn identities(draw: &mut Draw) -> Vec<Case> {
    let case = |number| {
        (
            "identity",
            format!("identity {number}"),
            json!({"entropy": draw.hex(32)}),
        )
    };
    (0..8).map(case).collect()
}

pub(super) fn devices(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for number in 0..4 {
        let person = Person::new(draw, 3);
        let mut inputs = person.secrets();
        let cert = &person.cert;
        for (name, value) in [
            ("created", cert.created()),
            ("expires", cert.expires()),
            ("serial", cert.serial()),
        ] {
            inputs[name] = value.into();
        }
        inputs["suites"] = 3.into();
        let made = kinds::run("device_certificate", Given(&inputs));
        assert_eq!(
            made.out["signed"],
            hex(cert.as_bytes()),
            "the crate issues another certificate"
        );
        cases.push(("device_certificate", format!("certificate {number}"), inputs));
    }

    let person = Person::new(draw, 3);
    let first = &person.list;
    let more: Vec<DeviceCert> = (0..3).map(|_| person.another_device(draw)).collect();
    let all = [std::slice::from_ref(&person.cert), &more].concat();
    let second = first.next(&person.identity, &all, &[], NOW).unwrap();
    let gone = [more[0].device(), DeviceId::from_bytes(draw.array())];
    let third = second.next(&person.identity, &all[2..], &gone, NOW + 1).unwrap();
    let words = DeviceList::recovered(&person.identity, 900, &all[..1], &gone, NOW + 2).unwrap();
    let empty = words.next(&person.identity, &[], &[], NOW + 3).unwrap();
    cases.push(person.list_case("first", first, [0; 32]));
    cases.push(person.list_case("more devices", &second, first.hash()));
    cases.push(person.list_case("revoked", &third, second.hash()));
    cases.push(person.list_case("recovered", &words, [0; 32]));
    cases.push(person.list_case("no device", &empty, words.hash()));
    for (old, new) in [
        (first, &second),
        (&second, &third),
        (&third, &words),
        (first, &words),
        (first, &third),
        (&second, &empty),
        (&words, &empty),
    ] {
        let inputs = json!({"old": hex(old.as_bytes()), "new": hex(new.as_bytes())});
        let name = format!("{} to {}", old.version(), new.version());
        cases.push(("succession", name, inputs));
    }
    cases
}

pub(super) fn prekeys(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for suites in [1, 2, 3, 3] {
        let person = Person::new(draw, suites);
        let mut inputs = person.secrets();
        [inputs["prekey_secret"], inputs["kem_seed"]] = person.prekey_secrets();
        inputs["serial"] = person.bundle.serial().into();
        inputs["suites"] = suites.into();
        inputs["issued"] = person.bundle.issued().into();
        inputs["expires"] = person.bundle.expires().into();
        cases.push(("prekey_bundle", format!("suites {suites}"), inputs));
        let inputs = json!({"id": 1 + draw.number(31), "secret": draw.hex(32)});
        cases.push(("one_time_key", "one-time key".to_owned(), inputs));
    }
    cases
}

pub(super) fn safety_numbers(draw: &mut Draw) -> Vec<Case> {
    let mut case = |number| {
        let inputs = json!({"user": draw.hex(32), "other_user": draw.hex(32)});
        ("safety_number", format!("pair {number}"), inputs)
    };
    (0..3).map(&mut case).collect()
}

pub(super) fn keystores(draw: &mut Draw) -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, password, node) in [
        ("password", Some("ein Paßwort"), false),
        ("node key", None, true),
        ("both", Some(""), true),
    ] {
        let person = Person::new(draw, 3);
        let mut inputs = person.secrets();
        inputs["password_text"] = password.into();
        if password.is_some() {
            inputs["memory"] = (19_456 + draw.below(1_000)).into();
            inputs["passes"] = (2 + draw.below(2)).into();
            inputs["lanes"] = (1 + draw.below(4)).into();
            inputs["password_salt"] = draw.hex(16);
            inputs["password_nonce"] = draw.hex(24);
        }
        inputs["node_key_file"] = if node { draw.hex(32) } else { Value::Null };
        inputs["node_nonce"] = draw.hex(24);
        inputs["data_key"] = draw.hex(32);
        inputs["secrets_nonce"] = draw.hex(24);
        inputs["entropy"] = draw.or_null(50, |_| hex(person.entropy));
        inputs["device_list"] = hex(person.list.as_bytes());
        inputs["profile_name_text"] = "Zoë".repeat(draw.below(17).try_into().unwrap()).into();
        cases.push(("keystore", name.to_owned(), inputs));
    }
    cases
}
