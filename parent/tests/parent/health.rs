//! What whoever looks after a parent is told: whether it serves, whether it can take
//! contributions, and its counts.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use sealsum_protocol::{Intake, RoundId};
use serde_json::json;

use crate::stage::{Answer, Contribution, DIMENSION, Stage};

/// A series' value in the metrics.
fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| {
        line.strip_prefix(series)
            .is_some_and(|rest| rest.starts_with(' '))
    });
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

pub(crate) async fn metrics(stage: &Stage) -> String {
    let answer = stage.get("/metrics").await;
    assert!(
        answer
            .content_type
            .starts_with("application/openmetrics-text")
    );
    String::from_utf8(answer.body).unwrap()
}

#[tokio::test]
async fn ready_is_when_the_enclave_answers_and_live_is_always() {
    let mut stage = Stage::new().await;
    stage.ends.watch = Duration::from_millis(20);
    stage.restart_parent().await;
    until(&stage, StatusCode::OK).await;
    let answer = stage.get("/readyz").await;
    assert_eq!(
        answer.json(),
        json!({"ready": true, "rounds_loaded": true, "enclave_answers": true, "collecting": 0})
    );
    let address = stage.enclave.address;
    stage.enclave.stop();
    let answer = until(&stage, StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(answer.json()["enclave_answers"], false);
    assert_eq!(
        value(&metrics(&stage).await, "sealsum_parent_enclave_reachable"),
        0.0
    );
    assert_eq!(stage.get("/healthz").await.json()["status"], "ok");
    stage.enclave = crate::fake_enclave::FakeEnclave::start(address).await;
    until(&stage, StatusCode::OK).await;
}

async fn until(stage: &Stage, status: StatusCode) -> Answer {
    for _ in 0..500 {
        let answer = stage.get("/readyz").await;
        if answer.status == status {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("readyz did not become {status}");
}

#[tokio::test]
async fn the_counts_are_those_of_what_happened() {
    let stage = Stage::new().await;
    let round: RoundId = stage.open(Intake::Presum, DIMENSION).await;
    let left = stage.open(Intake::Stream, DIMENSION).await;
    let mut bytes = 0;
    for client in 1..=4 {
        let contribution = Contribution::new(round, client, DIMENSION);
        bytes += contribution.bytes().len();
        assert_eq!(stage.put(&contribution).await.status, StatusCode::OK);
    }
    let nonce = format!("/v1/rounds/{round}/offer?nonce={round}");
    assert_eq!(stage.get(&nonce).await.status, StatusCode::OK);
    stage.post(&format!("/v1/rounds/{left}/abort")).await;
    stage.post(&format!("/v1/rounds/{round}/close")).await;
    let metrics = metrics(&stage).await;
    for (series, expected) in [
        ("rounds{phase=\"released\"}", 1.0),
        ("rounds{phase=\"aborted\"}", 1.0),
        ("rounds{phase=\"collecting\"}", 0.0),
        ("rounds_ended_total{phase=\"released\"}", 1.0),
        ("contributions_total", 4.0),
        ("upload_bytes_total", bytes as f64),
        ("upload_duration_seconds_count", 4.0),
        ("joins_total", 1.0),
        // One for each round's archive, one for who joined.
        ("attestations_total", 3.0),
        ("cohort_size_sum", 4.0),
        ("cohort_size_count", 1.0),
        (
            "enclave_round_trip_seconds_count{command=\"open_round\"}",
            2.0,
        ),
        ("enclave_reachable", 1.0),
    ] {
        let found = value(&metrics, &format!("sealsum_parent_{series}"));
        assert_eq!(found, expected, "{series}");
    }
    let crossed: f64 = ["to_enclave", "from_enclave"]
        .map(|way| {
            let series = format!("sealsum_parent_boundary_bytes_total{{direction=\"{way}\"}}");
            value(&metrics, &series)
        })
        .iter()
        .sum();
    let of_rounds: u64 = stage.get("/v1/rounds").await.json()["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|round| round["boundary_bytes"].as_u64().unwrap())
        .sum();
    assert!(crossed >= of_rounds as f64, "{crossed} of {of_rounds}");
}

#[tokio::test]
async fn the_interface_that_is_served_is_the_one_that_is_described() {
    let stage = Stage::new().await;
    let described = stage.get("/openapi.json").await.json();
    assert_eq!(
        described["openapi"].as_str().unwrap().split('.').next(),
        Some("3")
    );
    let paths = described["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 19, "{:?}", paths.keys());
    let id = "0".repeat(64);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            let filled = path
                .replace("{round_id}", &id)
                .replace("{client_id}", &id)
                .replace("{task}", "triage")
                .replace("{schedule_id}", &id);
            let method = method.to_uppercase().parse().unwrap();
            let answer = stage.call(method, &filled, vec![]).await;
            let code = match answer.content_type.as_str() {
                "application/problem+json" => answer.code(),
                _ => String::new(),
            };
            assert!(
                !["unknown_path", "method"].contains(&&*code),
                "{path}: {code}"
            );
            assert!(
                operation["summary"].is_string(),
                "{path} says nothing of itself"
            );
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let told = response["description"].as_str().unwrap_or_default();
                assert!(!told.is_empty(), "{path} says nothing of {status}");
            }
            let parameters = operation["parameters"].as_array();
            let parameters = parameters.into_iter().flatten();
            let named = parameters
                .clone()
                .map(|it| (it["name"].to_string(), it["in"].to_string()));
            let distinct = named.collect::<BTreeSet<_>>().len();
            assert_eq!(distinct, parameters.count(), "{path} has a parameter twice");
        }
    }
}
