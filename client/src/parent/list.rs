//! The rounds that a parent keeps, page after page.

use reqwest::Method;
use sealsum_protocol::TaskName;
use sealsum_protocol::messages::Phase;
use serde::Deserialize;

use super::{ANSWER_TIMEOUT, Parent, ParentError, RoundSummary, read};

/// Which rounds to list; all of them unless something is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundFilter {
    /// Of this task only.
    pub task: Option<TaskName>,
    /// In this phase only.
    pub phase: Option<Phase>,
}

impl RoundFilter {
    fn query(&self, after: Option<&str>) -> Vec<(&'static str, String)> {
        let task = self.task.as_ref().map(|task| ("task", task.to_string()));
        let phase = self.phase.map(|phase| ("phase", phase.to_string()));
        let after = after.map(|after| ("after", after.to_owned()));
        [task, phase, after].into_iter().flatten().collect()
    }

    /// Whoever does not know the query answers with all of them.
    fn takes(&self, round: &RoundSummary) -> bool {
        let of_task = |task: &TaskName| task.as_str() == round.task;
        self.task.as_ref().is_none_or(of_task) && self.phase.is_none_or(|it| it == round.phase)
    }
}

#[derive(Deserialize)]
struct RoundPage {
    rounds: Vec<RoundSummary>,
    next: Option<String>,
}

impl Parent {
    /// Every round of that kind that the parent keeps, newest last.
    ///
    /// # Errors
    /// [`ParentError`]; a list that does not end is [`ParentError::TooLong`].
    pub async fn rounds(&self, filter: &RoundFilter) -> Result<Vec<RoundSummary>, ParentError> {
        let not_a_list = || ParentError::Form {
            expected: "a list of rounds",
        };
        let (mut rounds, mut next, mut left) = (Vec::new(), None, LIST_LIMIT);
        loop {
            let query = filter.query(next.as_deref());
            let request = || {
                let request = self.request(Method::GET, "rounds").query(&query);
                request.timeout(ANSWER_TIMEOUT)
            };
            let answer = async || read(self.send(request()).await?, left).await;
            let answer = self.patience.insist(answer).await?;
            left = left.saturating_sub(answer.len() as u64);
            let page: RoundPage = serde_json::from_slice(&answer).map_err(|_| not_a_list())?;
            let is_empty = page.rounds.is_empty();
            rounds.extend(page.rounds.into_iter().filter(|round| filter.takes(round)));
            match page.next {
                None => return Ok(rounds),
                // A page with nothing on it leads nowhere.
                Some(_) if is_empty => return Err(not_a_list()),
                after => next = after,
            }
        }
    }
}

/// Of all pages together: a hundred thousand rounds.
const LIST_LIMIT: u64 = 64 << 20;
