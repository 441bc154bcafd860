//! `dev up`: starts what is not running, makes what is not there, and says where all of
//! it is.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::process::launch;
use super::{Running, Server, StateFolder};
use crate::demo::programs::{Arguments, Programs};

/// What to start, and where.
#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    folder: StateFolder,
    /// Where the parent listens; port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Build in release: slower to build, faster to run.
    #[arg(long)]
    release: bool,
    /// Write the result as JSON to standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<bool> {
    let folder = options.folder.path()?;
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let profile = if options.release { "release" } else { "dev" };
    let programs = Programs::build_in(profile)?;
    let (running, started) = match up_already(&folder)? {
        Some(running) => (running, false),
        None => (start(options, &programs, &folder)?, true),
    };
    let files = Files::in_folder(&folder);
    let operator_key = files.operator_key(&programs)?;
    let client_id = files.client_id(&programs)?;
    files.write_policy(&programs, &operator_key)?;
    let said = json!({
        "started": started,
        "parent": running.parent.listening,
        "enclave": running.enclave.listening,
        "parent_pid": running.parent.process.pid,
        "enclave_pid": running.enclave.process.pid,
        "task": TASK,
        "operator_key": operator_key,
        "operator": files.operator,
        "client_id": client_id,
        "identity": files.identity,
        "policy": files.policy,
        "appraisal_policy": files.appraisal,
        "logs": [folder.join(ENCLAVE_LOG), folder.join(PARENT_LOG)],
        "programs": programs.path(""),
    });
    if options.json {
        println!("{said}");
    } else {
        println!("{}", words(&said));
    }
    Ok(true)
}

/// Both servers, if both run; what is left of half a pair is ended.
fn up_already(folder: &Path) -> Result<Option<Running>> {
    let Some(running) = Running::read(folder)? else {
        return Ok(None);
    };
    if running.enclave.process.runs() && running.parent.process.runs() {
        return Ok(Some(running));
    }
    running.stop(folder)?;
    Ok(None)
}

fn start(options: &Options, programs: &Programs, folder: &Path) -> Result<Running> {
    let listen = options.listen;
    // The parent would say so too, in its log, with an enclave started for nothing.
    TcpListener::bind(listen).with_context(|| {
        format!(
            "the parent can't listen on {listen}: end what does (`cargo xtask dev down` if that \
             is another --dir's), or choose another port with --listen (0 takes a free one)"
        )
    })?;
    let mut mock = Command::new(programs.path("sealsum-mock-enclave"));
    mock.args(["--listen", "tcp:127.0.0.1:0", "--state"])
        .arg(folder.join("enclave"))
        .arg("--write-policy")
        .arg(Files::in_folder(folder).appraisal)
        .arg("--force");
    let enclave = server(mock, &folder.join(ENCLAVE_LOG), options)?;
    let mut parent = Command::new(programs.path("sealsum-parent"));
    parent
        .args(["--listen", &listen.to_string()])
        .args(["--enclave", &enclave.listening, "--data"])
        .arg(folder.join("parent"));
    match server(parent, &folder.join(PARENT_LOG), options) {
        Ok(parent) => {
            let running = Running { enclave, parent };
            running.write(folder)?;
            Ok(running)
        }
        Err(error) => {
            enclave.process.stop()?;
            Err(error)
        }
    }
}

fn server(command: Command, log: &Path, options: &Options) -> Result<Server> {
    let program = Path::new(command.get_program()).to_owned();
    let (process, ready) = launch(command, log)?;
    if !options.json {
        let name = program.file_name().unwrap_or_default();
        println!("{:<22}{ready}", name.display());
    }
    let listening = ready["listening"].as_str();
    Ok(Server {
        process,
        listening: listening
            .with_context(|| format!("{ready} does not say where it listens"))?
            .to_owned(),
    })
}

/// What is made once and kept.
struct Files {
    operator: PathBuf,
    identity: PathBuf,
    policy: PathBuf,
    /// The mock writes it afresh at each start: its measurement changes with each build.
    appraisal: PathBuf,
}

impl Files {
    fn in_folder(folder: &Path) -> Self {
        Self {
            operator: folder.join("operator.key"),
            identity: folder.join("identity"),
            policy: folder.join("policy.toml"),
            appraisal: folder.join("appraisal.toml"),
        }
    }

    fn operator_key(&self, programs: &Programs) -> Result<String> {
        made_or_shown(programs, "operator", &self.operator, "operator_key")
    }

    fn client_id(&self, programs: &Programs) -> Result<String> {
        made_or_shown(programs, "identity", &self.identity, "client_id")
    }

    fn write_policy(&self, programs: &Programs, operator_key: &str) -> Result<()> {
        if self.policy.exists() {
            return Ok(());
        }
        let policy = Arguments::new("policy new")
            .file(&self.policy)
            .path("--appraisal-policy", &self.appraisal)
            .option("--operator-key", operator_key)
            .option("--task", TASK)
            .option("--min-cohort", 3)
            .option("--admission", "open")
            .option("--noise-floor", "none")
            .option("--kem", "x-wing")
            .option("--kem", "x25519")
            .option("--intake", "stream")
            .option("--intake", "presum")
            .option("--rule", "sum")
            .option("--rule", "mean")
            .option("--budget", 1000)
            .option("--consent", OPEN_ADMISSION)
            .word("--mock");
        programs.done(&policy).map(drop)
    }
}

fn made_or_shown(programs: &Programs, kind: &str, path: &Path, field: &str) -> Result<String> {
    let verb = if path.exists() { "show" } else { "new" };
    let said = programs.done(&Arguments::new(&format!("{kind} {verb}")).file(path))?;
    let value = said[field].as_str();
    Ok(value
        .with_context(|| format!("no {field} in {said}"))?
        .to_owned())
}

fn words(said: &Value) -> String {
    let text = |field: &str| said[field].as_str().unwrap_or_default();
    let state = if said["started"] == true {
        "up"
    } else {
        "up already"
    };
    format!(
        "{state}: a MOCK, which protects nothing
parent            {} (process {})
enclave           {} (process {})
operator key      {} ({})
identity          {} ({})
policy            {}
programs          {}

sealsum round open --parent {} --operator {} --task {TASK} --round-number 1 \\
    --base-model base.npy --clip 1 --fractional-bits 16 --min-cohort 3 --max-cohort 10
sealsum contribute --parent {} --identity {} --policy {} --task {TASK} \\
    --base-model base.npy --update update.npy --mock",
        text("parent"),
        said["parent_pid"],
        text("enclave"),
        said["enclave_pid"],
        text("operator"),
        text("operator_key"),
        text("identity"),
        text("client_id"),
        text("policy"),
        text("programs"),
        text("parent"),
        text("operator"),
        text("parent"),
        text("identity"),
        text("policy"),
    )
}

const TASK: &str = "dev";
const ENCLAVE_LOG: &str = "enclave.log";
const PARENT_LOG: &str = "parent.log";
/// The consent that a policy with open admission and no noise needs, word for word.
const OPEN_ADMISSION: &str = "I accept open admission without noise: whoever controls all other clients of a round can compute my update from the sum.";
