//! Real bash sessions: what they remember, how they fail, and that nothing is left.

use super::*;

struct Desk {
    folder: tempfile::TempDir,
    path: std::ffi::OsString,
}

impl Desk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            path: std::env::var_os("PATH").unwrap(),
        }
    }

    fn terminal(&self) -> Terminal {
        let place = Place {
            folder: self.folder.path(),
            scripts: self.folder.path(),
            path: &self.path,
            aloud: false,
        };
        Terminal::open("site", &place).unwrap()
    }
}

fn block(line: usize, commands: &str) -> Block {
    Block {
        terminal: "site".to_owned(),
        line,
        commands: commands.to_owned(),
    }
}

#[test]
fn a_terminal_remembers_its_variables_and_gives_no_answers() {
    let desk = Desk::new();
    let mut terminal = desk.terminal();
    terminal
        .run(&block(1, "A=one\nread B || B=nobody"))
        .unwrap();
    terminal.run(&block(2, "test $A-$B = one-nobody")).unwrap();
    assert!(!terminal.is_serving());
}

#[test]
fn the_first_command_that_fails_is_named_with_its_code_and_last_words() {
    for (commands, command, code) in [
        (
            "true\nls no-such-file\ntouch later",
            "ls no-such-file",
            "code 2",
        ),
        ("A=$(ls no-such-file | cat)\ntouch later", "A=$(", "code 2"),
        (
            "for a in 1 2; do \\\n  test $a = 1; done",
            "test $a = 1",
            "code 1",
        ),
    ] {
        let desk = Desk::new();
        let failed = desk.terminal().run(&block(7, commands)).unwrap_err();
        let said = format!("{failed:#}");
        assert!(said.contains("README.md:7"), "{said}");
        assert!(said.contains(command) && said.contains(code), "{said}");
        assert!(!desk.folder.path().join("later").exists(), "{said}");
    }
}

const SERVICE: &str = r#"bash -c 'trap "exit $0" INT; echo "{\"listening\":\"here\"}"; while :; do sleep 0.02; done' "#;

#[test]
fn a_service_is_there_once_it_says_so_and_has_to_end_well() {
    let desk = Desk::new();
    let mut terminal = desk.terminal();
    terminal.run(&block(1, &format!("{SERVICE} 0"))).unwrap();
    assert!(terminal.is_serving());
    let second = terminal.run(&block(2, "true")).unwrap_err().to_string();
    assert!(second.contains("taken"), "{second}");
    terminal.interrupt().unwrap();
    assert!(!terminal.is_serving());

    terminal.run(&block(3, &format!("{SERVICE} 5"))).unwrap();
    let ended = format!("{:#}", terminal.interrupt().unwrap_err());
    assert!(ended.contains("code 5"), "{ended}");
}

#[test]
fn nothing_outlives_a_terminal_that_is_dropped() {
    let desk = Desk::new();
    let mut terminal = desk.terminal();
    terminal.run(&block(1, &format!("{SERVICE} 0"))).unwrap();
    let service = terminal.children();
    assert_eq!(service.len(), 1);
    drop(terminal);
    let runs = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let begun = Instant::now();
    while service.iter().any(runs) {
        assert!(begun.elapsed() < Duration::from_secs(10), "it runs on");
        thread::sleep(Duration::from_millis(10));
    }
}
