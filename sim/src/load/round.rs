//! One round under load: opened, its clients sealed beforehand, contributed to by all of them, and
//! closed; then whether everybody who was acknowledged is in the sum.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sealsum_protocol::receipt::{Acceptance, Receipt};
use sealsum_protocol::{
    CohortProof, Intake, Membership, RoundBinding, RoundEvidence, RoundTerms, Signed, canonical,
    plan,
};
use sealsum_testkit::{published_sum, sign, terms};
use serde_json::Value;

use crate::http::{Connection, Pace};
use crate::people::{Crowd, Manner, Person, values};
use crate::timeline::Timeline;

/// A round that is open.
pub(crate) struct OpenRound {
    pub(crate) server: SocketAddr,
    pub(crate) binding: RoundBinding,
    /// Whether clients ask for an offer before they upload.
    pub(crate) joins: bool,
    pub(crate) tally: Tally,
}

/// What came of its clients.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) accepted: AtomicU64,
    /// Honest clients that were given up on.
    pub(crate) unserved: AtomicU64,
    /// Uploads that are no contribution, and were refused.
    pub(crate) garbage_refused: AtomicU64,
    /// Those that were not.
    pub(crate) garbage_taken: AtomicU64,
    /// Tries beyond the first.
    pub(crate) retries: AtomicU64,
    /// Two acceptances of the same bytes that differ.
    pub(crate) changed: AtomicU64,
}

impl OpenRound {
    /// Opens a round of that many elements for so many clients.
    pub(crate) async fn open(
        server: SocketAddr,
        number: u64,
        dimension: u64,
        clients: u64,
    ) -> Result<Self, String> {
        let mut asked = RoundTerms {
            round_number: number,
            dimension,
            max_cohort: u32::try_from(clients.max(3)).map_err(text)?,
            ..terms(Intake::Presum)
        };
        let bits = plan::smallest_ring(plan::largest_sum(&asked));
        asked.ring_bits = bits.ok_or("no ring is wide enough for so many clients")?;
        let params = canonical::encode(&sign(asked));
        let mut connection = Connection::open(server).await.map_err(text)?;
        let said = connection.post("/v1/rounds", &params).await.map_err(text)?;
        let summary: Value = serde_json::from_slice(&said.body).map_err(text)?;
        let Some(id) = summary["round_id"].as_str().filter(|_| said.status == 201) else {
            return Err(format!("no round was opened: {} {summary}", said.status));
        };
        let path = format!("/v1/rounds/{id}/evidence");
        let evidence = connection.get(&path).await.map_err(text)?;
        let evidence: RoundEvidence = canonical::decode(&evidence.body).map_err(text)?;
        Ok(Self {
            server,
            binding: evidence.binding,
            joins: true,
            tally: Tally::default(),
        })
    }

