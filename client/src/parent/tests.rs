use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[test]
fn a_parent_has_an_http_url() {
    assert_eq!(
        Parent::new("http://127.0.0.1:8080").unwrap().url(),
        "http://127.0.0.1:8080/"
    );
    assert_eq!(
        Parent::new("http://host/below").unwrap().url(),
        "http://host/below/"
    );
    for not_one in ["", "127.0.0.1:8080", "ftp://host", "unix:/run/parent"] {
        assert!(
            matches!(Parent::new(not_one), Err(ParentError::Url(_))),
            "{not_one}"
        );
    }
}

#[test]
fn https_is_refused_with_its_reason() {
    let error = Parent::new("https://parent.example").err().unwrap();
    assert!(matches!(error, ParentError::Https(_)));
    assert!(error.to_string().contains("http only"), "{error}");
}

/// A parent that is always busy, and counts how often it is asked.
async fn busy() -> (Parent, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let answer = move || {
        counter.fetch_add(1, Ordering::SeqCst);
        async { axum::http::StatusCode::SERVICE_UNAVAILABLE }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await });
    let patience = Patience::new(Duration::from_millis(300));
    (Parent::new(&url).unwrap().with_patience(patience), asked)
}

#[tokio::test]
async fn what_only_asks_is_asked_again_and_what_changes_a_round_is_not() {
    let round_id = RoundId::new([1; 32]);
    let (parent, asked) = busy().await;
    assert!(parent.round(&round_id).await.unwrap_err().is_temporary());
    let asks = asked.swap(0, Ordering::SeqCst);
    assert!(asks >= 2, "{asks}");
    assert!(parent.receipt(&round_id).await.is_err());
    assert!(asked.swap(0, Ordering::SeqCst) >= 2);
    assert!(parent.abort(&round_id).await.is_err());
    assert!(parent.close(&round_id).await.is_err());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}
