//! What passes between people, and what stays on the disk: invites, safety numbers, keystores.

use parlour_crypto::{
    Argon2Params, AskingWork, BetweenPeers, ContactAddress, DeviceList, Invite, Keystore, Link, Secrets, Unlock,
    UserId, link_answer, link_question, link_token_hash, safety_number,
};
use serde_json::json;
use zeroize::Zeroizing;

use super::given::{Given, Script, hex};
use super::kinds::Found;
use super::people::{certificate, device_keys};

pub(crate) fn invite_of(i: Given<'_>) -> Invite {
    Invite {
        user: UserId::from_bytes(i.array("user")),
        peer: i.bytes("peer"),
        addresses: i.list("addresses"),
        bundle_hash: i.array("bundle_hash"),
        token: i.array("token"),
        expires: i.int("expires"),
        name: i.has("name_text").then(|| i.text("name_text").to_owned()),
    }
}

pub(crate) fn invite(i: Given<'_>) -> Found {
    let invite = invite_of(i);
    let link = invite.to_link();
    assert!(Invite::parse(&link).unwrap() == invite, "the invite reads as another");
    Found::out(json!({"invite_text": link}))
}

pub(crate) fn contact_address(i: Given<'_>) -> Found {
    let address = ContactAddress {
        user: UserId::from_bytes(i.array("user")),
        peer: i.bytes("peer"),
        addresses: i.list("addresses"),
        name: i.has("name_text").then(|| i.text("name_text").to_owned()),
    };
    let text = address.to_link();
    assert_eq!(
        Link::parse(&text),
        Ok(Link::Address(address)),
        "the address reads as another"
    );
    Found::out(json!({"address_text": text}))
}

pub(crate) fn asking_work(i: Given<'_>) -> Found {
    let work = AskingWork::new(&UserId::from_bytes(i.array("user")), &i.bytes("envelope"));
    Found::out(json!({"done": work.is_done_by(i.int("nonce"))}))
}

pub(crate) fn asking_around(i: Given<'_>) -> Found {
    let (hash, nonce) = (link_token_hash(&i.array("token")), i.array("nonce"));
    let (asks, asked) = (i.bytes("asks"), i.bytes("asked"));
    let between = BetweenPeers {
        asks: &asks,
        asked: &asked,
    };
    let question = link_question(&hash, &nonce, between);
    let answer = link_answer(&hash, &nonce, between, &i.bytes("bundle"));
    Found::out(json!({"question": hex(question), "answer": hex(answer)}))
}

pub(crate) fn safety(i: Given<'_>) -> Found {
    let (user, other) = (i.array("user"), i.array("other_user"));
    let (user, other) = (UserId::from_bytes(user), UserId::from_bytes(other));
    let number = safety_number(&user, &other);
    assert_eq!(number, safety_number(&other, &user));
    // A user's own half stands twice in the number they would have with themselves.
    let half = |user: &UserId| safety_number(user, user).replace(' ', "")[..30].to_owned();
    Found {
        mid: json!({"halves_text": [half(&user), half(&other)]}),
        out: json!({"number_text": number}),
    }
}

pub(crate) fn keystore(i: Given<'_>) -> Found {
    let secrets = Secrets {
        entropy: i.optional("entropy").map(Zeroizing::new),
        device: device_keys(i),
        cert: certificate(i),
        list: DeviceList::verify(&i.bytes("device_list")).expect("a list"),
        name: i.text("profile_name_text").to_owned(),
    };
    let password = i.has("password_text").then(|| i.text("password_text"));
    let node_key = i.optional("node_key_file");

    let mut random = vec![i.bytes("data_key")];
    let params = password.map(|password| {
        random.extend([i.bytes("password_salt"), i.bytes("password_nonce")]);
        let (memory_kib, passes, lanes) = (i.int("memory"), i.int("passes"), i.int("lanes"));
        let params = Argon2Params {
            memory_kib,
            passes,
            lanes,
        };
        (password, params)
    });
    if node_key.is_some() {
        random.push(i.bytes("node_nonce"));
    }
    random.push(i.bytes("secrets_nonce"));
    let mut script = Script::new(random.iter().map(Vec::as_slice));
    let (file, key) = Keystore::create(&mut script, &secrets, params, node_key.as_ref()).unwrap();
    script.end();

    let ways = [password.map(Unlock::Password), node_key.as_ref().map(Unlock::NodeKey)];
    for way in ways.into_iter().flatten() {
        let (found, again) = Keystore::unlock(&file, way).unwrap();
        assert_eq!(*again.subkey("database"), *key.subkey("database"));
        assert_eq!(found.entropy.as_deref(), secrets.entropy.as_deref());
        assert_eq!(found.device.id(), secrets.device.id());
        assert_eq!(
            (&found.cert, &found.list, &found.name),
            (&secrets.cert, &secrets.list, &secrets.name)
        );
    }
    Found {
        mid: json!({"database_key": hex(key.subkey("database")), "search_key": hex(key.subkey("search"))}),
        out: json!({"file": hex(file)}),
    }
}
