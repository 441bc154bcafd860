//! `sealsum-parent config`, and variables that stand for nothing: what an operator is told before a
//! start, by the program itself.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A folder to be in, and a file of settings there.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// Free addresses, a folder that is not there yet.
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        desk.write("parent.toml", &settings(""));
        desk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).unwrap();
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealsum-parent"));
        command.args(line.split(' ')).current_dir(self.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Exit code, and the JSON on stdout.
    fn json(&self, line: &str) -> (Option<i32>, Value) {
        let ended = self.run(&format!("{line} --json"));
        let json = serde_json::from_slice(&ended.stdout).unwrap();
        (ended.status.code(), json)
    }

    /// The one point that fails, and its words.
    fn failure(&self, line: &str) -> (String, String) {
        let (code, json) = self.json(line);
        assert_eq!(
            (code, &json["usable"]),
            (Some(2), &Value::Bool(false)),
            "{json}"
        );
        let points = json["points"].as_array().unwrap();
        let failed: Vec<_> = points.iter().filter(|it| it["ok"] == false).collect();
        let [failed] = failed[..] else {
            panic!("{json}");
        };
        assert_eq!(json["error"], failed["said"]);
        let text = |key: &str| failed[key].as_str().unwrap().to_owned();
        (text("setting"), text("said"))
    }
}

fn settings(more: &str) -> String {
    format!(
        "[enclave]\naddress = \"tcp:127.0.0.1:1\"\n[storage]\nfolder = \"data\"\n[clients]\nlisten = \"127.0.0.1:0\"\n{more}"
    )
}

/// What the programs of this test run in has of its own.
fn said(ended: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    text(&ended.stdout) + &text(&ended.stderr)
}

