//! The README's walk as a list of blocks, each with the terminal that it is typed into.
//!
//! A block is fenced code whose info string is `sh` and the terminal's name; a page on
//! GitHub shows such a block like any other.

use anyhow::{Result, bail, ensure};

/// What is typed into one terminal at one time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) terminal: String,
    /// The line of the page that the commands begin on, counted from 1.
    pub(super) line: usize,
    pub(super) commands: String,
}

/// The page's blocks, in order. Every terminal has at least one.
pub(super) fn blocks(page: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (line, text) in (1..).zip(page.lines()) {
        match open.as_mut() {
            Some(block) if text != FENCE => {
                block.commands.push_str(text);
                block.commands.push('\n');
            }
            Some(_) => blocks.extend(open.take()),
            None => {
                let name = text
                    .strip_prefix(FENCE)
                    .and_then(|info| info.strip_prefix("sh "));
                let Some(name) = name else { continue };
                ensure!(
                    TERMINALS.contains(&name),
                    "line {line}: {name:?} is no terminal: expected one of {TERMINALS:?}"
                );
                open = Some(Block {
                    terminal: name.to_owned(),
                    line: line + 1,
                    commands: String::new(),
                });
            }
        }
    }
    if let Some(block) = open {
        bail!("the block that begins at line {} has no end", block.line);
    }
    for name in TERMINALS {
        let there = blocks.iter().any(|block| block.terminal == name);
        ensure!(there, "no block begins with {FENCE}sh {name}");
    }
    Ok(blocks)
}

const FENCE: &str = "```";
const TERMINALS: [&str; 3] = ["enclave", "parent", "site"];

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Walk
```
cargo demo
```
```sh enclave
serve
```
```sh parent
relay
```
then
```sh site
a \\
  b
c
```
";

    #[test]
    fn marked_blocks_are_taken_as_they_stand_and_others_left() {
        let block = |terminal: &str, line, commands: &str| Block {
            terminal: terminal.to_owned(),
            line,
            commands: commands.to_owned(),
        };
        let expected = [
            block("enclave", 6, "serve\n"),
            block("parent", 9, "relay\n"),
            block("site", 13, "a \\\n  b\nc\n"),
        ];
        assert_eq!(blocks(PAGE).unwrap(), expected);
    }

    #[test]
    fn a_page_that_can_not_be_walked_says_why() {
        let said = |page: &str| blocks(page).unwrap_err().to_string();
        assert!(said(&PAGE.replace("sh parent", "sh parnet")).contains("parnet"));
        assert!(said(&PAGE.replace("```sh parent\n", "```\n")).contains("sh parent"));
        assert!(said(PAGE.trim_end().trim_end_matches('`')).contains("line 13"));
    }

    #[test]
    fn the_readme_can_be_walked() {
        let page = include_str!("../../../README.md");
        assert!(blocks(page).unwrap().len() >= 3);
    }
}
