//! Who is let in at a parent's listeners, over real connections: TLS, certificates, tokens,
//! rates, places.

mod http;
mod pki;

use std::time::Duration;

use sealsum_parent::{Listener, Parent, Rates, TlsFiles, Token};

use crate::access::config;
use http::{ask, ask_over_tls, upgraded};
use pki::Pki;

async fn parent_with(
    change: impl FnOnce(&mut sealsum_parent::Config),
) -> (Parent, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.limits.reload = Duration::from_millis(10);
    config.limits.shutdown = Duration::from_millis(200);
    change(&mut config);
    (Parent::start(config).await.unwrap(), folder)
}

fn with_tls(files: TlsFiles) -> Listener {
    Listener {
        tls: Some(files),
        ..Listener::plain("127.0.0.1:0".parse().unwrap())
    }
}

#[tokio::test]
async fn tls_is_1_3_and_nothing_else_is_answered() {
    let pki = Pki::new();
    let (parent, _folder) = parent_with(|config| config.clients = with_tls(pki.server())).await;
    let answer = ask_over_tls(&parent, &pki.client(None), "GET", "/healthz", "").await;
    assert_eq!(answer.unwrap().status, 200);
    // A client that asks in the clear is not answered, nor one that has TLS 1.2 at most.
    assert!(ask(parent.address(), "GET", "/healthz", "").await.is_none());
    let older = ask_over_tls(&parent, &pki.client_of_tls_1_2(), "GET", "/healthz", "").await;
    assert!(older.is_err(), "TLS 1.2 was taken");
    // A stranger's certificate would not be believed: the test's own client checks it.
    let other = Pki::new();
    let stranger = ask_over_tls(&parent, &other.client(None), "GET", "/healthz", "").await;
    assert!(stranger.is_err());
    parent.shutdown().await;
}

#[tokio::test]
async fn where_certificates_are_wanted_only_those_of_the_authority_come_in() {
    let (pki, other) = (Pki::new(), Pki::new());
    let (parent, _folder) = parent_with(|config| {
        config.clients = with_tls(TlsFiles {
            client_authority: Some(pki.authority()),
            ..pki.server()
        });
    })
    .await;
    let ours = pki.client(Some(&pki));
    let answer = ask_over_tls(&parent, &ours, "GET", "/v1/rounds", "").await;
    assert_eq!(answer.unwrap().status, 200);
    for stranger in [pki.client(None), pki.client(Some(&other))] {
        let answer = ask_over_tls(&parent, &stranger, "GET", "/v1/rounds", "").await;
        assert!(answer.is_err(), "a stranger was answered");
    }
    parent.shutdown().await;
}

