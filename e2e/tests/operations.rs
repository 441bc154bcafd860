//! docs/OPERATIONS.md, typed as it stands: a parent is set up, started, looked at and used with the
//! very lines that the page shows, at ports that are free here.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sealsum_e2e::program;
use serde_json::Value;

struct Page {
    text: String,
    folder: tempfile::TempDir,
    started: Vec<Child>,
}

impl Page {
    fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
        let mut text = fs::read_to_string(path).unwrap();
        // Held together, so that they differ.
        let free = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        for (port, listener) in ["5005", "8480", "8481"].iter().zip(&free) {
            let free = listener.local_addr().unwrap().port().to_string();
            text = text.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:{free}"));
        }
        Self {
            text,
            folder: tempfile::tempdir().unwrap(),
            started: vec![],
        }
    }

    /// The lines behind `<!-- run: name -->`.
    fn block(&self, name: &str) -> &str {
        let marker = format!("<!-- run: {name} -->\n```sh\n");
        let (_, rest) = self.text.split_once(&marker).expect("no such block");
        rest.split_once("```\n").unwrap().0
    }

    fn command(&self, line: &str) -> Command {
        let programs = program("sealsum").parent().unwrap().to_owned();
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", line])
            .current_dir(self.folder.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .stdin(Stdio::null());
        command
    }

    /// Runs a block to its end; gives what it said.
    fn run(&self, name: &str) -> String {
        let ended = self.command(self.block(name)).output().unwrap();
        let (said, complained) = (
            String::from_utf8(ended.stdout).unwrap(),
            String::from_utf8(ended.stderr).unwrap(),
        );
        assert!(ended.status.success(), "{name}: {said}{complained}");
        said
    }

    /// The check before a start knows what the one that runs has.
    fn a_second_start_would_fail(&self) {
        let mut check = self.command("sealsum-parent config check sealsum-parent.toml --json");
        let ended = check.output().unwrap();
        assert_eq!(ended.status.code(), Some(2));
        let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
        let points = json["points"].as_array().unwrap().iter();
        let failed: Vec<_> = points.filter(|it| it["ok"] == false).collect();
        let settings: Vec<_> = failed.iter().map(|it| it["setting"].as_str()).collect();
        let held = ["clients.listen", "operator.listen", "storage.folder"];
        assert_eq!(settings, held.map(Some), "{json}");
    }

    /// Starts each line of a block, and waits until it says that it is ready.
    fn start(&mut self, name: &str) {
        let lines: Vec<String> = self.block(name).lines().map(str::to_owned).collect();
        for line in lines {
            let line = line.strip_suffix(" &").expect("a line that runs on");
            let mut command = self.command(&format!("exec {line}"));
            let log = fs::File::create(self.folder.path().join("log")).unwrap();
            let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            let mut ready = String::new();
            let out = child.stdout.take().unwrap();
            BufReader::new(out).read_line(&mut ready).unwrap();
            self.started.push(child);
            assert!(ready.contains("listening"), "{line}: {ready}");
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn the_page_sets_up_a_parent_that_serves() {
    let mut page = Page::open();
    assert_eq!(
        page.run("set up").lines().last(),
        Some("sealsum-parent.toml can be used")
    );
    page.start("start");
    // It has asked the enclave within seconds.
    let looked = (0..100).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let looked = page.run("look");
        looked.contains("\"ready\":true").then_some(looked)
    });
    let looked = looked.expect("the parent did not become ready");
    assert!(
        looked.contains("sealsum_parent_enclave_reachable 1"),
        "{looked}"
    );
    alerts_are_of(&looked);
    let said = page.run("settings");
    let of_the_file = said.lines().any(|line| {
        line.starts_with("limits.requests_per_second_per_address = 500 ")
            && line.contains("# sealsum-parent.toml:")
    });
    assert!(of_the_file, "{said}");
    assert_eq!(said.lines().last(), Some("sealsum-parent.toml can be used"));
    page.a_second_start_would_fail();
    let said = page.run("round");
    assert!(said.contains("collecting"), "{said}");
    assert!(
        said.contains("wards round 2: opens after the one before"),
        "{said}"
    );
    let token = fs::read_to_string(page.folder.path().join("night-job.token")).unwrap();
    let log = fs::read_to_string(page.folder.path().join("log")).unwrap();
    assert!(!log.contains(token.trim()));
    // JSON, since no terminal is there.
    for line in log.lines() {
        let _: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
    }
}

/// Every series that an alert is of, among a parent's.
fn alerts_are_of(counts: &str) {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let alerts = fs::read_to_string(deploy.join("alerts.yml")).unwrap();
    let words = alerts.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let mut named = 0;
    for series in words.filter(|word| word.starts_with("sealsum_parent_")) {
        named += 1;
        let family = series.trim_end_matches("_total");
        assert!(counts.contains(&format!("# TYPE {family} ")), "no {series}");
    }
    assert!(named >= 8, "{named}");
    let page = fs::read_to_string(deploy.join("../docs/OPERATIONS.md")).unwrap();
    let alerts = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    for alert in alerts {
        assert!(
            page.contains(&format!("`{alert}`")),
            "{alert} is not in OPERATIONS.md"
        );
    }
}

#[test]
fn the_unit_starts_what_there_is() {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    let unit = fs::read_to_string(deploy.join("sealsum-parent.service")).unwrap();
    for line in unit.lines().filter(|line| line.starts_with("Exec")) {
        let (_, command) = line.split_once("/usr/local/bin/").unwrap();
        let mut words = command.split_whitespace();
        let help = Command::new(program(words.next().unwrap()))
            .args(words.filter(|word| !word.starts_with('/') && *word != "--config"))
            .arg("--help")
            .output()
            .unwrap();
        assert!(help.status.success(), "{line}");
    }
}

#[test]
fn the_page_packs_completions_and_manual_pages() {
    let page = Page::open();
    page.run("package");
    let share = page.folder.path().join("share");
    for path in [
        "man/man1/sealsum-parent-config-check.1",
        "man/man1/sealsum-contribute.1",
        "man/man1/sealsum-attest.1",
        "bash-completion/completions/sealsum-parent",
        "zsh/site-functions/_sealsum-parent",
        "fish/vendor_completions.d/sealsum-parent.fish",
    ] {
        let written = fs::metadata(share.join(path));
        assert!(written.is_ok_and(|it| it.len() > 500), "{path}");
    }
}
