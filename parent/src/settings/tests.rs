use std::path::Path;

use super::*;

fn layers(flags: &[(&'static str, &str)]) -> Vec<Layer> {
    flags
        .iter()
        .map(|(key, value)| Layer::flag("--flag", key, *value))
        .collect()
}

const LEAST: [(&str, &str); 2] = [
    ("enclave.address", "tcp:127.0.0.1:5005"),
    ("storage.folder", "/tmp/data"),
];

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn refused(text: &str) -> String {
    let file = file(text);
    let settings = read(Some(file.path()), layers(&LEAST));
    let said = settings
        .and_then(Settings::into_config)
        .unwrap_err()
        .to_string();
    said.replace(file.path().to_str().unwrap(), "FILE")
}

fn sample() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/sealsum-parent.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_sample_is_taken_and_says_the_defaults() {
    let commented = file(&sample());
    let config = read(Some(commented.path()), [])
        .unwrap()
        .into_config()
        .unwrap();
    assert_eq!(config.enclave.to_string(), "vsock:16:5005");
    assert_eq!(config.clients.address, DEFAULT_LISTEN);
    assert!(config.operator.is_none());
    assert_eq!(config.on_shutdown, OnShutdown::Abort);
    let defaults = Limits::default();
    assert_eq!(format!("{:?}", config.limits), format!("{defaults:?}"));

    // And with every comment that shows a key taken out of its comment.
    let shown: String = sample()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.starts_with('[') || is_key(key) => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let full = file(&shown);
    let config = read(Some(full.path()), []).unwrap().into_config().unwrap();
    let operator = config.operator.unwrap();
    assert_eq!(operator.address.port(), 8481);
    assert!(operator.tls.unwrap().client_authority.is_some());
    assert!(config.clients.tls.is_some() && config.clients.tokens.is_some());
    assert_eq!(config.operators.len(), 1);
    let said = Limits {
        rates: config.limits.rates,
        keep: config.limits.keep,
        ..Limits::default()
    };
    assert_eq!(config.limits.rates.all, Some(5000));
    assert_eq!(config.limits.keep, Some(Duration::from_hours(365 * 24)));
    assert_eq!(
        format!("{:?}", config.limits),
        format!("{said:?}"),
        "the sample shows other defaults than there are"
    );
}

fn is_key(line: &str) -> bool {
    line.split_once(" = ")
        .is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}

#[test]
fn what_is_not_set_and_needed_is_named_with_its_flag() {
    let said = read(None, [])
        .unwrap()
        .into_config()
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("enclave.address") && said.contains("--enclave"),
        "{said}"
    );
    let enclave = layers(&LEAST[..1]);
    let said = read(None, enclave)
        .unwrap()
        .into_config()
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("storage.folder") && said.contains("--data"),
        "{said}"
    );
}

#[test]
fn a_misspelt_key_is_refused_with_its_line_and_what_there_is() {
    let said = refused("[limits]\nconections = 5\n");
    assert!(
        said.contains("in FILE") && said.contains("line 2"),
        "{said}"
    );
    assert!(
        said.contains("conections") && said.contains("connections"),
        "{said}"
    );
    assert!(refused("[limit]\n").contains("limit"));
    assert!(refused("listen = \"127.0.0.1:1\"\n").contains("listen"));
}

#[test]
fn values_that_are_none_are_refused_by_their_key() {
    for (text, parts) in [
        (
            "[clients]\nlisten = \"localhost\"\n",
            ["line 2", "socket address"],
        ),
        ("[limits]\nconnections = 0\n", ["limits.connections", "0"]),
        (
            "[limits]\nconnections = 4611686018427387904\n",
            ["limits.connections", "more than"],
        ),
        (
            "[limits]\nhead_seconds = 9223372036854775807\n",
            ["limits.head_seconds", "more than"],
        ),
        ("[limits]\nconnections = -1\n", ["line 2", "-1"]),
        ("[operator]\nkeys = [\"12ab\"]\n", ["operator.keys", "12ab"]),
        ("on_shutdown = \"now\"\n", ["now", "abort"]),
        (
            "[clients.tls]\ncertificate = \"a\"\n",
            ["clients.tls has no", "key"],
        ),
        (
            "[log]\nfilter = \"=,,info=!!\"\n",
            ["log.filter", "=,,info=!!"],
        ),
        (
            "[clients]\nlisten = \"127.0.0.1:5\"\n[operator]\nlisten = \"127.0.0.1:5\"\n",
            ["clients.listen and operator.listen", "127.0.0.1:5"],
        ),
        ("this is no toml", ["in FILE", "line 1"]),
    ] {
        let said = refused(text);
        for part in parts {
            assert!(said.contains(part), "{text:?}: {said}");
        }
    }
}

