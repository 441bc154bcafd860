//! What a shell and a manual are told of the command line.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

fn run(line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealsum-parent"));
    command.args(line.split(' ')).output().unwrap()
}

fn text(ended: Output) -> String {
    assert_eq!(ended.status.code(), Some(0), "{:?}", ended.stderr);
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn a_shell_s_script_knows_commands_and_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let script = text(run(&format!("completions {shell}")));
        for word in ["config", "token", "operator-listen", "running"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        let json = text(run(&format!("completions {shell} --json")));
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["script"], script);
    }
    assert_eq!(run("completions tcsh").status.code(), Some(2));
}

#[test]
fn there_is_a_page_for_each_command() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man").join("man1");
    let line = format!("man --out {} --json", out.display());
    let json: Value = serde_json::from_str(&text(run(&line))).unwrap();
    let mut pages: Vec<_> = fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    assert_eq!(
        pages,
        [
            "sealsum-parent-completions.1",
            "sealsum-parent-config-check.1",
            "sealsum-parent-config-show.1",
            "sealsum-parent-config.1",
            "sealsum-parent-man.1",
            "sealsum-parent-openapi.1",
            "sealsum-parent-token.1",
            "sealsum-parent.1",
        ]
    );
    assert_eq!(json["pages"].as_array().unwrap().len(), pages.len());
    let page = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    assert!(page("sealsum-parent-config-check.1").contains("sealsum\\-parent config check"));
    assert!(page("sealsum-parent.1").contains("operator\\-listen"));
    assert_eq!(text(run("man")), page("sealsum-parent.1"));
    // A folder that is none.
    fs::write(folder.path().join("file"), "").unwrap();
    let line = format!("man --out {}", folder.path().join("file").display());
    let ended = run(&line);
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("file"), "{said}");
}
