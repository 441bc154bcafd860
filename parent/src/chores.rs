//! What the program does besides serving: checking a configuration, drawing tokens, printing
//! its interface.

pub(crate) mod config;
pub(crate) mod output;
pub(crate) mod shell;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use sealsum_parent::{Token, TokenError, openapi as interface};
use serde_json::json;

use crate::flags::TokenOptions;
use output::Unwritten;

pub(crate) fn token(options: &TokenOptions) -> anyhow::Result<()> {
    let tokens = options.tokens.as_deref();
    let Token { token, line } = Token::draw(&options.name, &options.role, tokens)?;
    // Both are opened before either is written: a line without its token would lie around.
    let mut of_tokens = opened(tokens, own_file().create(true).append(true))?;
    if let (Some(file), Some(path)) = (&mut of_tokens, tokens)
        && std::fs::read(path).is_ok_and(|text| text.last().is_some_and(|last| *last != b'\n'))
    {
        // Whoever edited the file ended its last line without one.
        writeln!(file).context("can't write to the file of tokens")?;
    }
    let mut of_bearer = opened(
        options.out.as_deref(),
        own_file().create_new(true).write(true),
    )?;
    // The bearer's copy goes first: a line whose token nobody has would lie around.
    let shown = options.out.is_none().then_some(&token);
    if let Some(file) = &mut of_bearer {
        writeln!(file, "{token}").context("can't write the token")?;
    }
    show(options, shown, &line)?;
    if let Some(file) = &mut of_tokens {
        writeln!(file, "{line}").context("can't write the token's line")?;
    }
    Ok(())
}

fn show(options: &TokenOptions, shown: Option<&String>, line: &str) -> Result<(), Unwritten> {
    let say = if shown.is_some() {
        output::hand_over
    } else {
        output::say
    };
    if options.json {
        return say(&json!({"token": shown, "line": line}));
    }
    let shown = shown.map(|token| format!("token: {token}\n"));
    let shown = shown.unwrap_or_default();
    let let_in = match &options.tokens {
        Some(path) => format!("let in by a line in {}", path.display()),
        None => format!("line for the file of tokens: {line}"),
    };
    say(&format_args!("{shown}{let_in}"))
}

fn opened(path: Option<&Path>, how: &OpenOptions) -> Result<Option<File>, TokenError> {
    let open = |path: &Path| {
        how.open(path).map_err(|source| TokenError::Unwritable {
            path: path.to_owned(),
            source,
        })
    };
    path.map(open).transpose()
}

/// A file that nobody else reads.
fn own_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

pub(crate) fn openapi() -> anyhow::Result<()> {
    output::say(&interface().to_pretty_json()?)?;
    Ok(())
}
