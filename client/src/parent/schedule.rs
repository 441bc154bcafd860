//! Rounds that the parent opens and closes by itself, as its operator asks for them.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use sealsum_protocol::{RoundId, SignedRoundParams, canonical};
use serde::{Deserialize, Serialize};

use super::{ANSWER_TIMEOUT, CBOR, Parent, ParentError, RoundSummary, read};

/// When a round closes by itself; by its operator alone if neither is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingRule {
    /// As soon as so many contributions are in.
    pub target_cohort: Option<u32>,
    /// So many seconds after it has opened; aborted if the minimum is not reached.
    pub closes_after_seconds: Option<u64>,
}

/// When a scheduled round opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opens {
    /// At this time, in seconds since 1970.
    At(u64),
    /// Once no round of its task is in progress, and none that was scheduled before waits.
    AfterPrevious,
}

/// A round that is to open, in the parent's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRound {
    /// Its id in the schedule; the round's own comes when it opens.
    pub schedule_id: String,
    /// Its task.
    pub task: String,
    /// Its number in the task.
    pub round_number: u64,
    /// When it opens.
    pub opens: Opens,
    /// When it closes.
    pub closing: ClosingRule,
    /// Why it will not open, if it was refused for good.
    pub failed: Option<String>,
}

#[derive(Serialize)]
struct Request {
    params: String,
    opens: Opens,
    closing: ClosingRule,
}

#[derive(Deserialize)]
struct Schedule {
    scheduled: Vec<ScheduledRound>,
}

impl Parent {
    /// Opens a round that closes by itself.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn open_round_until(
        &self,
        params: &SignedRoundParams,
        closing: ClosingRule,
    ) -> Result<RoundSummary, ParentError> {
        let terms = [
            ("target_cohort", closing.target_cohort.map(u64::from)),
            ("closes_after_seconds", closing.closes_after_seconds),
        ];
        let set = terms.map(|(name, value)| value.map(|value| format!("{name}={value}")));
        let set: Vec<_> = set.into_iter().flatten().collect();
        let request = self
            .request(Method::POST, &format!("rounds?{}", set.join("&")))
            .timeout(ANSWER_TIMEOUT)
            .header(CONTENT_TYPE, CBOR)
            .body(canonical::encode(params));
        self.json(request).await
    }

    /// Schedules a round. The same again is the same.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn schedule(
        &self,
        params: &SignedRoundParams,
        opens: Opens,
        closing: ClosingRule,
    ) -> Result<ScheduledRound, ParentError> {
        let request = Request {
            params: hex::encode(canonical::encode(params)),
            opens,
            closing,
        };
        // Plain numbers and texts: they always have a JSON form.
        let body = serde_json::to_vec(&request).unwrap_or_default();
        let request = self
            .request(Method::POST, "schedule")
            .timeout(ANSWER_TIMEOUT)
            .header(CONTENT_TYPE, "application/json")
            .body(body);
        let answer = read(self.send(request).await?, SCHEDULE_LIMIT).await?;
        serde_json::from_slice(&answer).map_err(|_| not_one())
    }

    /// Every round that is to open.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn scheduled(&self) -> Result<Vec<ScheduledRound>, ParentError> {
        let request = || {
            self.request(Method::GET, "schedule")
                .timeout(ANSWER_TIMEOUT)
        };
        let answer = async || read(self.send(request()).await?, SCHEDULE_LIMIT).await;
        let answer = self.patience.insist(answer).await?;
        let schedule: Schedule = serde_json::from_slice(&answer).map_err(|_| not_one())?;
        Ok(schedule.scheduled)
    }

    /// Takes a scheduled round back.
    ///
    /// # Errors
    /// [`ParentError`].
    pub async fn unschedule(&self, schedule_id: &RoundId) -> Result<(), ParentError> {
        let path = format!("schedule/{schedule_id}");
        let request = self.request(Method::DELETE, &path).timeout(ANSWER_TIMEOUT);
        self.send(request).await.map(drop)
    }
}

const fn not_one() -> ParentError {
    ParentError::Form {
        expected: "a schedule",
    }
}

/// A thousand rounds with their reasons.
const SCHEDULE_LIMIT: u64 = 4 << 20;
