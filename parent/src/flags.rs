//! The command line. A flag goes over the environment, the environment over the file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Id, Parser, Subcommand};
use clap_complete::Shell;
use sealsum_parent::{
    EnclaveAddress, Layer, OnShutdown, Origin, Settings, SettingsError, check_variables,
    read_settings,
};
use sealsum_protocol::OperatorKey;
use serde_json::json;

/// The untrusted host of a Sealsum enclave: admits uploads, stores, relays, publishes.
#[derive(Parser)]
#[command(version, after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

impl Arguments {
    /// Those of this process; ends it if they can't be taken.
    pub(crate) fn read() -> Self {
        let matches = Self::command().try_get_matches();
        let matches = matches.unwrap_or_else(|error| misused(&error));
        let mut arguments =
            Self::from_arg_matches(&matches).unwrap_or_else(|error| misused(&error));
        arguments.flags.note_sources(&matches);
        let below = matches
            .subcommand()
            .and_then(|(_, below)| below.subcommand());
        if let (Some(Command::Config(command)), Some((_, below))) = (&mut arguments.command, below)
        {
            let target = match command {
                ConfigCommand::Check(options) => &mut options.target,
                ConfigCommand::Show(options) => &mut options.target,
            };
            target.flags.note_sources(below);
        }
        arguments
    }

    pub(crate) const fn wants_json(&self) -> bool {
        match &self.command {
            None => false,
            Some(Command::Config(ConfigCommand::Check(options))) => options.json,
            Some(Command::Config(ConfigCommand::Show(options))) => options.json,
            Some(Command::Token(options)) => options.json,
            Some(Command::Openapi(options)) => options.json,
            Some(Command::Completions(options)) => options.json,
            Some(Command::Man(options)) => options.json,
        }
    }
}

/// Ends the process over flags that can't be taken, or with the help that was asked for.
fn misused(error: &clap::Error) -> ! {
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let detail = error.render().to_string();
        let told = json!({"error": {"code": "usage", "detail": detail.trim()}});
        let _ = writeln!(io::stdout(), "{told}");
        std::process::exit(error.exit_code());
    }
    error.exit()
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// The configuration file.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Draw a bearer token, and print the line that lets it in.
    #[command(after_help = TOKEN_EXAMPLE)]
    Token(TokenOptions),
    /// Print the HTTP interface in OpenAPI, as /openapi.json serves it.
    #[command(after_help = "Example:\n  sealsum-parent openapi > openapi.json")]
    Openapi(OpenapiOptions),
    /// Write a completion script for a shell.
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions(CompletionOptions),
    /// Write the manual pages.
    #[command(after_help = "Example:\n  sealsum-parent man --out man1")]
    Man(ManOptions),
}

