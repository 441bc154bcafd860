//! What the parent counts, in the text form that Prometheus reads. Nothing in it names a
//! client: the series stay few whatever comes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use sealsum_protocol::messages::Phase;

use crate::enclave_link::LinkError;
use crate::round::{PHASES, Round};
use crate::schedule::ScheduledRound;

/// The counts; copies count together.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Counts>);

type Labelled<M> = Family<[(&'static str, String); 1], M>;

struct Counts {
    registry: Registry,
    requests: Family<[(&'static str, String); 3], Counter>,
    request_seconds: Labelled<Histogram>,
    refusals: Labelled<Counter>,
    connections: Gauge,
    connections_refused: Counter,
    handshakes_failed: Counter,
    reloads_failed: Counter,
    files_unusable: Labelled<Gauge>,
    certificate_expires: Labelled<Gauge>,
    scheduled: Labelled<Gauge>,
    rounds: Labelled<Gauge>,
    rounds_rolled_back: Gauge,
    rounds_ended: Labelled<Counter>,
    cohort_size: Histogram,
    contributions: Counter,
    upload_bytes: Counter,
    upload_seconds: Histogram,
    joins: Counter,
    attestations: Counter,
    enclave_seconds: Labelled<Histogram>,
    enclave_failures: Labelled<Counter>,
    enclave_reachable: Gauge,
    boundary_bytes: Labelled<Counter>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut counts = Counts {
            registry: Registry::with_prefix("sealsum_parent"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            refusals: Family::default(),
            connections: Gauge::default(),
            connections_refused: Counter::default(),
            handshakes_failed: Counter::default(),
            reloads_failed: Counter::default(),
            files_unusable: Family::default(),
            certificate_expires: Family::default(),
            scheduled: Family::default(),
            rounds: Family::default(),
            rounds_rolled_back: Gauge::default(),
            rounds_ended: Family::default(),
            // From FLOOR to a million.
            cohort_size: Histogram::new(exponential_buckets(4.0, 4.0, 10)),
            contributions: Counter::default(),
            upload_bytes: Counter::default(),
            upload_seconds: seconds(),
            joins: Counter::default(),
            attestations: Counter::default(),
            enclave_seconds: Family::new_with_constructor(seconds),
            enclave_failures: Family::default(),
            enclave_reachable: Gauge::default(),
            boundary_bytes: Family::default(),
        };
        counts.register();
        // At nought from the start: an increase from nowhere is none to whoever watches.
        for phase in [Phase::Released, Phase::Aborted, Phase::Lost] {
            let labels = [("phase", phase.to_string())];
            drop(counts.rounds_ended.get_or_create(&labels));
        }
        let storage = [("code", "storage".to_owned())];
        drop(counts.refusals.get_or_create(&storage));
        Self(Arc::new(counts))
    }

    /// The text that Prometheus reads, with the rounds as they are now.
    pub(crate) fn text(
        &self,
        rounds: &[Arc<Round>],
        schedule: &[ScheduledRound],
    ) -> Result<String, fmt::Error> {
        let failed = schedule
            .iter()
            .filter(|round| round.failed.is_some())
            .count();
        for (state, count) in [("waiting", schedule.len() - failed), ("failed", failed)] {
            self.0
                .scheduled
                .get_or_create(&[("state", state.to_owned())])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for phase in PHASES {
            let count = rounds.iter().filter(|round| round.phase() == phase).count();
            self.0
                .rounds
                .get_or_create(&[("phase", phase.to_string())])
                .set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let rolled_back = rounds.iter().filter(|round| round.is_rolled_back()).count();
        let rolled_back = i64::try_from(rolled_back).unwrap_or(i64::MAX);
        self.0.rounds_rolled_back.set(rolled_back);
        let mut text = String::new();
        encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    pub(crate) fn answered(&self, method: &str, path: &str, status: u16, took: Duration) {
        let labels = [
            ("method", method.to_owned()),
            ("path", path.to_owned()),
            ("status", status.to_string()),
        ];
        self.0.requests.get_or_create(&labels).inc();
        self.0
            .request_seconds
            .get_or_create(&[("path", path.to_owned())])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn refused(&self, code: &str) {
        self.0
            .refusals
            .get_or_create(&[("code", code.to_owned())])
            .inc();
    }

    /// Counts a connection for as long as what this returns is held.
    pub(crate) fn connection_opened(&self) -> OpenConnection {
        self.0.connections.inc();
        OpenConnection(self.0.connections.clone())
    }

    pub(crate) fn connection_refused(&self) {
        self.0.connections_refused.inc();
    }

    pub(crate) fn handshake_failed(&self) {
        self.0.handshakes_failed.inc();
    }

    pub(crate) fn reload_failed(&self) {
        self.0.reloads_failed.inc();
    }

    pub(crate) fn files_unusable(&self, what: &str, unusable: bool) {
        self.0
            .files_unusable
            .get_or_create(&[("files", what.to_owned())])
            .set(unusable.into());
    }

    pub(crate) fn certificate_expires(&self, what: &str, time: i64) {
        self.0
            .certificate_expires
            .get_or_create(&[("certificate", what.to_owned())])
            .set(time);
    }

    pub(crate) fn joined(&self, clients: usize) {
        self.0.joins.inc_by(clients as u64);
    }

    pub(crate) fn uploaded(&self, bytes: u64, took: Duration) {
        self.0.upload_bytes.inc_by(bytes);
        self.0.upload_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn accepted(&self) {
        self.0.contributions.inc();
    }

    pub(crate) fn round_ended(&self, phase: Phase, cohort_size: Option<u32>) {
        self.0
            .rounds_ended
            .get_or_create(&[("phase", phase.to_string())])
            .inc();
        if let Some(size) = cohort_size {
            self.0.cohort_size.observe(size.into());
        }
    }

    /// One exchange with the enclave.
    pub(crate) fn exchanged(
        &self,
        command: &'static str,
        took: Duration,
        failed: Option<&LinkError>,
    ) {
        let command = || [("command", command.to_owned())];
        self.0
            .enclave_seconds
            .get_or_create(&command())
            .observe(took.as_secs_f64());
        if let Some(error) = failed {
            self.0
                .enclave_failures
                .get_or_create(&[("kind", error.kind().to_owned())])
                .inc();
        }
    }

    pub(crate) fn attested(&self) {
        self.0.attestations.inc();
    }

    pub(crate) fn crossed(&self, direction: &'static str, bytes: u64) {
        self.0
            .boundary_bytes
            .get_or_create(&[("direction", direction.to_owned())])
            .inc_by(bytes);
    }

    pub(crate) fn reachable(&self, reachable: bool) {
        self.0.enclave_reachable.set(reachable.into());
    }
}

/// An open connection, in the count of them.
pub(crate) struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Counts {
    fn register(&mut self) {
        let to = &mut self.registry;
        to.register(
            "requests",
            "Requests answered, by method, path pattern and status",
            self.requests.clone(),
        );
        to.register_with_unit(
            "request_duration",
            "Time to answer a request, its body included",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        to.register(
            "refusals",
            "Requests answered with a problem, by its code",
            self.refusals.clone(),
        );
        to.register(
            "connections",
            "Connections open now",
            self.connections.clone(),
        );
        to.register(
            "connections_refused",
            "Connections closed at once, since their address has all of its places",
            self.connections_refused.clone(),
        );
        to.register(
            "handshakes_failed",
            "TLS handshakes that did not come to their end",
            self.handshakes_failed.clone(),
        );
        to.register(
            "reloads_failed",
            "Changes of certificates or tokens that could not be used, or not all of them",
            self.reloads_failed.clone(),
        );
        to.register(
            "files_unusable",
            "1 while certificates or tokens, as they are now on disk, can't be used or not all of them",
            self.files_unusable.clone(),
        );
        to.register(
            "certificate_expires_timestamp",
            "When a listener's certificate ends, in seconds since 1970",
            self.certificate_expires.clone(),
        );
        to.register(
            "scheduled_rounds",
            "Rounds that are to open by themselves, and those that will not",
            self.scheduled.clone(),
        );
        to.register("rounds", "Rounds kept here, by phase", self.rounds.clone());
        to.register(
            "rounds_rolled_back",
            "Rounds that the enclave has released and the storage does not know it",
            self.rounds_rolled_back.clone(),
        );
        to.register(
            "rounds_ended",
            "Rounds that ended since the start, by phase",
            self.rounds_ended.clone(),
        );
        to.register(
            "cohort_size",
            "Clients in the released sums since the start",
            self.cohort_size.clone(),
        );
        to.register(
            "contributions",
            "Contributions accepted by the enclave since the start",
            self.contributions.clone(),
        );
        to.register_with_unit(
            "upload",
            "Bytes of uploads that were stored",
            Unit::Bytes,
            self.upload_bytes.clone(),
        );
        to.register_with_unit(
            "upload_duration",
            "Time from an upload's first byte until it is checked",
            Unit::Seconds,
            self.upload_seconds.clone(),
        );
        to.register("joins", "Offers made to clients", self.joins.clone());
        to.register(
            "attestations",
            "Calls of the enclave's security module for evidence; many joins share one",
            self.attestations.clone(),
        );
        to.register_with_unit(
            "enclave_round_trip",
            "Time of one command to the enclave and its reply",
            Unit::Seconds,
            self.enclave_seconds.clone(),
        );
        to.register(
            "enclave_failures",
            "Exchanges with the enclave that gave no answer or a refusal, by kind",
            self.enclave_failures.clone(),
        );
        to.register(
            "enclave_reachable",
            "1 if the enclave answered when it was last asked",
            self.enclave_reachable.clone(),
        );
        to.register_with_unit(
            "boundary",
            "Bytes over the enclave's boundary, by direction",
            Unit::Bytes,
            self.boundary_bytes.clone(),
        );
    }
}

/// From half a millisecond to a quarter of an hour.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 4.0, 11))
}
