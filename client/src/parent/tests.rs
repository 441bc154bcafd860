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

#[tokio::test]
async fn https_needs_nothing_but_its_url() {
    assert_eq!(
        Parent::new("https://parent.example").unwrap().url(),
        "https://parent.example/"
    );
}

#[tokio::test]
async fn what_a_parent_is_reached_by_is_checked_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let token = Some(file("token", "sealsum_12\n"));
    let authority = Some(file("authority.pem", "no certificate"));
    let reach = |url: &str, reach: Reach| Parent::reached(url, &reach).err();
    let with_token = || Reach {
        token: token.clone(),
        ..Reach::default()
    };
    for url in [
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://localhost:1",
        "https://far.example",
    ] {
        assert!(reach(url, with_token()).is_none(), "{url}");
    }
    for url in [
        "http://far.example",
        "http://127.0.0.1.far.example",
        "http://192.0.2.1",
    ] {
        let refused = reach(url, with_token());
        assert!(
            matches!(refused, Some(ParentError::TokenInTheClear(_))),
            "{url}"
        );
    }
    let with_authority = || Reach {
        authority: authority.clone(),
        ..Reach::default()
    };
    let refused = reach("http://127.0.0.1:1", with_authority());
    assert!(matches!(refused, Some(ParentError::NotHttps(_))));
    let refused = reach("https://far.example", with_authority()).unwrap();
    assert!(refused.to_string().contains("authority.pem"), "{refused}");
    for spoilt in [file("lines", "a\nb"), folder.path().join("missing")] {
        let spoilt = Reach {
            token: Some(spoilt),
            ..Reach::default()
        };
        let refused = reach("https://far.example", spoilt);
        assert!(matches!(refused, Some(ParentError::ReachFile { .. })));
    }
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

/// A server that sends every call on to `target`, and counts.
async fn sending_on(target: Option<String>) -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let target = target.unwrap_or_else(|| url.clone());
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri| {
        counter.fetch_add(1, Ordering::SeqCst);
        let to = format!("{target}{uri}");
        async move {
            (
                axum::http::StatusCode::TEMPORARY_REDIRECT,
                [(axum::http::header::LOCATION, to)],
            )
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, asked)
}

#[tokio::test]
async fn a_call_goes_where_its_round_is_worked_and_never_in_circles() {
    let round_id = RoundId::new([1; 32]);
    let (busy, asked) = busy().await;
    let (url, sent_on) = sending_on(Some(busy.url().trim_end_matches('/').to_owned())).await;
    let once = |url: &str| {
        Parent::new(url)
            .unwrap()
            .with_patience(Patience::new(Duration::ZERO))
    };
    let answer = once(&url).round(&round_id).await;
    assert!(
        matches!(&answer, Err(ParentError::Problem { status: 503, .. })),
        "{answer:?}"
    );
    assert_eq!(
        (sent_on.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)),
        (1, 1)
    );

    let (url, sent_on) = sending_on(None).await;
    let answer = once(&url).round(&round_id).await;
    assert!(matches!(answer, Err(ParentError::Astray)), "{answer:?}");
    assert_eq!(sent_on.load(Ordering::SeqCst), 4);

    // Whatever listens there, TLS is not begun or given up because a parent says so.
    let (url, _) = sending_on(Some("https://127.0.0.1:1".to_owned())).await;
    let answer = once(&url).round(&round_id).await;
    assert!(
        matches!(answer, Err(ParentError::Downgraded(_))),
        "{answer:?}"
    );
}

/// A parent that answers the first page, the second, and so on; the last one again and again.
async fn paging(pages: Vec<serde_json::Value>) -> (Parent, Arc<std::sync::Mutex<Vec<String>>>) {
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let queries = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = axum::Router::new().fallback(move |uri: axum::http::Uri| {
        let mut queries = queries.lock().unwrap();
        let page = pages[queries.len().min(pages.len() - 1)].clone();
        queries.push(uri.query().unwrap_or_default().to_owned());
        async move { axum::Json(page) }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    (Parent::new(&url).unwrap(), asked)
}

fn summary(task: &str, number: u64) -> serde_json::Value {
    serde_json::json!({
        "round_id": "ab".repeat(32), "task": task, "round_number": number, "phase": "collecting",
        "intake": "stream", "kem": "x25519", "rule": "mean", "dimension": 8, "ring_bits": 20,
        "min_cohort": 3, "max_cohort": 6, "contributions": 0, "cohort_size": null,
        "boundary_bytes": 0,
    })
}

#[tokio::test]
async fn a_list_is_read_page_after_page_by_what_each_says_comes_next() {
    let page = |number, next: Option<&str>| {
        let rounds = [summary("wards", number), summary("other", number)];
        serde_json::json!({ "rounds": rounds, "next": next })
    };
    let (parent, asked) = paging(vec![
        page(1, Some("1-a&b")),
        page(2, Some("x")),
        page(3, None),
    ])
    .await;
    let filter = RoundFilter {
        task: Some("wards".parse().unwrap()),
        phase: None,
    };
    // A parent that knows no filter has told all; a filter takes what it asked for.
    let rounds = parent.rounds(&filter).await.unwrap();
    let numbers: Vec<u64> = rounds.iter().map(|round| round.round_number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert_eq!(
        *asked.lock().unwrap(),
        [
            "task=wards",
            "task=wards&after=1-a%26b",
            "task=wards&after=x"
        ]
    );
    // One that knows no pages says nothing of a next one.
    let all = serde_json::json!({ "rounds": [summary("wards", 1)] });
    let (parent, asked) = paging(vec![all]).await;
    let rounds = parent.rounds(&RoundFilter::default()).await.unwrap();
    assert_eq!((rounds.len(), asked.lock().unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let empty = serde_json::json!({ "rounds": [], "next": "x" });
    let (parent, asked) = paging(vec![empty]).await;
    let refused = parent.rounds(&RoundFilter::default()).await;
    assert!(
        matches!(refused, Err(ParentError::Form { .. })),
        "{refused:?}"
    );
    assert_eq!(asked.lock().unwrap().len(), 1);

    // 8 MiB a page, again and again.
    let padding = "x".repeat(8 << 20);
    let endless = serde_json::json!({ "rounds": [summary(&padding, 1)], "next": "x" });
    let (parent, asked) = paging(vec![endless]).await;
    let refused = parent.rounds(&RoundFilter::default()).await;
    assert!(
        matches!(refused, Err(ParentError::TooLong { .. })),
        "{refused:?}"
    );
    assert!(asked.lock().unwrap().len() <= 9);
}