#[tokio::test]
async fn who_came_in_by_an_authority_that_is_replaced_does_not_stay() {
    let (pki, next) = (Pki::new(), Pki::new());
    let files = TlsFiles {
        client_authority: Some(pki.authority()),
        ..pki.server()
    };
    let (parent, _folder) = parent_with(|config| config.clients = with_tls(files)).await;
    let mut open = http::Open::over_tls(&parent, &pki.client(Some(&pki))).await;
    assert_eq!(open.ask("/v1/rounds").await.unwrap().status, 200);
    std::fs::copy(next.authority(), pki.authority()).unwrap();
    let stranger_now = async || {
        let again = ask_over_tls(&parent, &pki.client(Some(&pki)), "GET", "/v1/rounds", "").await;
        again.is_err()
    };
    upgraded(stranger_now).await;
    let answer = open.ask("/v1/rounds").await.unwrap();
    assert_eq!(
        (answer.status, &answer.json()["code"]),
        (503, &"certificates_changed".into())
    );
    assert!(
        open.ask("/v1/rounds").await.is_none(),
        "the connection went on"
    );
    parent.shutdown().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_restart_and_a_spoilt_one_is_not() {
    let (pki, renewed) = (Pki::new(), Pki::new());
    let files = pki.server();
    let (parent, _folder) = parent_with(|config| config.clients = with_tls(files.clone())).await;
    let client = renewed.client(None);
    let shown = async || ask_over_tls(&parent, &client, "GET", "/healthz", "").await;
    assert!(shown().await.is_err());
    // Half of it: the key is not the certificate's.
    std::fs::copy(renewed.server().certificate, &files.certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let before = ask_over_tls(&parent, &pki.client(None), "GET", "/healthz", "").await;
    assert_eq!(before.unwrap().status, 200, "the earlier goes on");
    std::fs::copy(renewed.server().key, &files.key).unwrap();
    upgraded(async || shown().await.is_ok()).await;
    parent.shutdown().await;
}

#[tokio::test]
async fn tokens_open_what_their_role_allows_and_are_withdrawn_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    let [operator, observer, client] =
        ["operator", "observer", "client"].map(|role| Token::draw(role, role, None).unwrap());
    let lines = |tokens: &[&Token]| {
        let lines: Vec<_> = tokens.iter().map(|token| token.line.as_str()).collect();
        std::fs::write(&file, lines.join("\n")).unwrap();
    };
    lines(&[&operator, &observer, &client]);
    let (parent, _folder) = parent_with(|config| {
        config.operator = Some(Listener {
            tokens: Some(file.clone()),
            ..Listener::plain("127.0.0.1:0".parse().unwrap())
        });
        config.clients.tokens = Some(file.clone());
    })
    .await;
    let at = parent.operator_address();
    let close = format!("/v1/rounds/{}/close", "0".repeat(64));
    let put = close.replace("close", &format!("contributions/{}", "0".repeat(64)));
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (method, path, token, status) in [
        ("GET", "/healthz", "", 200),
        ("GET", "/readyz", "", 503),
        ("GET", "/metrics", "", 401),
        ("GET", "/metrics", "sealsum_00", 401),
        ("GET", "/metrics", &*observer.token, 200),
        ("GET", "/v1/rounds", &*client.token, 403),
        ("GET", "/metrics", &*client.token, 403),
        ("POST", &*close, &*observer.token, 403),
        ("POST", &*close, &*client.token, 403),
        ("PUT", &*put, &*client.token, 403),
        ("PUT", &*put, &*observer.token, 403),
        // Understood: there is no such round.
        ("POST", &*close, &*operator.token, 404),
        ("PUT", &*put, &*operator.token, 404),
    ] {
        let headers = if token.is_empty() {
            String::new()
        } else {
            with(token)
        };
        let answer = ask(at, method, path, &headers).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
        let challenged = answer.head.contains("www-authenticate: Bearer");
        assert_eq!(challenged, status == 401, "{}", answer.head);
    }
    for (method, path, token, status) in [
        ("GET", "/v1/rounds", "", 401),
        ("GET", "/v1/rounds", &*client.token, 200),
        ("GET", "/v1/rounds", &*observer.token, 200),
        ("PUT", &*put, &*client.token, 404),
        ("PUT", &*put, &*operator.token, 404),
        ("PUT", &*put, &*observer.token, 403),
        ("GET", "/metrics", &*operator.token, 404),
    ] {
        let clients = parent.address();
        let answer = ask(clients, method, path, &with(token)).await.unwrap();
        assert_eq!(answer.status, status, "{method} {path} {}", answer.body);
    }
    lines(&[&observer]);
    upgraded(async || {
        ask(at, "POST", &close, &with(&operator.token))
            .await
            .unwrap()
            .status
            == 401
    })
    .await;
    // The last one too.
    std::fs::write(&file, "").unwrap();
    let look = async || ask(at, "GET", "/v1/rounds", &with(&observer.token)).await;
    upgraded(async || look().await.unwrap().status == 401).await;
    parent.shutdown().await;
}

#[tokio::test]
async fn more_requests_than_the_rate_are_told_when_to_come_again() {
    let (parent, _folder) = parent_with(|config| {
        config.limits.rates = Rates {
            all: None,
            each_address: Some(1),
        };
    })
    .await;
    let at = parent.address();
    let mut statuses = vec![];
    for _ in 0..6 {
        statuses.push(ask(at, "GET", "/v1/rounds", "").await.unwrap().status);
    }
    assert_eq!(statuses[..2], [200, 200]);
    assert!(statuses[3..].contains(&429), "{statuses:?}");
    let answer = ask(at, "GET", "/v1/rounds", "").await.unwrap();
    assert_eq!(answer.json()["code"], "rate_limited");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    // Whoever looks after it still can.
    assert_eq!(ask(at, "GET", "/healthz", "").await.unwrap().status, 200);
    parent.shutdown().await;
}

#[tokio::test]
async fn an_address_that_holds_all_its_places_is_turned_away_until_one_is_free() {
    let (parent, _folder) = parent_with(|config| config.limits.connections_per_address = 2).await;
    let held: Vec<_> = [(); 2]
        .map(|()| std::net::TcpStream::connect(parent.address()).unwrap())
        .into();
    // Connections are taken in their order, so the third finds both places held.
    assert!(ask(parent.address(), "GET", "/healthz", "").await.is_none());
    drop(held);
    upgraded(async || ask(parent.address(), "GET", "/healthz", "").await.is_some()).await;
    parent.shutdown().await;
}

#[tokio::test]
async fn who_begins_no_handshake_is_not_waited_for() {
    let pki = Pki::new();
    let (parent, _folder) = parent_with(|config| {
        config.clients = with_tls(pki.server());
        config.limits.connections = 1;
        config.limits.head = Duration::from_millis(100);
    })
    .await;
    let _silent = std::net::TcpStream::connect(parent.address()).unwrap();
    let answer = ask_over_tls(&parent, &pki.client(None), "GET", "/healthz", "").await;
    assert_eq!(
        answer.unwrap().status,
        200,
        "the silent one had the only place"
    );
    parent.shutdown().await;
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let (parent, _folder) = parent_with(|_| ()).await;
    let at = parent.address();
    let id = |head: &str| {
        let line = head.lines().find(|line| line.starts_with("x-request-id: "));
        line.unwrap()["x-request-id: ".len()..].to_owned()
    };
    let own = ask(at, "GET", "/nothing", "X-Request-Id: night-7\r\n")
        .await
        .unwrap();
    assert_eq!(id(&own.head), "night-7");
    let one = id(&ask(at, "GET", "/v1/rounds", "").await.unwrap().head);
    let two = id(&ask(at, "GET", "/v1/rounds", "").await.unwrap().head);
    assert_ne!(one, two);
    // What could break a log line is no id.
    for spoilt in ["two words", "\u{e9}", &"x".repeat(65)] {
        let headers = format!("X-Request-Id: {spoilt}\r\n");
        let answer = ask(at, "GET", "/v1/rounds", &headers).await.unwrap();
        assert_eq!(id(&answer.head).len(), 16, "{spoilt}");
    }
    parent.shutdown().await;
}
