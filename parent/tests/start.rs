//! The parent as its operator starts it: what it says, and with which exit code, when it
//! can't use what it was given.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// What it says when it listens; nothing if it ended instead.
fn first_line(parent: &mut Child) -> String {
    let mut said = String::new();
    let mut stdout = BufReader::new(parent.stdout.take().unwrap());
    stdout.read_line(&mut said).unwrap();
    said
}

/// At a free port, without an enclave, for the folder that follows.
const ALONE: [&str; 5] = [
    "--listen",
    "127.0.0.1:0",
    "--enclave",
    "tcp:127.0.0.1:1",
    "--data",
];

fn start(listen: &str, data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args(["--listen", listen, "--enclave", "tcp:127.0.0.1:1", "--data"])
        .arg(data)
        .output()
        .unwrap()
}

/// Its last words, which have to be one sentence and say no cause twice.
fn last_words(ended: &Output) -> String {
    sentence(ended, 2)
}

fn sentence(ended: &Output, code: i32) -> String {
    let said = String::from_utf8(ended.stderr.clone()).unwrap();
    assert_eq!(ended.status.code(), Some(code), "{said}");
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
    // It may be free the next time, so a service manager tries again.
    let said = sentence(&start(&address, folder.path()), 1);
    assert!(said.contains(&address), "{said}");
    assert!(
        said.contains("another address: clients.listen (--listen)"),
        "{said}"
    );
}

#[test]
fn a_folder_that_another_parent_holds_may_be_free_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let lock = fs::File::create(folder.path().join("lock")).unwrap();
    lock.try_lock().unwrap();
    let ended = start("127.0.0.1:0", folder.path());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("another parent uses"), "{said}");
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

/// Whoever collects the log may be gone, or its disk full: the parent serves, and ends, as ever.
#[test]
fn a_log_that_nobody_takes_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args(ALONE)
        .arg(folder.path().join("kept"))
        .stdout(Stdio::piped())
        .stderr(full)
        .spawn()
        .unwrap();
    let said = first_line(&mut parent);
    let ready: serde_json::Value = serde_json::from_str(&said).expect("it started");
    let address = ready["listening"]
        .as_str()
        .unwrap()
        .strip_prefix("http://")
        .unwrap();
    // It logs what an operator asks.
    for _ in 0..2 {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        let request = format!(
            "POST /v1/rounds/{}/close HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            "0".repeat(64)
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    let pid = nix::unistd::Pid::from_raw(parent.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(parent.wait().unwrap().code(), Some(0));
}

/// A backup that the superuser put back: the parent's user can't write where uploads go.
#[test]
fn a_folder_of_uploads_that_is_another_s_is_noticed_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kept");
    fs::create_dir_all(data.join("rounds")).unwrap();
    // The program may be where others can't reach it.
    let program = folder.path().join("sealsum-parent");
    fs::copy(env!("CARGO_BIN_EXE_sealsum-parent"), &program).unwrap();
    // One that starts is to fail this test, not to hold it up.
    let mut command = Command::new("timeout");
    command.arg("10").arg(&program);
    if nix::unistd::geteuid().is_root() {
        for path in [folder.path(), &data] {
            std::os::unix::fs::chown(path, Some(NOBODY), None).unwrap();
        }
        command.uid(NOBODY);
    }
    fs::set_permissions(data.join("rounds"), fs::Permissions::from_mode(0o555)).unwrap();
    command.args(ALONE);
    let ended = command.arg(&data).output().unwrap();
    let said = last_words(&ended);
    assert!(
        said.contains("kept/rounds") && said.contains("ermission denied"),
        "{said}"
    );
    fs::set_permissions(data.join("rounds"), fs::Permissions::from_mode(0o700)).unwrap();
}

const NOBODY: u32 = 65_534;

/// The stage: a shell that lets everybody read what it makes, and a low limit on open files.
#[test]
fn what_is_kept_is_the_operator_s_alone_and_files_may_be_open_up_to_the_hard_limit() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("kept");
    let mut parent = Command::new("sh")
        .args(["-c", "umask 000; ulimit -Sn 200; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_sealsum-parent"))
        .args(ALONE)
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = first_line(&mut parent);
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
