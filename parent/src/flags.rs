//! The command line. A flag goes over the environment, the environment over the file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use sealsum_parent::{EnclaveAddress, Layer, OnShutdown, Settings, SettingsError, read_settings};
use sealsum_protocol::OperatorKey;

/// The untrusted host of a Sealsum enclave: admits uploads, stores, relays, publishes.
#[derive(Parser)]
#[command(version, after_help = EXAMPLE, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) flags: Flags,
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
    Openapi,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a start would take the file: its keys and values, and the certificates, keys and
    /// tokens that it names. Nothing is changed, nothing is connected.
    #[command(after_help = CHECK_EXAMPLE)]
    Check {
        /// The file; without it SEALSUM_CONFIG
        file: Option<PathBuf>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
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
}

impl Flags {
    /// The settings of file, environment and flags.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        self.settings_of(self.config.as_deref())
    }

    pub(crate) fn settings_of(&self, file: Option<&Path>) -> Result<Settings, SettingsError> {
        // A name or value that is no Unicode stands for no key.
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Layer::environment(&name.into_string().ok()?, &value.into_string().ok()?)
        });
        read_settings(file, variables.chain(self.layers()))
    }

    fn layers(&self) -> Vec<Layer> {
        let mut layers = Vec::new();
        let mut put = |flag, key, value: Option<toml::Value>| {
            layers.extend(value.map(|value| Layer::flag(flag, key, value)));
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

    /// The file that is checked when none is named.
    pub(crate) const fn config(&self) -> Option<&PathBuf> {
        self.config.as_ref()
    }
}

const EXAMPLE: &str = "\
Examples:
  sealsum-parent --enclave tcp:127.0.0.1:5005 --data parent-data
  sealsum-parent --config sealsum-parent.toml

Every key of the file has an environment variable too: SEALSUM__CLIENTS__LISTEN is listen in
[clients]. Flags go over the environment, the environment over the file.
When it listens, it prints one line of JSON to stdout: {\"listening\",\"operator\"}.
It starts whether or not the enclave answers, and says so to whoever asks (/readyz).
Exit codes: 0 ended as asked, 1 failed, 2 an address, folder, file or flag can't be used.";

const CHECK_EXAMPLE: &str = "\
Example:
  sealsum-parent config check sealsum-parent.toml

Exit codes: 0 it can be used, 2 it can't, and why.";

const TOKEN_EXAMPLE: &str = "\
Example:
  sealsum-parent token night-job --tokens operator-tokens --out night-job.token

Without --out the token is printed, once. The file of tokens is the one that operator.tokens or
clients.tokens names; it holds digests alone, and a running parent reads it again within seconds.
A token is withdrawn by removing its line.";
