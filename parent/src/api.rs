//! The HTTP interface, version 1: one file for each call.

mod abort;
mod abort_receipt;
mod aggregate;
mod answer;
mod close;
mod contribute;
mod described;
mod evidence;
mod health;
mod list_rounds;
mod neighbours;
mod offer;
mod open_round;
mod proof;
mod receipt;
mod schedule;
mod show_round;

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router, middleware};
use sealsum_protocol::RoundId;
use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{HttpMethod, License, OpenApi, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::keep_pattern;
use crate::problem::Problem;
use crate::round::Round;
use crate::rounds::Rounds;

/// Every path of the interface: clients' and operator's.
pub fn router(rounds: Arc<Rounds>) -> Router {
    finish(client_paths().merge(operator_paths()), rounds)
}

/// What clients and auditors need. Whoever could also close a round could choose the
/// moment at which one client stands among Sybils.
pub fn client_router(rounds: Arc<Rounds>) -> Router {
    finish(client_paths(), rounds)
}

/// The interface in OpenAPI, as the paths themselves declare it.
#[must_use]
pub fn openapi() -> OpenApi {
    describe(client_paths().merge(operator_paths()).into_openapi())
}

fn client_paths() -> OpenApiRouter<Arc<Rounds>> {
    OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(list_rounds::list_rounds))
        .routes(routes!(show_round::show_round))
        .routes(routes!(offer::offer_of_round))
        .routes(routes!(offer::offer_of_task))
        .routes(routes!(contribute::contribute, contribute::go_on))
        .routes(routes!(contribute::offset))
        .routes(routes!(evidence::evidence))
        .routes(routes!(receipt::receipt))
        .routes(routes!(abort_receipt::abort_receipt))
        .routes(routes!(aggregate::aggregate))
        .routes(routes!(proof::proof))
}

fn operator_paths() -> OpenApiRouter<Arc<Rounds>> {
    OpenApiRouter::new()
        .routes(routes!(open_round::open_round))
        .routes(routes!(close::close))
        .routes(routes!(abort::abort))
        .routes(routes!(schedule::list_schedule, schedule::schedule))
        .routes(routes!(schedule::unschedule))
        .routes(routes!(health::metrics))
}

fn finish(paths: OpenApiRouter<Arc<Rounds>>, rounds: Arc<Rounds>) -> Router {
    let (paths, described) = paths.split_for_parts();
    let described = Json(describe(described));
    let paths = if rounds.are_shared() {
        let rounds = Arc::clone(&rounds);
        paths.layer(middleware::from_fn_with_state(rounds, neighbours::send_on))
    } else {
        paths
    };
    paths
        .route(ITSELF, get(async move || described.clone()))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .route_layer(middleware::from_fn(keep_pattern))
        .with_state(rounds)
}

fn describe(mut paths: OpenApi) -> OpenApi {
    paths.info.title = "Sealsum parent".to_owned();
    paths.info.description = Some(
        "The untrusted host's interface. CBOR bodies are the canonical messages of docs/PROTOCOL.md; \
         every answer is a claim until its receiver has verified it."
            .to_owned(),
    );
    env!("CARGO_PKG_VERSION").clone_into(&mut paths.info.version);
    // The generator puts its own author's there.
    paths.info.contact = None;
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    paths.info.license = Some(license);
    let itself = ResponseBuilder::new().description("this document");
    let itself = OperationBuilder::new()
        .summary(Some("The interface in OpenAPI."))
        .tag("operation")
        .response("200", itself.build());
    let itself = itself.build();
    paths
        .paths
        .add_path_operation(ITSELF, vec![HttpMethod::Get], itself);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = paths.components.get_or_insert_default();
    components.add_security_scheme("token", bearer);
    // Asked for where the listener has tokens; else nobody needs one.
    paths.security = Some(vec![
        SecurityRequirement::default(),
        SecurityRequirement::new::<_, [&str; 0], &str>("token", []),
    ]);
    paths
}

const ITSELF: &str = "/openapi.json";

/// The round that a path names.
fn find(rounds: &Rounds, id: &str) -> Result<Arc<Round>, Problem> {
    id.parse::<RoundId>()
        .ok()
        .and_then(|id| rounds.find(&id))
        .ok_or_else(Problem::unknown_round)
}

async fn no_such_path() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "No such path",
        "this parent serves version 1 of the interface under /v1, described at /openapi.json; opening, closing and aborting are served at the operator's address alone",
    )
}

async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        "No such method",
        "this path does not have that method here; opening, closing and aborting are served at the operator's address alone",
    )
}
