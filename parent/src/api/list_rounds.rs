//! `GET /v1/rounds`: rounds' summaries, newest last, a page at a time.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::described::Problems;
use crate::listing::{Place, Wanted};
use crate::problem::Problem;
use crate::round::PHASES;
use crate::rounds::Rounds;
use crate::summary::RoundSummary;

/// Which rounds, and how many of them. All are texts at first: what is none is refused in words
/// that say what there is.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Of this task only.
    task: Option<String>,
    /// In this phase only: `collecting`, `releasing`, `released`, `aborted` or `lost`.
    phase: Option<String>,
    /// So many at most, from 1 to 1000; 1000 unless given.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// Those behind the page that gave this as its `next`.
    after: Option<String>,
}

impl ListQuery {
    fn wanted(self) -> Result<Wanted, String> {
        let task = self.task.map(|name| {
            let task = name.parse();
            task.map_err(|error| format!("task is {name:?}: {error}"))
        });
        let phase = self.phase.map(|name| {
            let phase = PHASES.into_iter().find(|phase| phase.to_string() == name);
            phase.ok_or_else(|| {
                let phases = PHASES.map(|phase| phase.to_string()).join(", ");
                format!("phase is {name:?}: it is to be one of {phases}")
            })
        });
        let limit = self.limit.map(|text| {
            let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
            limit.ok_or_else(|| format!("limit is {text:?}: it is to be from 1 to {MOST}"))
        });
        let after = self.after.map(|text| {
            let place = text.parse::<Place>().ok();
            place.ok_or_else(|| {
                format!("after is {text:?}: it is to be what an earlier page said in `next`")
            })
        });
        Ok(Wanted {
            task: task.transpose()?,
            phase: phase.transpose()?,
            limit: limit.transpose()?.unwrap_or(MOST),
            after: after.transpose()?,
        })
    }
}

/// Rounds.
#[derive(Serialize, ToSchema)]
pub(super) struct RoundList {
    /// Their summaries.
    rounds: Vec<RoundSummary>,
    /// What `after` is to be for those behind them; null if there are none. A round that goes
    /// meanwhile takes no place away from the others.
    #[schema(value_type = Option<String>)]
    next: Option<Place>,
}

/// Rounds, newest last, a page at a time.
#[utoipa::path(
    get,
    path = "/v1/rounds",
    tag = "clients",
    params(ListQuery),
    responses(
        (status = 200, body = RoundList, description = "a page of rounds"),
        Problems,
    ),
)]
pub(super) async fn list_rounds(
    State(rounds): State<Arc<Rounds>>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<RoundList>, Problem> {
    let Query(query) = query.map_err(|error| Problem::malformed(error.body_text()))?;
    let page = rounds.page(&query.wanted().map_err(Problem::malformed)?);
    Ok(Json(RoundList {
        rounds: page.rounds.iter().map(|round| round.summary()).collect(),
        next: page.next,
    }))
}

/// Rounds in a page: half a megabyte.
const MOST: usize = 1000;
