//! The honest sites as they are: identities and ledgers in a folder, and the client that is
//! shipped. Each act opens the ledger anew, as each command of a site does.

use std::cell::Cell;
use std::path::Path;

use sealsum_attestation::Trust;
use sealsum_client::policy::{
    AdmissionTerm, Budget, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RuleTerm, consent,
};
use sealsum_client::{
    Client, ContributeRefused, Identity, JoinRefused, Ledger, Parent, RoundPolicy, RoundPolicyFile,
    SealRefused, SpendRefused,
};
use sealsum_protocol::{
    AggregationRule, AuthoritySigner, ClientId, Intake, KemSuite, Registry, UnixMillis,
};
use sealsum_testkit::operator;
use tempfile::TempDir;

use crate::enclaves::Maker;
use crate::sites::{BUDGET, SITES, Why};
use crate::world::text;

/// Every site, and what they accept for each of the two tasks.
pub(crate) struct Houses {
    identities: Vec<Identity>,
    policies: [RoundPolicy; 2],
    folder: TempDir,
}

impl Houses {
    pub(crate) fn found(maker: &Maker) -> Result<Self, String> {
        let folder = folder()?;
        let identity = |site| Identity::create(&folder.path().join(format!("site-{site}")));
        let identities = (0..SITES).map(identity).collect::<Result<_, _>>();
        let authority = AdmissionTerm::Authority(authority().key());
        Ok(Self {
            identities: identities.map_err(text)?,
            policies: [
                policy(TASKS[0], AdmissionTerm::Open, maker)?,
                policy(TASKS[1], authority, maker)?,
            ],
            folder,
        })
    }

    pub(crate) fn id(&self, site: usize) -> ClientId {
        self.identities[site].client_id()
    }

    /// The site whose id this is.
    pub(crate) fn site_of(&self, client: &ClientId) -> Option<usize> {
        (0..SITES).find(|site| self.id(*site) == *client)
    }

    /// Everything of the episode that lies on a disk.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn site_folder(&self, site: usize) -> &Path {
        self.identities[site].folder()
    }

    pub(crate) fn policy(&self, task: usize) -> &RoundPolicy {
        &self.policies[task]
    }

    pub(crate) fn ledger(&self, site: usize) -> Result<Ledger, String> {
        Ledger::open(&self.identities[site], Trust::Mock).map_err(text)
    }

    /// A site's client for a task, with its place in the registry if it has one there.
    pub(crate) fn client(
        &self,
        site: usize,
        task: usize,
        url: &str,
        registry: Option<&Registry>,
    ) -> Result<Client, String> {
        let identity = &self.identities[site];
        let parent = Parent::new(url).map_err(text)?;
        let policy = self.policies[task].clone();
        let client = Client::new(parent, identity, policy, now).map_err(text)?;
        let member = registry.and_then(|registry| identity.member_of(registry));
        Ok(match member {
            Some(member) => client.with_member(member),
            None => client,
        })
    }
}

/// Sets the sites' clocks, on this thread.
pub(crate) fn set_clocks(time: UnixMillis) {
    NOW.set(time);
}

fn now() -> UnixMillis {
    NOW.get()
}

thread_local! {
    static NOW: Cell<UnixMillis> = const { Cell::new(UnixMillis(0)) };
}

/// In memory where there is such a place: the simulation asks what is written, not for how long
/// a disk keeps it.
fn folder() -> Result<TempDir, String> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    builder.prefix("sealsum-sim-");
    builder
        .tempdir_in(memory)
        .or_else(|_| builder.tempdir())
        .map_err(text)
}

fn policy(task: &str, admission: AdmissionTerm, maker: &Maker) -> Result<RoundPolicy, String> {
    let open = admission == AdmissionTerm::Open;
    let file = RoundPolicyFile {
        appraisal_policy: "appraisal.toml".to_owned(),
        tasks: vec![task.parse().map_err(text)?],
        operator_key: OperatorTerm::Key(operator().key()),
        min_cohort: 3,
        admission,
        noise_floor: NoiseFloor::None,
        kem_suites: vec![KemTerm(KemSuite::X25519)],
        intakes: vec![IntakeTerm(Intake::Stream), IntakeTerm(Intake::Presum)],
        rules: vec![RuleTerm(AggregationRule::Sum)],
        release_weights: false,
        budget: Budget {
            contributions: BUDGET,
        },
        unproven_retries: 0,
        consent: open
            .then(|| consent::OPEN_WITHOUT_NOISE.to_owned())
            .into_iter()
            .collect(),
        mock: true,
    };
    RoundPolicy::new(file, maker.appraisal()?).map_err(text)
}

/// Why a client did not seal, in the model's terms; otherwise its own words.
pub(crate) fn why(refused: &ContributeRefused) -> Result<Why, String> {
    use sealsum_client::policy::Term;
    Ok(match refused {
        ContributeRefused::Join(JoinRefused::Parent(_)) => Why::NoOffer,
        ContributeRefused::Join(JoinRefused::Term(refused)) => match refused.term {
            Term::OperatorKey => Why::Operator,
            Term::Admission => Why::Admission,
            Term::GrantNotAfter => Why::GrantExpired,
            _ => return Err(refused.to_string()),
        },
        ContributeRefused::Spend(SpendRefused::OldEpoch { .. }) => Why::OldEpoch,
        ContributeRefused::Spend(SpendRefused::BudgetSpent { .. }) => Why::Budget,
        ContributeRefused::Spend(SpendRefused::SpentBefore(_)) => Why::Spent,
        ContributeRefused::Spend(SpendRefused::SealedBefore(_)) => Why::Refunded,
        ContributeRefused::Seal(SealRefused::Credential(_)) => Why::NoPlace,
        ContributeRefused::Undelivered { .. } => Why::Undelivered,
        ContributeRefused::Acceptance(_) => Why::Acceptance,
        ContributeRefused::OtherUpdate(_) => Why::OtherUpdate,
        other => return Err(other.to_string()),
    })
}

/// Who vouches for registries.
pub(crate) fn authority() -> AuthoritySigner {
    AuthoritySigner::from_secret(&[5; 32])
}

/// The first takes anybody, the second those whom the authority admits.
pub(crate) const TASKS: [&str; 2] = ["beds", "wards"];
