//! Asking for a term on a terminal. Where nobody can be asked, what is missing is an error.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::str::FromStr;

use crate::failure::Failure;

/// Whether there is somebody to ask.
pub(super) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks until the answer is one.
pub(super) fn ask<T: FromStr<Err: std::fmt::Display>>(question: &str) -> Result<T, Failure> {
    loop {
        match line(question)?.parse() {
            Ok(answer) => return Ok(answer),
            Err(error) => eprintln!("  {error}"),
        }
    }
}

/// Asks for one or more, separated by commas, until each is one.
pub(super) fn ask_list<T: FromStr<Err: std::fmt::Display>>(
    question: &str,
) -> Result<Vec<T>, Failure> {
    loop {
        let answers = line(question)?;
        let parsed: Result<Vec<T>, _> = answers.split(',').map(|a| a.trim().parse()).collect();
        match parsed {
            Ok(answers) => return Ok(answers),
            Err(error) => eprintln!("  {error}"),
        }
    }
}

/// Asks for the exact sentence; anything else is a no.
pub(super) fn ask_consent(sentence: &str) -> Result<bool, Failure> {
    eprintln!("\nThese terms need a consent. To give it, type this sentence:\n  {sentence}");
    Ok(line("consent")? == sentence)
}

fn line(question: &str) -> Result<String, Failure> {
    eprint!("{question}: ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(0) | Err(_) => Err(Failure::usage(
            "the input ended before every term was given",
        )),
        Ok(_) => Ok(answer.trim().to_owned()),
    }
}
