//! A parent that lies: a proxy before an honest one, which records what passes and
//! falsifies answers as a test tells it to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

/// One request that passed.
#[derive(Clone, Debug)]
pub struct Seen {
    /// GET, PUT, ...
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The request's body.
    pub body: Vec<u8>,
}

type Lie = Box<dyn Fn(&Seen, Vec<u8>) -> Option<Vec<u8>> + Send>;

/// The proxy. It ends with the test.
pub struct LyingParent {
    /// Its URL.
    pub url: String,
    shared: Arc<Shared>,
    _runtime: tokio::runtime::Runtime,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    seen: Mutex<Vec<Seen>>,
    lie: Mutex<Option<Lie>>,
    redirect: Mutex<Option<(String, String)>>,
}

impl LyingParent {
    /// Starts before `upstream`, honest at first.
    #[must_use]
    pub fn before(upstream: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            client: reqwest::Client::new(),
            seen: Mutex::default(),
            lie: Mutex::default(),
            redirect: Mutex::default(),
        });
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            shared,
            _runtime: runtime,
        }
    }

    /// From now on `lie` may replace the body of a successful answer; `None` drops
    /// the connection's answer (the client sees a failure).
    pub fn lie(&self, lie: impl Fn(&Seen, Vec<u8>) -> Option<Vec<u8>> + Send + 'static) {
        *self.shared.lie.lock().unwrap() = Some(Box::new(lie));
    }

    /// From now on, what is asked of one path is answered by another: `from` in the path
    /// becomes `to`.
    pub fn redirect(&self, from: &str, to: &str) {
        *self.shared.redirect.lock().unwrap() = Some((from.to_owned(), to.to_owned()));
    }

    /// Tells the truth again.
    pub fn be_honest(&self) {
        *self.shared.redirect.lock().unwrap() = None;
        *self.shared.lie.lock().unwrap() = None;
    }

    /// What has passed so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The bodies of contributions that clients sent, in order.
    #[must_use]
    pub fn uploads(&self) -> Vec<Vec<u8>> {
        self.seen()
            .into_iter()
            .filter(|seen| seen.method == "PUT")
            .map(|seen| seen.body)
            .collect()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let body = to_bytes(body, 1 << 30).await.unwrap().to_vec();
    let seen = Seen {
        method: parts.method.to_string(),
        path,
        body,
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let target = match shared.redirect.lock().unwrap().as_ref() {
        Some((from, to)) => seen.path.replace(from, to),
        None => seen.path.clone(),
    };
    let mut upstream = shared
        .client
        .request(parts.method, format!("{}{}", shared.upstream, target))
        .body(seen.body.clone());
    if let Some(kind) = parts.headers.get("content-type") {
        upstream = upstream.header("content-type", kind);
    }
    let answer = upstream.send().await.unwrap();
    let status = answer.status();
    let kind = answer.headers().get("content-type").cloned();
    let mut body = answer.bytes().await.unwrap().to_vec();
    if status.is_success()
        && let Some(lie) = shared.lie.lock().unwrap().as_ref()
    {
        match lie(&seen, body) {
            Some(lied) => body = lied,
            None => {
                return Response::builder()
                    .status(StatusCode::BAD_GATEWAY)
                    .body(Body::empty())
                    .unwrap();
            }
        }
    }
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(body)).unwrap()
}