#[test]
fn flags_go_over_the_environment_and_that_over_the_file() {
    let file =
        file("[clients]\nlisten = \"127.0.0.1:1\"\n[limits]\nconnections = 7\nhead_seconds = 3\n");
    let mut over = layers(&LEAST);
    over.extend(Layer::environment("SEALSUM__LIMITS__CONNECTIONS", "8"));
    over.extend(Layer::environment(
        "SEALSUM__CLIENTS__LISTEN",
        "127.0.0.1:2",
    ));
    over.extend(Layer::environment("SEALSUM_LISTEN", "127.0.0.1:9"));
    over.push(Layer::flag("--listen", "clients.listen", "127.0.0.1:3"));
    let config = read(Some(file.path()), over)
        .unwrap()
        .into_config()
        .unwrap();
    assert_eq!(config.clients.address.port(), 3);
    assert_eq!(config.limits.connections, 8);
    assert_eq!(config.limits.head, Duration::from_secs(3));
}

#[test]
fn a_single_file_of_tls_may_come_from_the_environment() {
    let text = "[clients.tls]\ncertificate = \"a.pem\"\n";
    let file = file(text);
    let mut over = layers(&LEAST);
    over.extend(Layer::environment("SEALSUM__CLIENTS__TLS__KEY", "b.key"));
    let config = read(Some(file.path()), over)
        .unwrap()
        .into_config()
        .unwrap();
    let files = config.clients.tls.unwrap();
    // The file's paths lie beside it, the environment's where the program was started.
    assert_eq!(files.certificate, file.path().with_file_name("a.pem"));
    assert_eq!(files.key, Path::new("b.key"));
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    for (name, value) in [
        ("SEALSUM__LIMITS__CONECTIONS", "8"),
        ("SEALSUM__LIMITS__CONNECTIONS", "many"),
        ("SEALSUM__LIMITS", "8"),
        ("SEALSUM__", "8"),
        ("SEALSUM__ON_SHUTDOWN__X", "8"),
    ] {
        let layer = Layer::environment(name, value);
        let said = read(None, layer).unwrap_err().to_string();
        assert!(said.contains(&format!("variable {name}:")), "{said}");
    }
}

#[test]
fn the_operators_paths_are_never_open_to_strangers_by_accident() {
    let guarded = "tokens = \"tokens\"\n";
    let tls = "[operator.tls]\ncertificate = \"c\"\nkey = \"k\"\n";
    let certified = &format!("{tls}client_authority = \"a\"\n");
    for (operator, clients, refusal) in [
        ("", "0.0.0.0:1", Some("--operator-listen")),
        ("listen = \"127.0.0.1:2\"\n", "0.0.0.0:1", None),
        (
            "listen = \"0.0.0.0:2\"\n",
            "0.0.0.0:1",
            Some("operator.tokens"),
        ),
        (
            "listen = \"0.0.0.0:2\"\nplaintext = true\n",
            "0.0.0.0:1",
            Some("operator.tokens"),
        ),
        (
            &format!("listen = \"0.0.0.0:2\"\n{tls}"),
            "0.0.0.0:1",
            Some("client_authority"),
        ),
        (
            &format!("listen = \"0.0.0.0:2\"\n{guarded}"),
            "0.0.0.0:1",
            Some("in the clear"),
        ),
        (
            &format!("listen = \"0.0.0.0:2\"\n{guarded}plaintext = true\n"),
            "0.0.0.0:1",
            None,
        ),
        (
            &format!("listen = \"0.0.0.0:2\"\n{guarded}{tls}"),
            "0.0.0.0:1",
            None,
        ),
        (
            &format!("listen = \"0.0.0.0:2\"\n{certified}"),
            "0.0.0.0:1",
            None,
        ),
        (guarded, "127.0.0.1:1", Some("operator.listen is not")),
    ] {
        let text = format!("[clients]\nlisten = \"{clients}\"\n[operator]\n{operator}");
        let file = file(&text);
        let config = read(Some(file.path()), layers(&LEAST)).and_then(Settings::into_config);
        match (config, refusal) {
            (Ok(_), None) => {}
            (Err(error), Some(words)) => {
                assert!(error.to_string().contains(words), "{text}: {error}");
            }
            (Ok(_), Some(_)) => panic!("taken: {text}"),
            (Err(error), None) => panic!("{text}: {error}"),
        }
    }
}
