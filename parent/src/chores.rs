//! What the program does besides serving: checking a configuration, drawing tokens, printing
//! its interface.

use std::path::Path;

use sealsum_parent::{StartError, Token, openapi as interface};
use serde_json::json;

use crate::flags::{ConfigCommand, Flags, TokenOptions};

pub(crate) fn config(command: &ConfigCommand, flags: &Flags) -> anyhow::Result<()> {
    let ConfigCommand::Check { file, json } = command;
    let file = file.as_ref().or(flags.config());
    let checked = check(file.map(|file| file.as_path()), flags);
    if !json {
        checked?;
        let name = file.map_or_else(
            || "the environment".to_owned(),
            |file| file.display().to_string(),
        );
        println!("{name} can be used");
        return Ok(());
    }
    let error = checked.as_ref().err().map(ToString::to_string);
    println!("{}", json!({"usable": error.is_none(), "error": error}));
    Ok(checked?)
}

fn check(file: Option<&Path>, flags: &Flags) -> Result<(), StartError> {
    let settings = flags.settings_of(file)?;
    settings.into_config()?.check_files()
}

pub(crate) fn token(options: &TokenOptions) -> anyhow::Result<()> {
    let token = Token::draw(&options.name, &options.role)?;
    if options.json {
        println!("{}", serde_json::to_string(&token)?);
    } else {
        println!("token: {}", token.token);
        println!("line for the file of tokens: {}", token.line);
    }
    Ok(())
}

pub(crate) fn openapi() -> anyhow::Result<()> {
    println!("{}", interface().to_pretty_json()?);
    Ok(())
}
