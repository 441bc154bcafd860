//! The parent as its operator starts it: what it says, and with which exit code, when it
//! can't use what it was given.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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

/// The stage: a shell that lets everybody read what it makes, and a low limit on open files.
#[test]
fn what_is_kept_is_the_operator_s_alone_and_files_may_be_open_up_to_the_hard_limit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kept");
    let mut parent = Command::new("sh")
        .args(["-c", "umask 000; ulimit -Sn 200; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args([
            "--listen",
            "127.0.0.1:0",
            "--enclave",
            "tcp:127.0.0.1:1",
            "--data",
        ])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stdout = BufReader::new(parent.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", parent.id()));
    let modes: Vec<_> = ["", "rounds", "temporary", "rounds.db", "rounds.db-wal"]
        .map(|name| fs::metadata(data.join(name)).unwrap().mode() & 0o777)
        .map(|mode| format!("{mode:o}"))
        .into();
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(said.contains("127.0.0.1"), "it started: {said}");
    assert_eq!(modes, ["700", "700", "700", "600", "600"]);
    let limits = limits.unwrap();
    let files = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let values: Vec<_> = files.unwrap().split_whitespace().skip(3).collect();
    assert_eq!(values[0], values[1], "soft and hard: {values:?}");
    assert_ne!(values[0], "200");
}
