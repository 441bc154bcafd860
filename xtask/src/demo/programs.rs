//! The programs as a user runs them, each step a process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::workspace;

/// Where the built programs are.
pub(crate) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them in release, or finds that they are.
    pub(crate) fn build() -> Result<Self> {
        Self::build_in("release")
    }

    /// Builds them in a profile, `dev` or `release`. Cargo says on standard error what it
    /// is at: the first time takes minutes.
    pub(crate) fn build_in(profile: &str) -> Result<Self> {
        let mut build = workspace::cargo();
        build.args(["build", "--profile", profile, "--locked"]);
        build.args([
            "-p",
            "sealsum",
            "-p",
            "sealsum-parent",
            "-p",
            "sealsum-mock-enclave",
        ]);
        let status = build.status().context("cargo build did not start")?;
        ensure!(status.success(), "the programs do not build");
        Ok(Self {
            folder: workspace::target_dir()?.join(match profile {
                "dev" => "debug",
                other => other,
            }),
        })
    }

    /// Takes those that lie in a folder.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// Runs `sealsum` with these arguments and `--json`.
    pub(crate) fn sealsum(&self, arguments: &Arguments) -> Result<Answer> {
        let mut command = Command::new(self.path("sealsum"));
        command.args(&arguments.0).arg("--json");
        let output = command
            .output()
            .with_context(|| format!("{command:?} did not start"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let json = serde_json::from_str(text.trim()).with_context(|| {
            format!(
                "{command:?} wrote no JSON: {text:?}, {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })?;
        Ok(Answer {
            code: output.status.code().unwrap_or(-1),
            json,
            asked: arguments.0.join(" "),
        })
    }

    /// Runs `sealsum`, which has to succeed.
    pub(crate) fn done(&self, arguments: &Arguments) -> Result<Value> {
        let answer = self.sealsum(arguments)?;
        match answer.code {
            0 => Ok(answer.json),
            _ => bail!("sealsum {}: {}", answer.asked, answer.reason()),
        }
    }
}

/// What `sealsum` said.
pub(crate) struct Answer {
    /// 0 ok, 1 refused, 2 usage, 3 try again.
    pub(crate) code: i32,
    pub(crate) json: Value,
    asked: String,
}

impl Answer {
    /// Whether it said no, for this very reason.
    pub(crate) fn is_refusal(&self, code: &str) -> bool {
        self.code == 1 && self.error_code() == code
    }

    fn error_code(&self) -> &str {
        self.json["error"]["code"].as_str().unwrap_or_default()
    }

    /// The error in one line, with the exit code.
    pub(crate) fn reason(&self) -> String {
        let detail = self.json["error"]["detail"].as_str().unwrap_or_default();
        format!("exit {}, {}: {detail}", self.code, self.error_code())
    }
}

/// A command line in the making.
#[derive(Clone)]
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    /// Begins with words, such as `round open`.
    pub(crate) fn new(words: &str) -> Self {
        Self(words.split(' ').map(str::to_owned).collect())
    }

    /// As the program is given it.
    pub(crate) fn words(&self) -> &[String] {
        &self.0
    }

    /// Adds an argument or a flag.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.0.push(word.to_owned());
        self
    }

    /// Adds an argument that is a path.
    pub(crate) fn file(self, path: &Path) -> Self {
        self.word(&path.display().to_string())
    }

    /// Adds an option with its value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "so that numbers and texts are passed alike"
    )]
    pub(crate) fn option(self, name: &str, value: impl ToString) -> Self {
        self.word(name).word(&value.to_string())
    }

    /// Adds an option whose value is a path.
    pub(crate) fn path(self, name: &str, value: &Path) -> Self {
        self.word(name).file(value)
    }
}

/// Does `work` for each of `items`, a few at a time, and returns the results in order.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get() * 2);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(place) else { break };
                    let result = work(item);
                    if let Ok(mut done) = done.lock() {
                        done.push((place, result));
                    }
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(place, _)| *place);
    ensure!(done.len() == items.len(), "a step of the demo panicked");
    done.into_iter().map(|(_, result)| result).collect()
}
