//! A parent that lies: a proxy before an honest one, which records what passes and
//! falsifies answers as a test tells it to.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use sealsum_protocol::canonical::encode;
use sealsum_testkit::hostile::lies::told;
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// One answer that a client was given.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Path and query that it answers.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The body, lies and all.
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
    answered: Mutex<Vec<Answered>>,
    invented: Mutex<Vec<(String, Vec<u8>)>>,
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
            client: crate::wire::http(),
            seen: Mutex::default(),
            answered: Mutex::default(),
            invented: Mutex::default(),
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

    /// From now on `edit` changes the answers of type `T` to paths that contain `part`.
    pub fn lie_in<T: Serialize + DeserializeOwned>(
        &self,
        part: &'static str,
        edit: impl Fn(&mut T) + Send + 'static,
    ) {
        self.lie(move |seen, body| {
            Some(if seen.path.contains(part) {
                told(&body, &edit)
            } else {
                body
            })
        });
    }

    /// From now on, a request whose path contains `part` is answered with `value`, and nobody
    /// else hears of it.
    pub fn invent<T: Serialize>(&self, part: &str, value: &T) {
        let invented = (part.to_owned(), encode(value));
        self.shared.invented.lock().unwrap().push(invented);
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
        self.shared.invented.lock().unwrap().clear();
    }

    /// What has passed so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// What clients were answered so far.
    #[must_use]
    pub fn answered(&self) -> Vec<Answered> {
        self.shared.answered.lock().unwrap().clone()
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
    let kind = parts.headers.get("content-type").cloned();
    let invented = shared.invention(&seen.path);
    let (status, kind, body) = match invented {
        Some(body) => (StatusCode::OK, None, body),
        None => shared.ask_upstream(parts.method, &seen, kind).await,
    };
    shared.answered.lock().unwrap().push(Answered {
        path: seen.path,
        status: status.as_u16(),
        body: body.clone(),
    });
    let mut response = Response::builder().status(status);
    if let Some(kind) = kind {
        response = response.header("content-type", kind);
    }
    response.body(Body::from(body)).unwrap()
}

impl Shared {
    fn invention(&self, path: &str) -> Option<Vec<u8>> {
        let invented = self.invented.lock().unwrap();
        let found = invented.iter().rfind(|(part, _)| path.contains(part));
        found.map(|(_, body)| body.clone())
    }

    async fn ask_upstream(
        &self,
        method: Method,
        seen: &Seen,
        kind: Option<HeaderValue>,
    ) -> (StatusCode, Option<HeaderValue>, Vec<u8>) {
        let target = match self.redirect.lock().unwrap().as_ref() {
            Some((from, to)) => seen.path.replace(from, to),
            None => seen.path.clone(),
        };
        let mut upstream = self
            .client
            .request(method, format!("{}{}", self.upstream, target))
            .body(seen.body.clone());
        if let Some(kind) = kind {
            upstream = upstream.header("content-type", kind);
        }
        let answer = upstream.send().await.unwrap();
        let status = answer.status();
        let kind = answer.headers().get("content-type").cloned();
        let body = answer.bytes().await.unwrap().to_vec();
        if !status.is_success() {
            return (status, kind, body);
        }
        match self.lie.lock().unwrap().as_ref() {
            Some(lie) => match lie(seen, body) {
                Some(body) => (status, kind, body),
                None => (StatusCode::BAD_GATEWAY, None, Vec::new()),
            },
            None => (status, kind, body),
        }
    }
}
