//! `sealsum-parent`: reads its settings, starts a [`Parent`], says where it listens, and
//! ends in an orderly way when asked to.
//!
//! Exit codes: 0 ended as asked, 1 a failure that may pass (an address in use, a database that is
//! away), 2 what it was given can't be used (flags, settings, certificates, the data folder). An
//! enclave that is down is no reason not to start.

mod chores;
mod flags;
mod logging;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sealsum_parent::{Config, LogSettings, Parent, SettingsError, StartError, TokenError};
use tokio::signal::unix::{SignalKind, signal};

use chores::config::Unusable;
use chores::output::Unwritten;
use flags::{Arguments, Command, ConfigCommand};
use serde_json::json;

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let done = match &arguments.command {
        Some(Command::Config(command)) => chores::config::config(command),
        Some(Command::Token(options)) => chores::token(options),
        Some(Command::Openapi(_)) => chores::openapi(),
        Some(Command::Completions(options)) => chores::shell::completions(options),
        Some(Command::Man(options)) => chores::shell::man(options),
        None => start(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let unusable = is_unusable(&error);
            // The text of what was given names its cause already.
            let told = if unusable || error.is::<StartError>() {
                error.to_string()
            } else {
                format!("{error:#}")
            };
            // The check has told in JSON what it found.
            if arguments.wants_json()
                && !matches!(
                    arguments.command,
                    Some(Command::Config(ConfigCommand::Check(_)))
                )
            {
                let code = if unusable { "unusable" } else { "failed" };
                let error = json!({"error": {"code": code, "detail": told}});
                let _ = writeln!(io::stdout(), "{error}");
            } else {
                // Nobody may be reading; the exit code says it too.
                let _ = writeln!(io::stderr(), "sealsum-parent: {told}");
            }
            ExitCode::from(if unusable { UNUSABLE } else { FAILED })
        }
    }
}

fn is_unusable(error: &anyhow::Error) -> bool {
    let start = error.downcast_ref::<StartError>();
    start.is_some_and(|error| !error.may_pass())
        || error.is::<SettingsError>()
        || error.is::<TokenError>()
        || error.is::<Unusable>()
        || error.is::<Unwritten>()
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let settings = arguments.flags.settings()?;
    let log = settings.log.clone();
    let config = settings.into_config()?;
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads to run on")?
        .block_on(run(config, &log))
}

async fn run(config: Config, log: &LogSettings) -> anyhow::Result<()> {
    logging::begin(log)?;
    raise_open_files(config.open_files());
    let (mut terminated, mut interrupted) = (
        signal(SignalKind::terminate()).context("can't wait for SIGTERM")?,
        signal(SignalKind::interrupt()).context("can't wait for SIGINT")?,
    );
    let (clients, operator) = (scheme(&config, true), scheme(&config, false));
    let parent = Parent::start(config).await?;
    let ready = json!({
        "listening": format!("{clients}://{}", parent.address()),
        "operator": format!("{operator}://{}", parent.operator_address()),
    });
    // Whoever started us may not read this; that is no reason to stop.
    let _ = writeln!(io::stdout(), "{ready}");

    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    tracing::info!("ending; a second signal ends at once");
    tokio::select! {
        () = parent.shutdown() => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

/// Each connection takes a descriptor, and each upload a second one: as many as the system lets us have.
fn raise_open_files(enough: u64) {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(most) if most >= enough => {}
        Ok(most) => tracing::warn!(
            most,
            enough,
            "few files may be open at a time: raise the hard limit (LimitNOFILE=, ulimit -Hn), or lower limits.connections"
        ),
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}

fn scheme(config: &Config, clients: bool) -> &'static str {
    let listener = match &config.operator {
        Some(operator) if !clients => operator,
        _ => &config.clients,
    };
    if listener.tls.is_some() {
        "https"
    } else {
        "http"
    }
}

const FAILED: u8 = 1;
/// As clap's own exit code for flags that it can't take.
const UNUSABLE: u8 = 2;
