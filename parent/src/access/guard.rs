//! What a request passes before anything of it is looked at: a name for it, rates, a token.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::{RateLimiter, Role, Tokens};
use crate::metrics::Metrics;
use crate::problem::{Problem, ProblemCode};
use crate::reload::Reloaded;
use crate::serve::Peer;
use crate::tls::Tls;

/// What guards one listener.
pub(crate) struct Guard {
    pub(crate) rates: RateLimiter,
    /// Without any, nobody needs one.
    pub(crate) tokens: Option<Arc<Reloaded<Tokens>>>,
    /// Whether the operator alone is served here.
    pub(crate) operator_only: bool,
    /// Of the listener, as it is now.
    pub(crate) tls: Option<Tls>,
    pub(crate) metrics: Metrics,
}

impl Guard {
    /// Stands before every path of the router.
    pub(crate) fn before(self, router: Router) -> Router {
        let guard = Arc::new(self);
        router.layer(middleware::from_fn_with_state(guard, pass))
    }

    fn judge(&self, request: &Request) -> Result<(), Problem> {
        let peer = request.extensions().get::<Peer>();
        let path = request.uri().path();
        // Whoever looks after the parent is not to lose sight of it under load.
        if OPEN.contains(&path) {
            return Ok(());
        }
        self.rates
            .admit(peer.map(|peer| peer.address.ip()))
            .map_err(Problem::too_many_requests)?;
        if let (Some(tls), Some(let_in_by)) = (&self.tls, peer.and_then(|peer| peer.tls.as_ref()))
            && !Arc::ptr_eq(&tls.current(), let_in_by)
        {
            // An authority may have been replaced to keep somebody out.
            return Err(Problem::certificates_changed());
        }
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let token = bearer(request.headers()).ok_or_else(Problem::no_token)?;
        let tokens = tokens.current();
        let (name, role) = tokens.bearer(token).ok_or_else(Problem::no_token)?;
        tracing::Span::current().record("bearer", name);
        if may(role, request.method(), self.operator_only) {
            Ok(())
        } else {
            Err(Problem::other_role())
        }
    }
}

const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// Opening, closing and aborting are posted, contributions are put, the rest is read.
const fn may(role: Role, method: &Method, operator_only: bool) -> bool {
    match role {
        Role::Operator => true,
        Role::Client if operator_only => false,
        Role::Client => !matches!(*method, Method::POST | Method::DELETE),
        Role::Observer => matches!(*method, Method::GET | Method::HEAD),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// One line a request: the path's pattern, never its ids' bodies or query.
async fn pass(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        bearer = tracing::field::Empty
    );
    let peer = request.extensions().get::<Peer>();
    let address = peer.map(|peer| tracing::field::display(peer.address));
    let begun = Instant::now();
    let mut judged = false;
    let mut response = async {
        match guard.judge(&request) {
            Ok(()) => {
                judged = true;
                next.run(request).await
            }
            Err(problem) => {
                // A client still sending may lose the answer if its connection closes unread.
                crate::upload::drain_body(request.into_body()).await;
                problem.into_response()
            }
        }
    }
    .instrument(span.clone())
    .await;
    let took = begun.elapsed();
    // Set by the router on its way out; what matched nothing is one series, whatever it asked for.
    let path = response.extensions_mut().remove::<MatchedPath>();
    let path = path.as_ref().map_or(
        if judged { "unmatched" } else { "refused" },
        MatchedPath::as_str,
    );
    let status = response.status().as_u16();
    guard.metrics.answered(known(&method), path, status, took);
    let code = response.extensions().get::<ProblemCode>().copied();
    if let Some(ProblemCode(code)) = code {
        guard.metrics.refused(code);
    }
    span.in_scope(|| {
        let code = code.map(|code| code.0);
        if let Some(refused @ ("token" | "token_role")) = code {
            tracing::warn!(%method, address, code = refused, "a request was turned away");
        } else if matches!(method, Method::POST | Method::DELETE) {
            // What the operator did, and who it was.
            tracing::info!(%method, path, status, code, "the operator asked");
        }
        tracing::debug!(
            %method,
            path,
            status,
            code,
            millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    response.headers_mut().insert(REQUEST_ID, id);
    if matches!(code, Some(ProblemCode(CERTIFICATES_CHANGED))) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// The methods of the interface; others are one series.
const fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// The caller's own id for the request, if it is one word; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |value: &&HeaderValue| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        (1..=64).contains(&value.len()) && value.as_bytes().iter().all(plain)
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(plain) {
        return given.clone();
    }
    let mut random = [0; 8];
    // Without randomness, ids repeat; nothing rests on them.
    let _ = getrandom::fill(&mut random);
    HeaderValue::from_str(&hex::encode(random)).unwrap_or(NO_ID)
}

/// Puts the pattern of a request's path into its response.
pub(crate) async fn keep_pattern(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if response.status() == StatusCode::BAD_REQUEST && !is_problem(&response) {
        // A path that is no Unicode: the framework's own word for it, in our form.
        response = Problem::malformed("the path can't be read: it is not percent-encoded UTF-8")
            .into_response();
    }
    if let Some(path) = path {
        response.extensions_mut().insert(path);
    }
    response
}

fn is_problem(response: &Response) -> bool {
    response.extensions().get::<ProblemCode>().is_some()
}

const CERTIFICATES_CHANGED: &str = "certificates_changed";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NO_ID: HeaderValue = HeaderValue::from_static("none");

/// Refusals before anything was looked at.
impl Problem {
    fn too_many_requests(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests",
            format!(
                "more requests came than this parent answers in a second; try again in {seconds} s"
            ),
        )
        .retry_after(seconds)
    }

    fn certificates_changed() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            CERTIFICATES_CHANGED,
            "Connect again",
            "this address's certificates changed since the connection was made, and it ends here; the next one is judged by those that count now",
        )
        .retry_after(0)
    }

    fn no_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "token",
            "No token, or one that is not known",
            "this address answers to who has a token for it; it is sent as Authorization: Bearer TOKEN (sealsum --parent-token-file)",
        )
    }

    fn other_role() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "token_role",
            "The token is for something else",
            "the token is known, and its role does not allow this here: observers read, clients contribute at the clients' address, operators open, close and abort",
        )
    }
}
