//! `cargo xtask dev`: up twice, down twice, and a contribution in between.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn dev(words: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("dev")
        .args(words)
        .arg("--dir")
        .arg(folder)
        .output()
        .unwrap()
}

fn json(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said} {complaint}");
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said:?} {complaint}"))
}

fn up(folder: &Path) -> Value {
    json(&dev(&["up", "--listen", "127.0.0.1:0", "--json"], folder))
}

fn down(folder: &Path) -> Value {
    json(&dev(&["down", "--json"], folder))
}

/// Takes everything down even if the test fails half way.
struct Down<'a>(&'a Path);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        dev(&["down"], self.0);
    }
}

fn sealsum(up: &Value, words: &[&str]) -> Value {
    let program = Path::new(up["programs"].as_str().unwrap()).join("sealsum");
    json(
        &Command::new(program)
            .args(words)
            .arg("--json")
            .output()
            .unwrap(),
    )
}

fn runs(pid: &Value) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// 20 zeros as numpy writes them.
fn npy(path: &Path) -> &str {
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (20,), }";
    bytes.extend(format!("{header:<117}\n").as_bytes());
    bytes.extend([0; 80]);
    std::fs::write(path, bytes).unwrap();
    path.to_str().unwrap()
}

#[test]
fn what_is_up_takes_a_contribution_stays_up_and_goes_down_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _down = Down(folder);
    let first = up(folder);
    assert_eq!(first["started"], true);
    assert!(runs(&first["parent_pid"]) && runs(&first["enclave_pid"]));

    let text = |field: &str| first[field].as_str().unwrap().to_owned();
    let (parent, base) = (text("parent"), folder.join("base.npy"));
    let base = npy(&base);
    let open = [
        "round",
        "open",
        "--parent",
        &parent,
        "--operator",
        &text("operator"),
        "--task",
        &text("task"),
        "--round-number",
        "1",
        "--base-model",
        base,
        "--clip",
        "1",
        "--fractional-bits",
        "16",
        "--min-cohort",
        "3",
        "--max-cohort",
        "10",
    ];
    let round = sealsum(&first, &open)["round_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let contribute = [
        "contribute",
        "--parent",
        &parent,
        "--identity",
        &text("identity"),
        "--policy",
        &text("policy"),
        "--task",
        "dev",
        "--base-model",
        base,
        "--update",
        base,
        "--mock",
    ];
    let contributed = sealsum(&first, &contribute);
    assert_eq!(contributed["round_id"], round.as_str());
    assert_eq!(contributed["client_id"], first["client_id"]);

    let mut again = up(folder);
    assert_eq!(again["started"], false);
    again["started"] = true.into();
    assert_eq!(again, first, "nothing was started or made anew");

    let ends = down(folder);
    assert_eq!(ends["parent"], "stopped");
    assert_eq!(ends["enclave"], "stopped");
    assert!(!runs(&first["parent_pid"]) && !runs(&first["enclave_pid"]));
    assert_eq!(down(folder), serde_json::json!({}), "nothing was left");

    // Keys and rounds are still there; the round was aborted by proof.
    let second = up(folder);
    assert_eq!(second["client_id"], first["client_id"]);
    assert_eq!(second["operator_key"], first["operator_key"]);
    let parent = second["parent"].as_str().unwrap();
    let status = sealsum(&second, &["round", "status", "--parent", parent, &round]);
    assert_eq!(status["phase"], "aborted");
}

#[test]
fn a_taken_port_is_named_with_the_reason_and_nothing_is_left_running() {
    let folder = tempfile::tempdir().unwrap();
    let _down = Down(folder.path());
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let refused = dev(&["up", "--listen", &taken, "--json"], folder.path());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(refused.stdout.is_empty());
    assert!(said.contains(&taken), "{said}");
    assert!(said.contains("in use"), "{said}");
    assert!(said.contains("--listen"), "{said}");
    assert!(!folder.path().join("enclave.log").exists());
}

#[test]
fn half_of_it_gone_is_started_whole_and_nobody_else_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _down = Down(folder);
    let first = up(folder);
    let pid = first["parent_pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-9", &pid])
            .status()
            .unwrap()
            .success()
    );
    let second = up(folder);
    assert_eq!(second["started"], true);
    assert_ne!(second["parent_pid"], first["parent_pid"]);
    assert!(
        !runs(&first["enclave_pid"]),
        "no enclave is left without its parent"
    );

    // A record whose number is another process's by now: this test's own.
    let record = folder.join("running.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let ours = format!("\"pid\": {}", std::process::id());
    let stale = text.replace(&format!("\"pid\": {}", second["parent_pid"]), &ours);
    assert_ne!(stale, text);
    std::fs::write(&record, stale).unwrap();
    let ends = down(folder);
    assert_eq!(
        (&ends["parent"], &ends["enclave"]),
        (&"gone".into(), &"stopped".into())
    );
    // It is still there; the parent that the record lost is this test's to end.
    assert!(runs(&second["parent_pid"]));
    let pid = second["parent_pid"].to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
}
