//! What `--help` shows works as shown, and so do completions and manual pages.

use crate::desk::Desk;

const COMMANDS: [&str; 12] = [
    "",
    "verify",
    "inspect",
    "measure",
    "policy new",
    "policy add",
    "policy check",
    "endorse",
    "publisher new",
    "publisher show",
    "completions",
    "man",
];

/// The command lines below `Example:` or `Examples:`.
fn examples(help: &str) -> Vec<String> {
    let after = help.split_once("\nExample").map_or("", |(_, after)| after);
    after
        .replace("\\\n", " ")
        .lines()
        .filter(|line| line.starts_with("  ") && line.contains("sealsum-attest "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_example_of_the_help_works() {
    let mut run = 0;
    for command in COMMANDS {
        let (exit, help) = Desk::empty().tell(&format!("{command} --help"));
        assert_eq!(exit, 0, "{command}");
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{command} has no example\n{help}");
        // The first lines are one walk; the others stand alone.
        for example in examples {
            let desk = Desk::furnished();
            if command.is_empty() && example.contains("policy new") {
                std::fs::remove_file(desk.path("policy.toml")).unwrap();
            }
            let output = desk.shell(&example);
            assert!(output.status.success(), "{example}: {output:?}");
            run += 1;
        }
    }
    assert!(run >= 20, "{run} examples");
}

#[test]
fn every_command_has_a_manual_page() {
    let desk = Desk::empty();
    assert_eq!(desk.say("man --out pages").exit, 0);
    for command in COMMANDS {
        let name = format!("sealsum-attest {command}").trim().replace(' ', "-");
        let page = desk.read(&format!("pages/{name}.1"));
        assert!(page.contains(".TH"), "{name}");
    }
}

#[test]
fn completions_name_the_commands() {
    let desk = Desk::empty();
    for shell in ["bash", "zsh", "fish"] {
        let (exit, script) = desk.tell(&format!("completions {shell}"));
        assert_eq!(exit, 0);
        assert!(
            script.contains("inspect") && script.contains("nonce-path"),
            "{shell}"
        );
    }
}