#[test]
fn a_check_names_each_point_and_leaves_nothing_behind() {
    let desk = Desk::new();
    let ended = desk.run("config check parent.toml");
    let text = said(&ended);
    assert_eq!(ended.status.code(), Some(0), "{text}");
    for line in [
        "ok    enclave.address: tcp:127.0.0.1:1 is not asked",
        "ok    clients.listen: 127.0.0.1:0 is free",
        "ok    storage.folder: data is made at the start",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert_eq!(text.lines().last(), Some("parent.toml can be used"));
    assert!(!desk.path().join("data").exists());
    let (code, json) = desk.json("config check parent.toml");
    assert_eq!((code, &json["usable"]), (Some(0), &Value::Bool(true)));
    assert!(json["error"].is_null());
}

#[test]
fn an_address_that_is_taken_fails_unless_a_parent_runs_with_it() {
    let desk = Desk::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    let line = format!("config check parent.toml --listen {address}");
    let (setting, said) = desk.failure(&line);
    assert_eq!(setting, "clients.listen");
    assert!(
        said.contains(&address) && said.contains("another address"),
        "{said}"
    );
    assert_eq!(desk.json(&format!("{line} --running")).0, Some(0));
    drop(holder);
    assert_eq!(desk.json(&line).0, Some(0));
}

#[test]
fn a_data_folder_that_is_anothers_or_none_fails() {
    let desk = Desk::new();
    let line = "config check parent.toml";
    let data = desk.path().join("data");
    fs::create_dir(&data).unwrap();
    assert_eq!(desk.json(line).0, Some(0));
    assert_eq!(
        fs::read_dir(&data).unwrap().count(),
        0,
        "something was made"
    );
    let lock = File::create(data.join("lock")).unwrap();
    assert_eq!(desk.json(line).0, Some(0));
    lock.try_lock().unwrap();
    let (setting, said) = desk.failure(line);
    assert_eq!(setting, "storage.folder");
    assert!(said.contains("another parent uses"), "{said}");
    assert_eq!(desk.json(&format!("{line} --running")).0, Some(0));
    drop(lock);
    assert_eq!(desk.json(line).0, Some(0));

    fs::remove_dir_all(&data).unwrap();
    desk.write("data", "a file");
    let (setting, said) = desk.failure(line);
    assert_eq!(setting, "storage.folder");
    assert!(
        said.contains("data") && said.contains("not a directory"),
        "{said}"
    );
    fs::remove_file(&data).unwrap();
    std::os::unix::fs::symlink("nowhere", &data).unwrap();
    let (_, said) = desk.failure(line);
    assert!(said.contains("not a directory"), "{said}");
    fs::remove_file(&data).unwrap();
    // What is in it is of the right kind.
    fs::create_dir(&data).unwrap();
    for (name, is_folder) in [("rounds", true), ("temporary", true), ("rounds.db", false)] {
        let kept = data.join(name);
        if is_folder {
            fs::write(&kept, "a file").unwrap();
        } else {
            fs::create_dir(&kept).unwrap();
        }
        let (_, said) = desk.failure(line);
        assert!(said.contains(name) && said.contains("directory"), "{said}");
        fs::remove_file(&kept)
            .or_else(|_| fs::remove_dir(&kept))
            .unwrap();
    }
    fs::remove_dir(&data).unwrap();
    desk.write("none.toml", &settings("").replace("\"data\"", "\"\""));
    let (code, json) = desk.json("config check none.toml");
    assert_eq!(code, Some(2), "{json}");
    assert!(json["error"].as_str().unwrap().contains("--data"), "{json}");

    // Nor can one be made below a file.
    desk.write("data", "a file");
    let (_, said) = desk.failure(&format!("{line} --data data/below"));
    assert!(said.contains("not a directory"), "{said}");
}

#[test]
fn certificates_and_tokens_are_looked_at_and_all_that_fails_is_told() {
    let desk = Desk::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    desk.write("own.pem", &made.cert.pem());
    desk.write("own.key", &made.signing_key.serialize_pem());
    desk.write("other.key", &other.signing_key.serialize_pem());
    let tls = |key: &str| {
        settings(&format!(
            "tokens = \"tokens\"\ntls = {{ certificate = \"own.pem\", key = \"{key}\" }}\n"
        ))
    };
    desk.write("parent.toml", &tls("own.key"));
    let (setting, said) = desk.failure("config check parent.toml");
    assert_eq!(setting, "clients.tokens");
    assert!(said.contains("can't read the tokens"), "{said}");
    desk.run("token clinic --role client --tokens tokens --out clinic.token");
    let ended = desk.run("config check parent.toml");
    let text = self::said(&ended);
    assert_eq!(ended.status.code(), Some(0), "{text}");
    assert!(text.contains("own.pem goes with its key, for "), "{text}");
    assert!(!text.contains("PRIVATE"), "{text}");

    let mut past = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    past.not_before = rcgen::date_time_ymd(2020, 1, 1);
    past.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let past = past.self_signed(&made.signing_key).unwrap();
    desk.write("own.pem", &past.pem());
    let (setting, said) = desk.failure("config check parent.toml");
    assert_eq!(setting, "clients.tls");
    assert!(said.contains("own.pem has expired"), "{said}");
    desk.write("own.pem", &made.cert.pem());

    desk.write("parent.toml", &tls("other.key"));
    let (setting, said) = desk.failure("config check parent.toml");
    assert_eq!(setting, "clients.tls");
    assert!(said.contains("own.pem"), "{said}");
    // One that fails hides no other.
    fs::remove_file(desk.path().join("tokens")).unwrap();
    let ended = desk.run("config check parent.toml");
    let text = self::said(&ended);
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert_eq!(text.matches("FAILS ").count(), 2, "{text}");
    assert!(
        text.contains("parent.toml can't be used: 2 of 6 points"),
        "{text}"
    );
}

#[test]
fn settings_that_are_none_fail_in_json_as_well() {
    let desk = Desk::new();
    desk.write("parent.toml", &settings("[limits]\nconections = 1\n"));
    let (code, json) = desk.json("config check parent.toml");
    assert_eq!((code, &json["usable"]), (Some(2), &Value::Bool(false)));
    let error = json["error"].as_str().unwrap();
    assert!(
        error.contains("line 8") && error.contains("conections"),
        "{error}"
    );
}

#[test]
fn every_setting_in_force_is_shown_with_where_it_is_from() {
    let desk = Desk::new();
    desk.write(
        "parent.toml",
        &settings("tokens = \"tokens\"\n[limits]\nconnections = 7\nhead_seconds = 3\n"),
    );
    let show = |more: &str| {
        let mut command = desk.command(&format!("config show parent.toml --json{more}"));
        command
            .env("SEALSUM__LIMITS__CONNECTIONS", "8")
            .env("SEALSUM__OPERATOR__LISTEN", "127.0.0.1:0")
            .env("SEALSUM_ENCLAVE", "tcp:127.0.0.1:2")
            .env_remove("RUST_LOG");
        let ended = command.output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
        let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
        json["settings"].as_array().unwrap().clone()
    };
    let all = show(" --lost-after-s 60");
    let find = |key: &str| {
        let found = all.iter().find(|it| it["key"] == key);
        let found = found.unwrap_or_else(|| panic!("{key} is not shown"));
        let origin = found["origin"].as_str().unwrap().to_owned();
        (found["value"].to_string(), origin)
    };
    for (key, value, origin) in [
        (
            "enclave.address",
            "\"tcp:127.0.0.1:2\"",
            "the environment variable SEALSUM_ENCLAVE",
        ),
        ("enclave.lost_after_seconds", "60", "--lost-after-s"),
        ("storage.folder", "\"data\"", "parent.toml:4"),
        ("clients.listen", "\"127.0.0.1:0\"", "parent.toml:6"),
        ("clients.tokens", "\"tokens\"", "parent.toml:7"),
        ("clients.tls", "null", "default"),
        (
            "limits.connections",
            "8",
            "the environment variable SEALSUM__LIMITS__CONNECTIONS",
        ),
        ("limits.head_seconds", "3", "parent.toml:10"),
        ("limits.body_piece_seconds", "30", "default"),
        ("limits.masked_update_mib", "8192", "default"),
        ("rounds.keep_days", "null", "default"),
        ("on_shutdown", "\"abort\"", "default"),
        ("log.filter", "\"info\"", "default"),
    ] {
        assert_eq!(find(key), (value.to_owned(), origin.to_owned()), "{key}");
    }
    // As text it says the same.
    let ended = desk.run("config show parent.toml");
    let text = said(&ended);
    let line = text
        .lines()
        .find(|line| line.starts_with("limits.head_seconds = 3 "));
    assert!(line.unwrap().ends_with("# parent.toml:10"), "{text}");
    assert!(text.contains("# rounds.keep_days is not set"), "{text}");
}

#[test]
fn of_a_database_s_url_nothing_is_shown() {
    let desk = Desk::new();
    desk.write(
        "parent.toml",
        "[enclave]\naddress = \"tcp:127.0.0.1:1\"\n[storage]\nkind = \"shared\"\ndatabase = \"postgresql://sealsum:hidden@db.example/sealsum\"\ndatabase_password_file = \"password\"\nbucket = \"s3://rounds\"\nadvertise = \"https://one.example\"\nspool = \"spool\"\n",
    );
    desk.write("password", "hidden too");
    for line in ["config show parent.toml", "config show parent.toml --json"] {
        let ended = desk.run(line);
        let text = said(&ended);
        assert_eq!(ended.status.code(), Some(0), "{text}");
        assert!(
            text.contains("storage.database") && !text.contains("hidden"),
            "{text}"
        );
        assert!(text.contains("password"), "{text}");
        assert!(text.contains("storage.lease_seconds"), "{text}");
    }
    fs::remove_file(desk.path().join("password")).unwrap();
    let (setting, said) = desk.failure("config check parent.toml");
    assert_eq!(setting, "storage.database_password_file");
    assert!(said.contains("password"), "{said}");
}

#[test]
fn two_listeners_that_want_one_port_fail() {
    let desk = Desk::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let line = "config check parent.toml --listen 0.0.0.0:PORT --operator-listen 127.0.0.1:PORT";
    let (setting, said) = desk.failure(&line.replace("PORT", &port.to_string()));
    assert_eq!(setting, "operator.listen", "{said}");
}

#[test]
fn a_database_that_is_no_parents_or_a_later_ones_fails() {
    let desk = Desk::new();
    let data = desk.path().join("data");
    fs::create_dir(&data).unwrap();
    // As SQLite writes them: the version at 60, the program at 68.
    let header = |version: u32, program: u32| {
        let mut header = [0; 4096];
        header[..16].copy_from_slice(b"SQLite format 3\0");
        header[60..64].copy_from_slice(&version.to_be_bytes());
        header[68..72].copy_from_slice(&program.to_be_bytes());
        header.to_vec()
    };
    let ours = 0x536c_7061;
    for (bytes, said) in [
        (vec![7; 4096], Some("is not a parent's")),
        (b"SQLite format 3\0".to_vec(), Some("is not a parent's")),
        (header(2, 7), Some("is not a parent's")),
        (header(9, ours), Some("version 9")),
        (header(1, ours), None),
        (header(2, ours), None),
        (Vec::new(), None),
    ] {
        fs::write(data.join("rounds.db"), &bytes).unwrap();
        match said {
            Some(part) => {
                let (setting, said) = desk.failure("config check parent.toml");
                assert_eq!(setting, "storage.folder");
                assert!(said.contains(part) && said.contains("rounds.db"), "{said}");
            }
            None => assert_eq!(desk.json("config check parent.toml").0, Some(0)),
        }
        assert!(fs::read(data.join("rounds.db")).unwrap() == bytes);
    }
}

#[test]
fn a_password_in_the_wrong_place_is_refused_and_not_repeated() {
    let desk = Desk::new();
    for (line, says) in [
        ("database = [\"postgresql://u:hidden@h/n\"]", "line 5"),
        ("database = \"postgresql://u:hidden@h/n", "line 5"),
        (
            "endpoint = \"https://key:hidden@store.example\"",
            "storage.endpoint",
        ),
    ] {
        let text = format!(
            "[enclave]\naddress = \"tcp:127.0.0.1:1\"\n[storage]\nkind = \"shared\"\n{line}\nbucket = \"s3://rounds\"\nadvertise = \"https://one.example\"\nspool = \"spool\"\n"
        );
        desk.write("parent.toml", &text);
        for line in [
            "config check parent.toml",
            "config show parent.toml",
            "--config parent.toml",
        ] {
            let ended = desk.run(line);
            let text = said(&ended);
            assert_eq!(ended.status.code(), Some(2), "{text}");
            assert!(text.contains(says) && !text.contains("hidden"), "{text}");
        }
    }
}

#[test]
fn a_misspelt_variable_ends_a_start_and_others_variables_do_not() {
    let desk = Desk::new();
    for (name, meant) in [
        ("SEALSUM_LISTENN", "did you mean SEALSUM_LISTEN?"),
        (
            "SEALSUM_MAX_UPDATE_MB",
            "did you mean SEALSUM_MAX_UPDATE_MIB?",
        ),
        ("SEALSUM__ACESS__TOKENS", "stands for no setting; rename it"),
        ("SEALSUM__CLIENTS", "SEALSUM__CLIENTS__KEY"),
    ] {
        // A start, which would go on for ever, and the check before it.
        for line in ["--config parent.toml", "config check parent.toml"] {
            let ended = desk
                .command(line)
                .env(name, "127.0.0.1:0")
                .output()
                .unwrap();
            let text = said(&ended);
            assert_eq!(ended.status.code(), Some(2), "{text}");
            assert!(text.contains(name) && text.contains(meant), "{text}");
        }
    }
    let mut command = desk.command("config check parent.toml");
    command.envs([
        ("SEALSUM_PARENT_KEY", "client.key"),
        ("SEALSUM_PARENT_TOKEN_FILE", "client.token"),
        ("SEALSUM_CUT_SEEDS", "1..2"),
        ("SEALSUM_TEST_DATABASE", "x"),
        ("SEALSUM_SERVICE_HOST", "10.0.0.1"),
        ("SEALSUM_PORT_8480_TCP_ADDR", "10.0.0.1"),
    ]);
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", said(&ended));
}

#[test]
fn a_variable_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt as _;

    let desk = Desk::new();
    let spoilt = std::ffi::OsStr::from_bytes(b"/data/\xff");
    let mut command = desk.command("config check parent.toml");
    command.env("SEALSUM__STORAGE__FOLDER", spoilt);
    let ended = command.output().unwrap();
    let text = said(&ended);
    assert_eq!(ended.status.code(), Some(2), "{text}");
    assert!(text.contains("SEALSUM__STORAGE__FOLDER"), "{text}");
}