#[derive(Args)]
pub(crate) struct OpenapiOptions {
    /// It is JSON with or without this
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct CompletionOptions {
    /// The shell
    pub(crate) shell: Shell,
    /// Print the script as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ManOptions {
    /// Write every page into this folder; without it, the program's own page goes to stdout
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print what was written as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a start would succeed, point by point: keys and values, addresses, certificates and
    /// keys, tokens, the data folder. Nothing is changed, nobody is connected to.
    #[command(after_help = CHECK_EXAMPLE)]
    Check(CheckOptions),
    /// Print every setting in force, and where it is from: the default, a line of the file, a
    /// variable or a flag.
    #[command(after_help = SHOW_EXAMPLE)]
    Show(ShowOptions),
}

#[derive(Args)]
pub(crate) struct CheckOptions {
    #[command(flatten)]
    pub(crate) target: Target,
    /// A parent runs with it already: do not ask whether addresses and data folder are free
    #[arg(long)]
    pub(crate) running: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct ShowOptions {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Print the settings as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a start would be given.
#[derive(Args)]
pub(crate) struct Target {
    /// The file; without it --config, or SEALSUM_CONFIG
    file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

impl Target {
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref().or(self.flags.config.as_deref())
    }
}

#[derive(Args)]
pub(crate) struct TokenOptions {
    /// Who is to bear it: a name for the log, up to 64 letters, digits and -_.@
    pub(crate) name: String,
    /// What it is for: operator (everything), observer (reading), client (contributing)
    #[arg(long, default_value = "operator")]
    pub(crate) role: String,
    /// Append the line to this file of tokens, made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Write the token to this new file, for its bearer's eyes only, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print what was drawn as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Flags {
    /// A configuration file; deploy/sealsum-parent.toml shows every key.
    #[arg(long, env = "SEALSUM_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to listen for HTTP; port 0 takes a free one [default: 127.0.0.1:8480]
    #[arg(long, env = "SEALSUM_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where to listen for the operator, who opens, closes and aborts rounds. Without it
    /// that is at --listen too, which then has to be a loopback address.
    #[arg(long, env = "SEALSUM_OPERATOR_LISTEN", value_name = "ADDRESS")]
    operator_listen: Option<SocketAddr>,
    /// An operator whose rounds to open, by its public key; may be given again. Without
    /// any, rounds of every operator are opened.
    #[arg(
        long,
        env = "SEALSUM_OPERATOR_KEY",
        value_name = "HEX",
        value_delimiter = ','
    )]
    operator_key: Vec<OperatorKey>,
    /// Where the enclave is: vsock:CID:PORT, tcp:HOST:PORT, unix:PATH or hybrid:PATH:PORT.
    #[arg(long, env = "SEALSUM_ENCLAVE")]
    enclave: Option<EnclaveAddress>,
    /// The folder to keep rounds in; made if it is not there.
    #[arg(long, env = "SEALSUM_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Largest masked update to take, in MiB.
    #[arg(long, env = "SEALSUM_MAX_UPDATE_MIB", value_name = "MIB")]
    max_update_mib: Option<u32>,
    /// On SIGTERM or SIGINT, abort the rounds that collect and store their abort
    /// receipts, or keep them for the next start [default: abort]. Releases go on in either case.
    #[arg(long, env = "SEALSUM_ON_SHUTDOWN", value_enum)]
    on_shutdown: Option<OnShutdown>,
    /// An enclave that has not answered for this long is given up, in seconds: its
    /// rounds are lost.
    #[arg(long, env = "SEALSUM_LOST_AFTER_S", value_name = "N")]
    lost_after_s: Option<u32>,
    /// Which of these are from a variable, by their names in it.
    #[arg(skip)]
    from_variables: BTreeSet<String>,
}

impl Flags {
    /// The settings of file, environment and flags.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        self.settings_of(self.config.as_deref())
    }

    pub(crate) fn settings_of(&self, file: Option<&Path>) -> Result<Settings, SettingsError> {
        read_settings(file, self.layers()?)
    }

    /// What goes over the file, the last on top.
    pub(crate) fn layers(&self) -> Result<Vec<Layer>, SettingsError> {
        // A name that is no Unicode stands for no key.
        let text = |(name, value): (OsString, _)| Some((name.into_string().ok()?, value));
        let variables: Vec<(String, OsString)> = std::env::vars_os().filter_map(text).collect();
        let flags = Arguments::command();
        let flags = flags.get_arguments().filter_map(|flag| flag.get_env());
        let flags: Vec<_> = flags
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        check_variables(variables.iter().map(|(name, _)| name.clone()), &flags)?;
        let mut layers = Vec::new();
        for (name, value) in variables {
            match value.into_string() {
                Ok(value) => layers.extend(Layer::environment(&name, &value)),
                Err(_) if Layer::environment(&name, "").is_some() => {
                    return Err(SettingsError::NoText(name));
                }
                Err(_) => {}
            }
        }
        layers.extend(self.flags());
        Ok(layers)
    }

