use crate::{ROOT_FILE, RootAuthority};

use super::*;

const NOW_MS: u64 = 1_767_472_867_402;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn error(outcome: Result<RootAuthority, RootError>) -> RootError {
    outcome.err().expect("must be refused")
}

#[test]
fn a_root_survives_a_restart() {
    let dir = folder();
    let first = RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let second = RootAuthority::load_or_create(dir.path(), NOW_MS + 1_000_000).unwrap();
    assert_eq!(first.root_der(), second.root_der());
    assert_eq!(first.root_pem(), second.root_pem());
}

#[test]
fn what_a_loaded_root_issues_holds_under_the_saved_one() {
    let dir = folder();
    let saved = RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let loaded = RootAuthority::load(dir.path()).unwrap();
    let module = crate::ModuleId::generate(NOW_MS).unwrap();
    let notary = crate::Notary::new(&loaded, &module, NOW_MS).unwrap();
    let certificates = notary.certificates();
    assert_eq!(certificates.cabundle[0], saved.root_der());
    assert_eq!(
        crate::reading::chain_holds(&certificates, saved.root_der(), NOW_MS),
        Ok(())
    );
}

#[test]
fn the_folder_holds_one_private_file_and_nothing_else() {
    let parent = folder();
    let dir = parent.path().join("made/on/the/way");
    RootAuthority::load_or_create(&dir, NOW_MS).unwrap();
    let names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [ROOT_FILE]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.join(ROOT_FILE)), 0o600);
    assert_eq!(mode(&dir), 0o700);
}

#[test]
fn the_pem_that_policies_pin_is_the_certificate_alone() {
    let root = RootAuthority::generate(NOW_MS).unwrap();
    let text = root.root_pem();
    let blocks = pem::parse_many(&text).unwrap();
    assert_eq!(blocks.len(), 1);
    assert_eq!(blocks[0].tag(), "CERTIFICATE");
    assert_eq!(blocks[0].contents(), root.root_der());
}

#[test]
fn a_root_is_never_overwritten() {
    let dir = folder();
    let first = RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let second = RootAuthority::generate(NOW_MS).unwrap();
    assert!(matches!(
        second.save(dir.path()),
        Err(RootError::Occupied { .. })
    ));
    assert_eq!(
        RootAuthority::load(dir.path()).unwrap().root_der(),
        first.root_der()
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn starts_at_the_same_time_agree_on_one_root() {
    let dir = folder();
    let start = || {
        RootAuthority::load_or_create(dir.path(), NOW_MS)
            .unwrap()
            .root_pem()
    };
    let roots: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(roots.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_folder_without_a_root_is_said_to_have_none() {
    let dir = folder();
    assert!(matches!(
        error(RootAuthority::load(dir.path())),
        RootError::Missing { .. }
    ));
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let dir = folder();
    RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let path = dir.path().join(ROOT_FILE);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = error(RootAuthority::load_or_create(dir.path(), NOW_MS));
        assert!(matches!(refused, RootError::Exposed { found, .. } if found == mode));
    }
}

#[test]
fn a_damaged_file_is_refused_and_kept() {
    let dir = folder();
    RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let path = dir.path().join(ROOT_FILE);
    let sound = fs::read_to_string(&path).unwrap();
    for text in [
        String::new(),
        "hello".to_owned(),
        sound
            .split_inclusive("-----END PRIVATE KEY-----\n")
            .next()
            .unwrap()
            .to_owned(),
        sound[..sound.len() / 4].to_owned(),
        sound.replace("PRIVATE KEY", "SECRET KEY"),
        format!("{sound}{sound}"),
    ] {
        fs::write(&path, &text).unwrap();
        let refused = error(RootAuthority::load_or_create(dir.path(), NOW_MS));
        assert!(matches!(refused, RootError::Malformed { .. }), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let (a, b) = (folder(), folder());
    RootAuthority::load_or_create(a.path(), NOW_MS).unwrap();
    let other = RootAuthority::load_or_create(b.path(), NOW_MS).unwrap();
    let path = a.path().join(ROOT_FILE);
    let mine = fs::read_to_string(&path).unwrap();
    let key = mine
        .split_inclusive("-----END PRIVATE KEY-----\n")
        .next()
        .unwrap();
    fs::write(&path, format!("{key}{}", other.root_pem())).unwrap();
    assert!(matches!(
        error(RootAuthority::load(a.path())),
        RootError::Foreign { .. }
    ));
}

#[test]
fn no_error_shows_the_key() {
    let dir = folder();
    RootAuthority::load_or_create(dir.path(), NOW_MS).unwrap();
    let path = dir.path().join(ROOT_FILE);
    let sound = fs::read_to_string(&path).unwrap();
    let secret = sound.lines().nth(1).unwrap().to_owned();
    fs::write(&path, sound.replace("CERTIFICATE", "SOMETHING")).unwrap();
    let refused = error(RootAuthority::load(dir.path()));
    assert!(!format!("{refused} {refused:?}").contains(&secret));
}