/// A level that is misspelt would be taken for a part of the program, and leave all else out.
#[test]
fn a_log_filter_that_would_log_nothing_is_refused() {
    let desk = Desk::new();
    for filter in ["inof", "=x=", "info,wran"] {
        let text = settings(&format!("[log]\nfilter = \"{filter}\"\n"));
        desk.write("parent.toml", &text);
        let (code, json) = desk.json("config check parent.toml");
        let error = json["error"].as_str().unwrap();
        assert_eq!(code, Some(2), "{json}");
        assert!(
            error.contains("log.filter") && error.contains(filter),
            "{error}"
        );
    }
    desk.write(
        "parent.toml",
        &settings("[log]\nfilter = \"warn,sealsum_parent::round=debug\"\n"),
    );
    assert_eq!(desk.json("config check parent.toml").0, Some(0));

    desk.write("parent.toml", &settings(""));
    let show = |variable: &str| {
        let mut command = desk.command("config show parent.toml --json");
        command.env("RUST_LOG", variable).output().unwrap()
    };
    // The variable may be meant for another program: it counts if it is a filter.
    for (variable, value, origin) in [
        ("debug", "debug", "RUST_LOG"),
        ("warn,tower=info", "warn,tower=info", "RUST_LOG"),
        ("my_service", "info", "default"),
    ] {
        let json: Value = serde_json::from_slice(&show(variable).stdout).unwrap();
        let settings = json["settings"].as_array().unwrap();
        let filter = settings.iter().find(|it| it["key"] == "log.filter");
        let filter = filter.unwrap();
        assert_eq!(filter["value"], value);
        assert!(
            filter["origin"].as_str().unwrap().contains(origin),
            "{filter}"
        );
    }
}

