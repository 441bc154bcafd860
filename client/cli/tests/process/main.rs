//! `sealsum` as a process: what it writes, says and exits with, where no parent is needed.

mod documents;
mod mistakes;
mod registry;

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder in which `sealsum` runs.
struct Desk {
    folder: TempDir,
}

/// What a run said.
struct Said {
    exit: i32,
    json: Value,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs a command line of words without spaces, for people.
    fn run(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_sealsum"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    /// The same, for scripts.
    fn say(&self, line: &str) -> Said {
        let output = self.run(&format!("{line} --json"));
        let stdout = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(&stdout);
        Said {
            exit: output.status.code().unwrap(),
            json: json.unwrap_or_else(|_| panic!("{line}: {stdout}")),
        }
    }

    fn ok(&self, line: &str) -> Value {
        let said = self.say(line);
        assert_eq!(said.exit, 0, "{line}: {}", said.json);
        said.json
    }

    /// Code and detail of a command that failed with this exit code.
    fn fails(&self, line: &str, exit: i32) -> (String, String) {
        let said = self.say(line);
        assert_eq!(said.exit, exit, "{line}: {}", said.json);
        let text = |name: &str| said.json["error"][name].as_str().unwrap().to_owned();
        (text("code"), text("detail"))
    }
}
