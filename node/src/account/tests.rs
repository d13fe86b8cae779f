use super::*;
use crate::renewal::renew_running;

#[test]
fn folder_names_are_plain_whatever_the_profile_name_is() {
    for (name, folder) in [
        ("Alice", "alice"),
        ("../../etc", "etc"),
        ("Ünï ✨ x", "n-x"),
        ("✨", "account"),
        ("a b", "a-b"),
    ] {
        assert_eq!(folder_name(name), folder);
    }
}

#[test]
fn the_words_restore_the_identity_and_its_new_list_takes_the_place_of_the_old_one() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (DataDir::new(first.path()), DataDir::new(second.path()));
    let made = create_account(&first, &NewAccount::named("ada"), 1_000).unwrap();
    let again = NewAccount {
        words: made.phrase,
        ..NewAccount::named("ada")
    };
    let restored = create_account(&second, &again, 2_000).unwrap();
    assert_eq!(restored.user, made.user);
    assert!(restored.phrase.is_none());
    let (old, _) = unlock_account(&first, "ada", None, 2_000).unwrap();
    let (new, _) = unlock_account(&second, "ada", None, 2_000).unwrap();
    assert_ne!(old.certificate.device(), new.certificate.device());
    assert_eq!(old.list.check_successor(&new.list), Ok(()));
}

#[test]
fn a_certificate_is_renewed_in_time_and_only_once() {
    const DAY: u64 = 24 * 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path());
    create_account(&data, &NewAccount::named("ada"), 0).unwrap();
    let (first, _) = unlock_account(&data, "ada", None, 180 * DAY).unwrap();
    let (second, key) = unlock_account(&data, "ada", None, 190 * DAY).unwrap();
    assert_eq!(first.certificate.serial(), 1);
    assert_eq!(second.certificate.serial(), 2);
    assert_eq!(second.certificate.device(), first.certificate.device());
    assert_eq!(second.certificate.expires(), (190 + 365) * DAY);
    assert_eq!(first.list.check_successor(&second.list), Ok(()));
    let (third, _) = unlock_account(&data, "ada", None, 191 * DAY).unwrap();
    assert_eq!(third.list.hash(), second.list.hash(), "the new one was written");
    let (_, same) = renew_running(&data.keystore("ada"), &key, 192 * DAY).unwrap();
    assert_eq!(same.hash(), second.list.hash(), "it is not time");
    let (renewed, _) = renew_running(&data.keystore("ada"), &key, 400 * DAY).unwrap();
    assert_eq!(renewed.serial(), 3);
}

#[test]
fn a_certificate_that_cannot_be_written_does_not_count() {
    const LATE: u64 = 300 * 24 * 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path());
    create_account(&data, &NewAccount::named("ada"), 0).unwrap();
    // A folder is where the new file has to go first.
    fs::create_dir(data.keystore("ada").with_extension("new")).unwrap();
    let (account, _) = unlock_account(&data, "ada", None, LATE).unwrap();
    assert_eq!((account.certificate.serial(), account.list.version()), (1, 1));
}

#[test]
fn what_cannot_be_made_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataDir::new(parent.path().join("data"));
    let words = |text: &str| Some(Zeroizing::new(text.to_owned()));
    let ada = || NewAccount::named("ada");
    for new in [
        NewAccount::named(" "),
        NewAccount::named("a\nb"),
        NewAccount::named("a".repeat(65)),
        NewAccount {
            account: Some(" ".into()),
            ..ada()
        },
        NewAccount {
            password: words(""),
            ..ada()
        },
        NewAccount {
            require_password: true,
            ..ada()
        },
        NewAccount {
            words: words("abandon ability"),
            ..ada()
        },
        NewAccount {
            words: words(&"abandon ".repeat(24)),
            ..ada()
        },
    ] {
        assert!(create_account(&data, &new, 0).is_err(), "{new:?}");
        assert!(!data.root().exists(), "{new:?}");
    }
}
