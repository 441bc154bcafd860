//! What is the operator's: opening, closing and aborting rounds.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use sealsum_parent::{
    Config, EnclaveAddress, Limits, Listener, OnShutdown, Parent, SettingsError, StartError,
    StorageSettings, client_router, router,
};
use sealsum_protocol::{Intake, OperatorKey, canonical};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::stage::params;

pub(crate) fn config(folder: &TempDir) -> Config {
    Config {
        clients: Listener::plain("127.0.0.1:0".parse().unwrap()),
        operator: None,
        operators: Vec::new(),
        // Nobody listens there: what is refused is refused before the enclave is asked.
        enclave: EnclaveAddress::Tcp("127.0.0.1:1".to_owned()),
        storage: StorageSettings::embedded(folder.path()),
        limits: Limits::default(),
        on_shutdown: OnShutdown::Keep,
    }
}

/// The status, and the problem's code if it is one.
async fn call(
    router: axum::Router,
    method: Method,
    path: &str,
    body: Vec<u8>,
) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(Body::from(body))
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), 1 << 16)
        .await
        .unwrap();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    (
        status,
        problem["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[tokio::test]
async fn clients_can_not_open_close_or_abort() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.operator = Some(Listener::plain("127.0.0.1:0".parse().unwrap()));
    let parent = Parent::start(config).await.unwrap();
    assert_ne!(parent.address(), parent.operator_address());
    let round = format!("/v1/rounds/{}", "0".repeat(64));
    let calls = [
        ("/v1/rounds".to_owned(), "method", "enclave_unreachable"),
        (format!("{round}/close"), "unknown_path", "unknown_round"),
        (format!("{round}/abort"), "unknown_path", "unknown_round"),
    ];
    for (path, to_clients, to_operators) in calls {
        let body = canonical::encode(&params(Intake::Stream, 10));
        let clients = client_router(parent.rounds().clone());
        let (_, code) = call(clients, Method::POST, &path, body.clone()).await;
        assert_eq!(code, to_clients, "{path}");
        // The operator is understood: this enclave is down, that round is not there.
        let operators = router(parent.rounds().clone());
        let (_, code) = call(operators, Method::POST, &path, body).await;
        assert_eq!(code, to_operators, "{path}");
    }
    let clients = client_router(parent.rounds().clone());
    let (listed, _) = call(clients, Method::GET, "/v1/rounds", vec![]).await;
    assert_eq!(listed, StatusCode::OK);
    parent.shutdown().await;
}

#[tokio::test]
async fn a_parent_that_others_reach_does_not_start_with_the_operators_calls_exposed() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.clients.address = "0.0.0.0:0".parse().unwrap();
    let refused = Parent::start(config).await.err().unwrap();
    assert!(matches!(
        refused,
        StartError::Settings(SettingsError::OperatorExposed(_))
    ));
    assert!(refused.to_string().contains("--operator-listen"));
}

#[tokio::test]
async fn rounds_of_an_operator_that_the_parent_was_not_told_of_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let body = canonical::encode(&params(Intake::Stream, 10));
    let own = params(Intake::Stream, 10).params.terms().operator;
    let cases = [
        (OperatorKey::new([9; 32]), "other_operator"),
        (own, "enclave_unreachable"),
    ];
    for (operator, expected) in cases {
        let mut config = config(&folder);
        config.operators = vec![operator];
        let parent = Parent::start(config).await.unwrap();
        let operators = router(parent.rounds().clone());
        let (_, code) = call(operators, Method::POST, "/v1/rounds", body.clone()).await;
        assert_eq!(code, expected);
        parent.shutdown().await;
    }
}