#[test]
fn with_json_a_failure_is_json_too() {
    let desk = Desk::new();
    desk.write("notes", "mine\n");
    for (line, code, exit) in [
        ("config show nowhere.toml --json", "unusable", 2),
        ("config show --jsn --json", "usage", 2),
        ("token two/words --json", "unusable", 2),
        ("token clinic --tokens notes --json", "unusable", 2),
        ("man --out notes --json", "unusable", 2),
        ("openapi --what --json", "usage", 2),
    ] {
        let ended = desk.run(line);
        let json: Value = serde_json::from_slice(&ended.stdout).expect(line);
        assert_eq!(json["error"]["code"], code, "{line}: {json}");
        assert!(
            !json["error"]["detail"].as_str().unwrap().is_empty(),
            "{line}"
        );
        assert_eq!(ended.status.code(), Some(exit), "{line}: {json}");
        assert!(ended.stderr.is_empty(), "{line}: told twice");
    }
    assert_eq!(
        fs::read_to_string(desk.path().join("notes")).unwrap(),
        "mine\n"
    );
}

#[test]
fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
    let desk = Desk::new();
    for line in [
        "openapi",
        "config show parent.toml",
        "config check parent.toml",
    ] {
        let shell = format!("\"$0\" {line} | true; echo ${{PIPESTATUS[0]}}");
        let piped = Command::new("bash")
            .args(["-c", &shell, env!("CARGO_BIN_EXE_sealsum-parent")])
            .current_dir(desk.path())
            .output()
            .unwrap();
        assert_eq!(said(&piped), "0\n", "{line}");
        let ended = desk.command(line).stdout(full()).output().unwrap();
        let text = said(&ended);
        assert_eq!(ended.status.code(), Some(2), "{line}: {text}");
        assert!(text.contains("could not be written"), "{line}: {text}");
    }
}

/// A disk that takes nothing.
fn full() -> File {
    let mut file = fs::OpenOptions::new();
    file.write(true).open("/dev/full").unwrap()
}

/// The printed token is the only one there is.
#[test]
fn a_token_that_could_not_be_handed_over_lets_nobody_in() {
    let desk = Desk::new();
    let mut command = desk.command("token clinic --tokens tokens");
    let ended = command.stdout(full()).output().unwrap();
    assert_eq!(ended.status.code(), Some(2), "{}", said(&ended));
    let kept = fs::read_to_string(desk.path().join("tokens")).unwrap();
    assert_eq!(kept, "");
    let ended = desk.run("token clinic --tokens tokens --json");
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let kept = fs::read_to_string(desk.path().join("tokens")).unwrap();
    assert_eq!(kept.trim_end(), json["line"].as_str().unwrap());
    // Nobody reads what is printed; the token is in its file.
    let out = desk.run("token other --tokens tokens --out other.token");
    assert_eq!(out.status.code(), Some(0), "{}", said(&out));
}
