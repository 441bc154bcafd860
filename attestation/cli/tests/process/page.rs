//! The walk of `docs/ATTESTATION.md`: its commands work in their order, and say what it says.

use std::path::Path;

use crate::desk::{Desk, testdata};

#[test]
fn the_pages_commands_work_in_their_order_and_say_what_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ATTESTATION.md");
    let page = std::fs::read_to_string(page).unwrap();
    // An auditor begins at the repository's root, with an image and its build's record.
    let desk = Desk::furnished();
    for made in ["document.cbor", "policy.toml"] {
        std::fs::remove_file(desk.path(made)).unwrap();
    }
    std::fs::create_dir(desk.path("attestation")).unwrap();
    std::os::unix::fs::symlink(testdata(), desk.path("attestation/testdata")).unwrap();

    let mut run = 0;
    let mut said = String::new();
    for block in page.split("```").skip(1).step_by(2) {
        if let Some(commands) = block.strip_prefix("sh\n") {
            let output = desk.shell(&format!("set -e\n{commands}"));
            said = String::from_utf8(output.stdout).unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{commands}{said}{errors}");
            assert_eq!(errors, "", "{commands}");
            run += 1;
        } else if let Some(expected) = block.strip_prefix("text\n") {
            assert_eq!(said, expected);
        }
    }
    assert_eq!(run, 6, "blocks of commands");
    assert!(said.contains("wrong-pcr"), "{said}");
}