    /// Joins and contributes, and goes on until there is an answer that holds.
    async fn take_part(&self, person: &Person, timeline: &Timeline) {
        let begun = Instant::now();
        let id = self.binding.round_id();
        // Any 32 bytes that no one else has.
        let offer = format!("/v1/rounds/{id}/offer?nonce={}", person.client);
        let upload = format!("/v1/rounds/{id}/contributions/{}", person.client);
        let (mut has_joined, mut breaks_off) = (!self.joins, person.manner == Manner::Churn);
        while begun.elapsed() < PATIENCE {
            let tried: std::io::Result<bool> = async {
                let mut connection = Connection::open(self.server).await?;
                if !has_joined {
                    let asked = Instant::now();
                    has_joined = connection.get(&offer).await?.status == 200;
                    if !has_joined {
                        return Ok(false);
                    }
                    timeline.joined(asked.elapsed());
                    tokio::time::sleep(person.latency).await;
                }
                if std::mem::take(&mut breaks_off) {
                    let half = Pace::Cut(person.bytes.len() / 2);
                    connection.put(&upload, &person.bytes, half).await?;
                }
                self.upload(person, &upload, connection, timeline).await
            }
            .await;
            match tried {
                Ok(true) => return,
                // It broke off by itself.
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Ok(false) | Err(_) => {
                    add(&self.tally.retries);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if person.manner != Manner::Garbage {
            add(&self.tally.unserved);
        }
    }

    /// Uploads; true if there is an answer that holds.
    async fn upload(
        &self,
        person: &Person,
        path: &str,
        mut connection: Connection,
        timeline: &Timeline,
    ) -> std::io::Result<bool> {
        let bytes = &person.bytes;
        let pace = match person.manner {
            Manner::Slow => Pace::Slow(bytes.len() / 4, SLOW_REST),
            _ => Pace::AtOnce,
        };
        let began = Instant::now();
        let answer = match person.manner {
            Manner::Duplicate => {
                let mut other = Connection::open(self.server).await?;
                let (first, second) = tokio::join!(
                    connection.put(path, bytes, pace),
                    other.put(path, bytes, pace)
                );
                let (first, second) = (first?, second?);
                if first.status == 200 && second.status == 200 && first.body != second.body {
                    add(&self.tally.changed);
                }
                if first.status == 200 { first } else { second }
            }
            _ => connection.put(path, bytes, pace).await?,
        };
        match answer.status {
            200 if person.manner == Manner::Garbage => {
                add(&self.tally.garbage_taken);
                Ok(true)
            }
            200 => {
                let is_ours = canonical::decode::<Signed<Acceptance>>(&answer.body)
                    .is_ok_and(|acceptance| acceptance.unverified().client == person.client);
                if is_ours {
                    timeline.contributed(began.elapsed(), bytes.len());
                    add(&self.tally.accepted);
                }
                Ok(is_ours)
            }
            422 if person.manner == Manner::Garbage => {
                add(&self.tally.garbage_refused);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Closes, and counts who was acknowledged and is not in the sum; the error is a sum that is
    /// wrong.
    pub(crate) async fn close(&self, people: &[Person]) -> Result<u64, String> {
        let id = self.binding.round_id();
        let path = |what: &str| format!("/v1/rounds/{id}/{what}");
        let mut connection = Connection::open(self.server).await.map_err(text)?;
        let closed = connection.post(&path("close"), &[]).await.map_err(text)?;
        if closed.status == 409
            && String::from_utf8_lossy(&closed.body).contains("cohort_too_small")
        {
            // The time was over before enough had come: they get proof instead of a sum.
            let aborted = connection.post(&path("abort"), &[]).await.map_err(text)?;
            return match aborted.status {
                200 => Ok(0),
                status => Err(format!("neither closed nor aborted: {status}")),
            };
        }
        if closed.status != 200 {
            return Err(format!(
                "not closed: {} {}",
                closed.status,
                String::from_utf8_lossy(&closed.body)
            ));
        }
        let receipt = connection.get(&path("receipt")).await.map_err(text)?;
        let receipt: Signed<Receipt> = canonical::decode(&receipt.body).map_err(text)?;
        let receipt = receipt
            .verify(&self.binding.receipt_key, &id)
            .map_err(text)?;
        let honest = || people.iter().filter(|p| p.manner != Manner::Garbage);
        let mut lost = 0;
        let step = (people.len() / SAMPLES).max(1);
        for person in honest().step_by(step) {
            let proof = path(&format!("proofs/{}", person.client));
            let proof = connection.get(&proof).await.map_err(text)?;
            let proof: CohortProof = canonical::decode(&proof.body).map_err(text)?;
            let size = receipt.cohort_size.into();
            let shown = proof.verify(&person.client, &receipt.cohort_root, size);
            lost += u64::from(!matches!(shown, Ok(Membership::In(_))));
        }
        let accepted = self.tally.accepted.load(Ordering::Relaxed);
        lost = lost.max(accepted.saturating_sub(receipt.cohort_size.into()));
        let aggregate = connection.get(&path("aggregate")).await.map_err(text)?;
        let (root, sum) = published_sum(&self.binding, receipt, &aggregate.body)?;
        if root != receipt.aggregate {
            return Err("the aggregate is not the one of the receipt".to_owned());
        }
        let terms = self.binding.params.params.terms();
        let everybody = honest().count() as u64 == accepted;
        let mut expected = vec![0.0; sum.len()];
        for person in honest() {
            for (expected, value) in expected.iter_mut().zip(values(terms, person.number)) {
                *expected += value;
            }
        }
        if everybody && sum != expected {
            return Err("the aggregate is not the sum of those who were accepted".to_owned());
        }
        Ok(lost)
    }
}

/// Everybody takes part, `at_once` of them at a time.
pub(crate) async fn contribute(
    round: &Arc<OpenRound>,
    crowd: &Arc<Crowd>,
    timeline: &Arc<Timeline>,
    at_once: usize,
) {
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..at_once {
        let (round, crowd, timeline) = (Arc::clone(round), Arc::clone(crowd), Arc::clone(timeline));
        workers.spawn(async move {
            while let Some(person) = crowd.next() {
                round.take_part(person, &timeline).await;
            }
        });
    }
    workers.join_all().await;
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
pub(crate) fn text(error: impl ToString) -> String {
    error.to_string()
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

/// For one client's answer, whatever happens on the way.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// Between a slow sender's four pieces.
const SLOW_REST: Duration = Duration::from_millis(300);
/// Clients of a round whose proof is asked for.
const SAMPLES: usize = 50;