    fn note_sources(&mut self, matches: &ArgMatches) {
        let from_variable =
            |id: &&Id| matches.value_source(id.as_str()) == Some(ValueSource::EnvVariable);
        let ids = matches.ids().filter(from_variable);
        self.from_variables = ids.map(|id| variable(id.as_str())).collect();
    }

    fn flags(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut put = |flag: &'static str, key, value: Option<toml::Value>| {
            layers.extend(value.map(|value| {
                let layer = Layer::flag(flag, key, value);
                let variable = variable(flag.trim_start_matches('-'));
                if !self.from_variables.contains(&variable) {
                    return layer;
                }
                let origin = Origin::Environment(variable);
                Layer { origin, ..layer }
            }));
        };
        let text = |value: &dyn ToString| toml::Value::String(value.to_string());
        let path = |path: &PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
        put(
            "--listen",
            "clients.listen",
            self.listen.as_ref().map(|a| text(a)),
        );
        put(
            "--operator-listen",
            "operator.listen",
            self.operator_listen.as_ref().map(|a| text(a)),
        );
        let keys = self.operator_key.iter().map(|key| text(key)).collect();
        let keys = (!self.operator_key.is_empty()).then_some(toml::Value::Array(keys));
        put("--operator-key", "operator.keys", keys);
        put(
            "--enclave",
            "enclave.address",
            self.enclave.as_ref().map(|a| text(a)),
        );
        put("--data", "storage.folder", self.data.as_ref().map(path));
        put(
            "--max-update-mib",
            "limits.masked_update_mib",
            self.max_update_mib.map(Into::into),
        );
        let on_shutdown = self.on_shutdown.map(|end| match end {
            OnShutdown::Abort => "abort",
            OnShutdown::Keep => "keep",
        });
        put("--on-shutdown", "on_shutdown", on_shutdown.map(Into::into));
        put(
            "--lost-after-s",
            "enclave.lost_after_seconds",
            self.lost_after_s.map(Into::into),
        );
        layers
    }
}

/// The variable that stands for a flag.
fn variable(flag: &str) -> String {
    format!("SEALSUM_{}", flag.replace('-', "_").to_ascii_uppercase())
}

const EXAMPLE: &str = "\
Examples:
  sealsum-parent --enclave tcp:127.0.0.1:5005 --data parent-data
  sealsum-parent --config sealsum-parent.toml

Every key of the file has an environment variable too: SEALSUM__CLIENTS__LISTEN is listen in
[clients]. Flags go over the environment, the environment over the file.
When it listens, it prints one line of JSON to stdout: {\"listening\",\"operator\"}.
It starts whether or not the enclave answers, and says so to whoever asks (/readyz).
Exit codes: 0 ended as asked, 1 failed, and may not the next time (an address in use, a folder that
another parent holds, a database that is away), 2 a flag, setting, file or folder can't be used.";

const CHECK_EXAMPLE: &str = "\
Example:
  sealsum-parent config check sealsum-parent.toml
  sealsum-parent config check sealsum-parent.toml --running --json

Variables and flags count as they do for a start. Exit codes: 0 it can be used, 2 it can't, and why.";

const SHOW_EXAMPLE: &str = "\
Example:
  sealsum-parent config show sealsum-parent.toml

Variables and flags count as they do for a start. Of secrets the names of their files are printed,
of a database's URL nothing.";

const COMPLETIONS_EXAMPLE: &str = "\
Example, for bash:
  sealsum-parent completions bash
writes the script to standard output; put it where the shell looks for it, such as
~/.local/share/bash-completion/completions/sealsum-parent.";

const TOKEN_EXAMPLE: &str = "\
Example:
  sealsum-parent token night-job --tokens operator-tokens --out night-job.token

Without --out the token is printed, once. The file of tokens is the one that operator.tokens or
clients.tokens names; it holds digests alone, and a running parent reads it again within seconds.
A token is withdrawn by removing its line.";

#[cfg(test)]
mod tests;
