//! The parent as its operator starts it: what it says, and with which exit code, when it
//! can't use what it was given.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

fn start(listen: &str, data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args(["--listen", listen, "--enclave", "tcp:127.0.0.1:1", "--data"])
        .arg(data)
        .output()
        .unwrap()
}

/// Its last words, which have to be one sentence and say no cause twice.
fn last_words(ended: &Output) -> String {
    let said = String::from_utf8(ended.stderr.clone()).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(ended.stdout.is_empty(), "nothing listens: {said}");
    let [sentence] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("more than one line: {said}");
    };
    assert_eq!(sentence.matches("os error").count(), 1, "{said}");
    sentence.to_owned()
}

#[test]
fn a_taken_port_is_named_once_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let said = last_words(&start(&address, folder.path()));
    assert!(said.contains(&address), "{said}");
    assert!(
        said.contains("another address: clients.listen (--listen)"),
        "{said}"
    );
}

#[test]
fn a_data_folder_that_can_not_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes");
    std::fs::write(&file, "mine").unwrap();
    let said = last_words(&start("127.0.0.1:0", &file));
    assert!(said.contains("--data"), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
}

#[test]
fn a_data_folder_that_can_not_be_written_is_named() {
    // Not even the superuser makes folders there.
    let said = last_words(&start("127.0.0.1:0", Path::new("/proc/sealsum")));
    assert!(said.contains("--data"), "{said}");
    assert!(said.contains("/proc/sealsum"), "{said}");
}

#[test]
fn an_operator_key_that_is_none_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args(["--enclave", "tcp:127.0.0.1:1", "--operator-key", "12ab"])
        .arg("--data")
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("--operator-key"), "{said}");
}
