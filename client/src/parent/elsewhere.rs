//! Parents that share their work: one that does not work a round says where it is worked, with 307.
//!
//! A parent is not trusted, and neither is where it sends: what is sealed stays sealed, and every
//! answer is a claim wherever it is from. But a call that was made by TLS is not sent on without.

use reqwest::header::LOCATION;
use reqwest::{Request, Response, StatusCode, Url};

use super::{Parent, ParentError};

impl Parent {
    /// Sends a request, and again to where it belongs. A body that can't be sent twice is not:
    /// then the caller is told where.
    pub(super) async fn follow(&self, mut request: Request) -> Result<Response, ParentError> {
        for _ in 0..=HOPS {
            let again = request.try_clone();
            let sent = self.http.execute(request).await;
            let response = sent.map_err(|error| ParentError::unanswered(self.url(), &error))?;
            let Some(target) = target(&response) else {
                return Ok(response);
            };
            if target.scheme() != self.base.scheme() {
                return Err(ParentError::Downgraded(target.to_string()));
            }
            let Some(mut again) = again else {
                return Err(ParentError::Elsewhere(target));
            };
            *again.url_mut() = target;
            request = again;
        }
        Err(ParentError::Astray)
    }
}

/// Where a response says that the request belongs.
fn target(response: &Response) -> Option<Url> {
    let moved = [
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !moved.contains(&response.status()) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let target = response.url().join(location).ok()?;
    target.has_host().then_some(target)
}

/// A round changes hands in a moment, not again and again.
pub(super) const HOPS: usize = 3;
