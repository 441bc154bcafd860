//! Who is let in, with the real programs: a round whose clients and operator come by TLS, with
//! certificates and tokens, and strangers who have neither.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use sealsum_e2e::{Enclave, Hospital, Lab, Parent, read_npy, run, say};

/// An authority of its own, and files that it signed, in the lab's folder.
fn certificates(lab: &Lab, authority: &str, names: &[&str]) {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(lab.file(&format!("{authority}.pem")), issuer.pem()).unwrap();
    for name in names {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        fs::write(lab.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(lab.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

/// Draws a token with the parent's own command: the token in a file, its line for the parent.
fn token(lab: &Lab, role: &str) -> String {
    let drawn = std::process::Command::new(sealsum_e2e::program("sealsum-parent"))
        .args(["token", role, "--role", role, "--json"])
        .output()
        .unwrap();
    let drawn: serde_json::Value = serde_json::from_slice(&drawn.stdout).unwrap();
    let file = lab.file(&format!("{role}.token"));
    fs::write(&file, drawn["token"].as_str().unwrap()).unwrap();
    fs::write(
        lab.file(&format!("{role}.tokens")),
        drawn["line"].as_str().unwrap(),
    )
    .unwrap();
    file
}

/// A parent with TLS on both listeners: clients by certificate, the operator by token.
fn guarded(lab: &Lab, enclave: &Enclave) -> Parent {
    certificates(lab, "authority", &["server", "hospital"]);
    let config = lab.file("parent.toml");
    let text = format!(
        r#"
        [clients.tls]
        certificate = "{server}.pem"
        key = "{server}.key"
        client_authority = "{authority}"
        [operator]
        listen = "127.0.0.1:0"
        tokens = "{tokens}"
        [operator.tls]
        certificate = "{server}.pem"
        key = "{server}.key"
        "#,
        server = lab.file("server"),
        authority = lab.file("authority.pem"),
        tokens = lab.file("operator.tokens"),
    );
    fs::write(&config, text).unwrap();
    let data = lab.folder().join("guarded");
    fs::create_dir(&data).unwrap();
    Parent::start_with(&data, &enclave.address, &["--config", &config])
}

#[test]
fn a_round_by_tls_certificates_and_tokens_leaves_strangers_outside() {
    let lab = Lab::start();
    let operator_token = token(&lab, "operator");
    let parent = guarded(&lab, &lab.enclave);
    assert!(
        parent.url.starts_with("https://127.0.0.1:"),
        "{}",
        parent.url
    );
    assert!(parent.operator_url.starts_with("https://"));
    let authority = lab.file("authority.pem");
    let as_operator = [
        "--parent",
        &parent.operator_url,
        "--parent-authority",
        &authority,
        "--parent-token-file",
        &operator_token,
    ];
    let (own_certificate, own_key) = (lab.file("hospital.pem"), lab.file("hospital.key"));
    let as_client = [
        "--parent",
        &parent.url,
        "--parent-authority",
        &authority,
        "--parent-certificate",
        &own_certificate,
        "--parent-key",
        &own_key,
    ];
    let opening = lab.opening("operator.key", &lab.request());
    let opening: Vec<&str> = opening.iter().map(String::as_str).collect();

    // Without the token, and with a client's certificate in its place, nothing is opened.
    let (code, detail) = say(&[&opening[..], &as_operator[..4]].concat()).refused(1);
    assert_eq!(code, "token", "{detail}");
    let opened = say(&[&opening[..], &as_operator].concat()).ok();
    let round_id = opened["round_id"].as_str().unwrap();

    let hospitals: Vec<_> = ["a", "b", "c"].map(|name| lab.hospital(name)).into();
    for (hospital, value) in hospitals.iter().zip([0.25, 0.5, 0.75]) {
        let update = lab.numbers(&format!("{}.npy", hospital.name), &[value; 20]);
        // A stranger, by the clients' own address: the handshake ends before any request.
        let contributing = contributing(hospital, round_id, &update);
        let stranger = say(&[&contributing[..], &as_client[..4]].concat());
        let (_, detail) = stranger.refused(2);
        assert!(detail.contains("--parent-certificate"), "{detail}");
        let said = say(&[&contributing[..], &as_client].concat()).ok();
        assert_eq!(said["trust"], "mock");
    }
    // A client's certificate closes no round: its address has no such path.
    let close = ["round", "close", round_id];
    let (code, _) = say(&[&close[..], &as_client].concat()).refused(1);
    assert_eq!(code, "unknown_path");
    let closed = say(&[&close[..], &as_operator].concat()).ok();
    assert_eq!(closed["phase"], "released");
    let mean = lab.file("mean.npy");
    let collecting = [
        "collect",
        "--identity",
        &hospitals[0].identity,
        "--policy",
        &hospitals[0].policy,
        round_id,
        "--out",
        &mean,
        "--mock",
    ];
    let _ = say(&[&collecting[..], &as_client].concat()).ok();
    assert!(
        read_npy(mean.as_ref())
            .iter()
            .all(|x| (x - 0.5).abs() < 1e-4)
    );

    // What can't pass by itself is said at once, with what to do.
    let status = ["round", "status", round_id];
    let unknown = [
        "--parent",
        &parent.operator_url,
        "--parent-token-file",
        &operator_token,
    ];
    let clear = parent.operator_url.replace("https", "http");
    let clear = ["--parent", &clear];
    for (reach, advice) in [
        (&unknown[..], "--parent-authority"),
        (&clear[..], "use https://"),
    ] {
        let (_, detail) = say(&[&status[..], reach].concat()).refused(2);
        assert!(detail.contains(advice), "{detail}");
    }
    let listed = say(&[&["round", "list"][..], &as_operator].concat()).ok();
    assert_eq!(listed["rounds"][0]["round_id"], round_id);

    // A token is not sent in the clear to another machine, whatever listens there.
    let far = [
        "--parent",
        "http://192.0.2.1:1",
        "--parent-token-file",
        &operator_token,
    ];
    let refused = run(&[&["round", "status", round_id][..], &far].concat());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("in the clear"), "{said}");
    let log = fs::read_to_string(lab.file("guarded/parent.log")).unwrap();
    let token = fs::read_to_string(&operator_token).unwrap();
    assert!(!log.contains(&token), "the token is in the log");
}

fn contributing<'a>(hospital: &'a Hospital, round_id: &'a str, update: &'a str) -> [&'a str; 15] {
    [
        "contribute",
        "--identity",
        &hospital.identity,
        "--policy",
        &hospital.policy,
        "--round",
        round_id,
        "--base-model",
        &hospital.base_model,
        "--update",
        update,
        "--no-refund",
        "--patience",
        "0",
        "--mock",
    ]
}
