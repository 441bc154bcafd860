//! `sealsum registry`: a registry kept by hand, and an authority that vouches for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::Desk;

/// A desk with a registry of two identities, and their ids.
fn kept() -> (Desk, [String; 2]) {
    let desk = Desk::new();
    let ids = ["a", "b"].map(|name| {
        let made = desk.ok(&format!("identity new {name}"));
        made["client_id"].as_str().unwrap().to_owned()
    });
    desk.ok("registry new sites.txt --identity a");
    desk.ok(&format!("registry add sites.txt --key {}", ids[1]));
    (desk, ids)
}

#[test]
fn a_registry_is_kept_by_hand() {
    let (desk, ids) = kept();
    let shown = desk.ok("registry show sites.txt");
    assert_eq!(shown["size"], 2);
    let keys = shown["keys"].as_array().unwrap();
    assert!(ids.iter().all(|id| keys.iter().any(|key| key == id)));
    assert_eq!(desk.ok("registry root sites.txt")["root"], shown["root"]);

    let removed = desk.ok("registry remove sites.txt --identity b");
    assert_eq!(removed["size"], 1);
    assert_ne!(removed["root"], shown["root"]);
    // The root is of the keys, not of how they came to be there.
    let again = desk.ok(&format!("registry add sites.txt --key {}", ids[1]));
    assert_eq!(again["root"], shown["root"]);
}

#[test]
fn what_can_not_be_done_to_a_registry_leaves_it_as_it_was() {
    let (desk, ids) = kept();
    let before = desk.read("sites.txt");
    desk.ok("identity new c");
    for (line, code) in [
        ("registry new sites.txt", "exists"),
        ("registry add sites.txt", "usage"),
        // The first would be new, the second is there already: neither is written.
        (
            "registry add sites.txt --identity c --identity a",
            "in_registry",
        ),
        (
            "registry remove sites.txt --identity a --identity c",
            "not_in_registry",
        ),
        ("registry add sites.txt --key 12ab", "usage"),
    ] {
        assert_eq!(desk.fails(line, 2).0, code, "{line}");
        assert_eq!(desk.read("sites.txt"), before, "{line}");
    }
    // No point of the curve, under which nobody could ever sign.
    let zeros = format!("registry add sites.txt --key {}", "00".repeat(32));
    assert_eq!(desk.fails(&zeros, 2).0, "registry_file");
    assert!(before.contains(&ids[0]));
}

#[test]
fn a_file_that_is_no_registry_is_refused_with_its_line() {
    let (desk, ids) = kept();
    desk.write("twice.txt", format!("{0}\n# again\n{0}\n", ids[0]));
    desk.write("words.txt", "hospital-a\n");
    for (file, words) in [("twice.txt", "3"), ("words.txt", "1")] {
        let (code, detail) = desk.fails(&format!("registry show {file}"), 2);
        assert_eq!(code, "registry_file");
        assert!(detail.contains(words), "{detail}");
    }
    assert_eq!(
        desk.fails("registry show missing.txt", 2).0,
        "registry_file"
    );
    assert_eq!(
        desk.fails("registry root a/identity.key", 2).0,
        "registry_file"
    );
}

#[test]
fn an_authority_vouches_for_a_registry_as_it_is() {
    let (desk, _) = kept();
    let made = desk.ok("registry authority new authority.key");
    let shown = desk.ok("registry authority show authority.key");
    assert_eq!(made["authority_key"], shown["authority_key"]);
    let grant = "registry grant --authority authority.key --registry sites.txt --task wards";
    let line = format!("{grant} --epoch 3 --not-after 2100-01-31T00:00:00Z --out sites.grant");
    let granted = desk.ok(&line);
    assert_eq!(granted["authority_key"], made["authority_key"]);
    assert_eq!(granted["root"], desk.ok("registry root sites.txt")["root"]);
    assert_eq!(
        (&granted["epoch"], &granted["size"]),
        (&3.into(), &2.into())
    );
    assert_eq!(granted["not_after"], 4_105_036_800_000_u64);
    assert_eq!(desk.fails(&line, 2).0, "exists");
    for (flags, words) in [
        ("--epoch 3 --not-after 2001-01-31T00:00:00Z", "in the past"),
        ("--epoch 3 --not-after soon", "a number of days"),
        ("--epoch three --not-after 9", "invalid digit"),
    ] {
        let (code, detail) = desk.fails(&format!("{grant} {flags} --out other.grant"), 2);
        assert!(code == "usage" && detail.contains(words), "{detail}");
        assert!(!desk.path("other.grant").exists());
    }
}

#[test]
fn a_key_that_others_can_read_vouches_for_nothing() {
    let (desk, _) = kept();
    desk.ok("registry authority new authority.key");
    let key = desk.path("authority.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let grant = "registry grant --authority authority.key --registry sites.txt --task wards --epoch 1 --not-after 9 --out sites.grant";
    for line in ["registry authority show authority.key", grant] {
        let (code, detail) = desk.fails(line, 2);
        assert_eq!(code, "key_readable");
        assert!(detail.contains("mode 644"), "{detail}");
    }
    assert!(!desk.path("sites.grant").exists());
    // Another kind of key is none.
    desk.ok("operator new operator.key");
    let (code, detail) = desk.fails("registry authority show operator.key", 2);
    assert!(
        code == "key_file" && detail.contains("sealsum-authority"),
        "{detail}"
    );
}
