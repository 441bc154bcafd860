use super::*;

async fn shown(problem: Problem) -> (StatusCode, Response, serde_json::Value) {
    let status = problem.clone().into_response().status();
    let response = problem.clone().into_response();
    let body = axum::body::to_bytes(problem.into_response().into_body(), 10_000)
        .await
        .unwrap();
    (status, response, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn a_problem_is_rfc_9457_with_a_code() {
    let (status, response, json) = shown(UploadRejection::Commitment.into()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
    assert_eq!(
        json,
        serde_json::json!({
            "type": "/problems/commitment_mismatch",
            "title": "The upload is not taken",
            "status": 422,
            "detail": "the masked update is not the one that its commitment names; send it again whole",
            "code": "commitment_mismatch",
        })
    );
}

#[tokio::test]
async fn an_enclave_out_of_reach_says_when_to_try_again_and_not_where_it_is() {
    let error = LinkError::Unreachable {
        address: "unix:/secret/place".parse().unwrap(),
        source: std::io::ErrorKind::NotFound.into(),
    };
    let (status, response, json) = shown(RoundError::Link(error).into()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(json["code"], "enclave_unreachable");
    assert!(!json.to_string().contains("/secret/place"));
}

#[tokio::test]
async fn a_refusal_keeps_the_enclaves_code() {
    let refusal = Refusal::CohortTooSmall {
        size: 2,
        minimum: 3,
    };
    let (status, _, json) = shown(LinkError::Refused(refusal).into()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(json["code"], "cohort_too_small");
    assert_eq!(json["detail"], refusal.to_string());
    assert_eq!(Problem::from(RoundError::Lost).status(), 410);
}

#[test]
fn storage_details_stay_in_the_log() {
    let error = StorageError::Io {
        action: "write",
        path: "/secret/place".into(),
        source: std::io::ErrorKind::StorageFull.into(),
    };
    let problem = Problem::from(RoundError::Storage(error));
    assert_eq!((problem.status(), problem.code()), (507, "storage"));
    assert!(!format!("{problem:?}").contains("/secret/place"));
}
