//! Data holders as they are shipped: identity, ledger, policy, evidence judged, update sealed and
//! spent before it is sent. A site's process lives over the rounds.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sealsum_client::policy::{
    AdmissionTerm, Budget, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RoundPolicy,
    RoundPolicyFile, RuleTerm, consent,
};
use sealsum_client::{
    BaseModel, Client, ContributeOptions, Identity, Parent, Selection, Target, Update,
    VerifiedAggregate, system_clock,
};
use sealsum_protocol::fixed::OutOfRange;
use sealsum_protocol::{AggregationRule, Intake, KemSuite, RoundId};
use sealsum_testkit::{operator, terms};
use tokio::sync::Mutex;

use super::servers::{APPRAISAL, Servers};

/// One data holder.
#[derive(Clone)]
pub(crate) struct Site(Arc<Mutex<Client>>);

/// Where its time went.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    /// Reading update and base model, and the base model's digest.
    pub(crate) reading: Duration,
    /// Asking for an offer and judging it.
    pub(crate) joining: Duration,
    /// Encoding, masking, sealing, and the ledger's transaction.
    pub(crate) sealing: Duration,
    /// From the first byte sent to the enclave's acceptance in the ledger.
    pub(crate) uploading: Duration,
}

impl Site {
    /// Site number `n` beside these servers, with an identity of its own.
    pub(crate) fn new(servers: &Servers, n: u64) -> Result<Self> {
        let identity = servers.path(&format!("site-{n}"));
        Identity::create(&identity)?;
        let client = Client::new(
            Parent::new(servers.url())?,
            &Identity::load(&identity)?,
            RoundPolicy::at(&servers.path("policy.toml"), policy())?,
            system_clock,
        )?;
        Ok(Self(Arc::new(Mutex::new(client))))
    }

    /// Takes part in a round with an update from a file.
    pub(crate) async fn take_part(
        &self,
        round: RoundId,
        base_model: &Path,
        update: &Path,
    ) -> Result<Took> {
        let mut client = self.0.lock().await;
        let mut watch = Instant::now();
        let mut lap = || std::mem::replace(&mut watch, Instant::now()).elapsed();
        let base_model = BaseModel::read(base_model, &Selection::all())?;
        let update = Update::read(update, &Selection::all())?;
        let reading = lap();
        let joined = client.join(&Target::Round(round), base_model, true).await?;
        let joining = lap();
        let options = ContributeOptions {
            weight: 1,
            out_of_range: OutOfRange::Clamp,
            refund: false,
        };
        let first_byte = Arc::new(OnceLock::new());
        let note = Arc::clone(&first_byte);
        let begun = Instant::now();
        joined
            .contribute(&update, options, move |_, _| {
                note.get_or_init(Instant::now);
            })
            .await?;
        let first_byte = *first_byte.get().context("nothing was sent")?;
        Ok(Took {
            reading,
            joining,
            sealing: first_byte - begun,
            uploading: first_byte.elapsed(),
        })
    }

    /// Collects a released round, its own place in it included.
    pub(crate) async fn collect(&self, round: &RoundId) -> Result<VerifiedAggregate> {
        let mut client = self.0.lock().await;
        Ok(client.collect(round, true, |_, _| {}).await?)
    }
}

/// Accepts every round here.
fn policy() -> RoundPolicyFile {
    RoundPolicyFile {
        appraisal_policy: APPRAISAL.to_owned(),
        tasks: vec![terms(Intake::Presum).task],
        operator_key: OperatorTerm::Key(operator().key()),
        min_cohort: 3,
        admission: AdmissionTerm::Open,
        noise_floor: NoiseFloor::None,
        kem_suites: vec![KemTerm(KemSuite::XWing), KemTerm(KemSuite::X25519)],
        intakes: vec![IntakeTerm(Intake::Presum), IntakeTerm(Intake::Stream)],
        rules: vec![RuleTerm(AggregationRule::Mean)],
        release_weights: false,
        budget: Budget {
            contributions: 1000,
        },
        unproven_retries: 0,
        consent: vec![consent::OPEN_WITHOUT_NOISE.to_owned()],
        mock: true,
    }
}
