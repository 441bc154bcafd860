//! `sealsum-parent config`: what a start would meet, and which settings are in force.

use std::path::Path;

use sealsum_parent::{Finding, Running, Shown, StartError};
use serde_json::{Value, json};

use super::output;
use crate::flags::{CheckOptions, ConfigCommand, ShowOptions};

/// What was looked at can't be used. Why has been told.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be used: {failed} of {all} points fail")]
pub(crate) struct Unusable {
    name: String,
    failed: usize,
    all: usize,
}

pub(crate) fn config(command: &ConfigCommand) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check(options) => check(options),
        ConfigCommand::Show(options) => show(options),
    }
}

fn check(options: &CheckOptions) -> anyhow::Result<()> {
    let name = name(options.target.file());
    let running = if options.running {
        Running::Yes
    } else {
        Running::No
    };
    let findings = match findings(options, running) {
        Ok(findings) => findings,
        Err(error) => {
            if options.json {
                let error = error.to_string();
                output::say(&json!({"usable": false, "error": error, "points": []}))?;
            }
            return Err(error.into());
        }
    };
    let failed = findings.iter().filter(|it| it.found.is_err()).count();
    if options.json {
        let first = findings.iter().find_map(|it| it.found.as_ref().err());
        let points: Vec<_> = findings.iter().map(point).collect();
        let error = first.map(ToString::to_string);
        output::say(&json!({"usable": failed == 0, "error": error, "points": points}))?;
    } else {
        for Finding { setting, found } in &findings {
            match found {
                Ok(how) => output::say(&format_args!("ok    {setting}: {how}"))?,
                Err(error) => output::say(&format_args!("FAILS {setting}: {error}"))?,
            }
        }
    }
    if failed > 0 {
        let all = findings.len();
        return Err(Unusable { name, failed, all }.into());
    }
    if !options.json {
        output::say(&format_args!("{name} can be used"))?;
    }
    Ok(())
}

fn findings(options: &CheckOptions, running: Running) -> Result<Vec<Finding>, StartError> {
    let settings = options.target.flags.settings_of(options.target.file())?;
    Ok(settings.into_config()?.rehearse(running))
}

fn point(Finding { setting, found }: &Finding) -> Value {
    let said = match found {
        Ok(how) => how.clone(),
        Err(error) => error.to_string(),
    };
    json!({"setting": setting, "ok": found.is_ok(), "said": said})
}

fn show(options: &ShowOptions) -> anyhow::Result<()> {
    let (flags, file) = (&options.target.flags, options.target.file());
    let shown = flags.settings_of(file)?.shown(file, &flags.layers()?)?;
    if options.json {
        let settings: Vec<_> = shown.iter().map(as_json).collect();
        output::say(&json!({ "settings": settings }))?;
        return Ok(());
    }
    let width = shown
        .iter()
        .map(|it| line(it).len())
        .filter(|it| *it < WIDE);
    let width = width.max().unwrap_or_default();
    for setting in &shown {
        match (&setting.value, &setting.origin) {
            (None, None) => output::say(&line(setting))?,
            _ => {
                let (line, origin) = (line(setting), origin(setting));
                output::say(&format_args!("{line:width$}  # {origin}"))?;
            }
        }
    }
    Ok(())
}

/// A line of a configuration file; a comment where there is nothing to say, or to be told.
fn line(shown: &Shown) -> String {
    let key = &shown.key;
    match &shown.value {
        Some(_) if shown.is_secret() => format!("# {key} is set, and not shown"),
        Some(value) => format!("{key} = {value}"),
        None => format!("# {key} is not set"),
    }
}

fn origin(shown: &Shown) -> String {
    let told = shown.origin.as_ref();
    told.map_or_else(|| "default".to_owned(), ToString::to_string)
}

fn as_json(shown: &Shown) -> Value {
    json!({"key": shown.key, "value": shown.value, "origin": origin(shown)})
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(
        || "the environment".to_owned(),
        |file| file.display().to_string(),
    )
}

/// Lines that are longer have their origin right behind them.
const WIDE: usize = 72;
