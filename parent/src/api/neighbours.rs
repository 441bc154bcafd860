//! Whoever asks for a round that another parent works is sent there, by 307: the method and the body
//! stay what they are.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sealsum_protocol::{RoundId, TaskName};

use crate::problem::Problem;
use crate::round::RoundError;
use crate::rounds::Rounds;
use crate::storage::Whereabouts;
use crate::upload::drain_body;

pub(super) async fn send_on(
    State(rounds): State<Arc<Rounds>>,
    request: Request,
    next: Next,
) -> Response {
    let place = match place(&rounds, request.uri().path()).await {
        Ok(Some(place)) => place,
        Ok(None) => return next.run(request).await,
        Err(error) => return Problem::from(error).into_response(),
    };
    // Opening, closing and aborting are the operator's, at an address of its own.
    let is_operators = matches!(*request.method(), Method::POST | Method::DELETE);
    let base = if is_operators {
        place.operator
    } else {
        place.clients
    };
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let Ok(location) = HeaderValue::from_str(&format!("{base}{path}")) else {
        return Problem::from(RoundError::Elsewhere).into_response();
    };
    if base.is_empty() {
        return Problem::from(RoundError::Elsewhere).into_response();
    }
    // A client still sending may lose the answer if its connection closes unread.
    drain_body(request.into_body()).await;
    (
        StatusCode::TEMPORARY_REDIRECT,
        [(header::LOCATION, location)],
    )
        .into_response()
}

/// Where what the path names is, if that is not here.
async fn place(rounds: &Arc<Rounds>, path: &str) -> Result<Option<Whereabouts>, RoundError> {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("v1"), Some("rounds"), Some(id)) => match id.parse::<RoundId>() {
            Ok(id) => rounds.place_of(&id).await,
            Err(_) => Ok(None),
        },
        (Some("v1"), Some("tasks"), Some(task)) => {
            let task = TaskName::try_from(task.to_owned());
            Ok(task.ok().and_then(|task| rounds.place_of_task(&task)))
        }
        (Some("v1"), Some("schedule"), Some(id)) => match id.parse::<RoundId>() {
            Ok(id) => rounds.place_of_scheduled(&id).await,
            Err(_) => Ok(None),
        },
        _ => Ok(None),
    }
}
