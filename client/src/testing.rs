//! What tests stand on: a mock enclave's evidence under a root of its own, policies that pin it, and
//! an identity in a folder. Each test changes one thing.

pub(crate) mod parent;

use std::path::Path;

use sealsum_attestation::{
    AppraisalPolicy, AppraisedEnclave, MeasurementEntry, PolicyFile, appraise_offer,
};
use sealsum_protocol::{
    Admission, AggregationRule, ClientNonce, Digest, Dtype, Intake, KemPrivateKey, KemSuite, Noise,
    NoncePath, OperatorSigner, ReceiptSigner, RingBits, RoundBinding, RoundId, RoundOffer,
    RoundParams, RoundTerms, Rounding, Schema, TensorSpec, UnixMillis, VERSION,
};
use sealsum_softnsm::{Faults, Measurement, RootAuthority, SoftNsm, SoftNsmConfig};
use serde_bytes::ByteBuf;

use crate::policy::{
    AdmissionTerm, Budget, IntakeTerm, KemTerm, NoiseFloor, OperatorTerm, RoundPolicy,
    RoundPolicyFile, RuleTerm, consent,
};
use crate::update::{FileFormat, to_file};
use crate::{AcceptedTerms, BaseModel, Identity, Selection, Update};

pub(crate) const NOW: UnixMillis = UnixMillis(1_767_472_867_402);
const MEASURED: Measurement = Measurement {
    pcr0: [0xa0; 48],
    pcr1: [0xa1; 48],
    pcr2: [0xa2; 48],
};

pub(crate) fn operator() -> OperatorSigner {
    OperatorSigner::from_secret(&[1; 32])
}

/// The model of every round here: ten zeros.
pub(crate) fn base_model() -> BaseModel {
    BaseModel::from_values(&[0.0; 10])
}

/// A round's public half, and the enclave's keys.
pub(crate) struct Round {
    pub(crate) binding: RoundBinding,
    pub(crate) kem: KemPrivateKey,
    pub(crate) receipts: ReceiptSigner,
}

impl Round {
    /// Round 3 of task wards, in the enclave number `enclave`.
    pub(crate) fn new(enclave: u8) -> Self {
        Self::with(enclave, |_| {})
    }

    pub(crate) fn with(enclave: u8, change: impl FnOnce(&mut RoundTerms)) -> Self {
        let mut terms = RoundTerms {
            version: VERSION,
            task: "wards".parse().unwrap(),
            round_number: 3,
            operator: operator().key(),
            base_model: base_model().digest(),
            schema: base_model().schema().digest(),
            dimension: 10,
            ring_bits: RingBits::new(32).unwrap(),
            clip: 1 << 20,
            fractional_bits: 16,
            rounding: Rounding::Nearest,
            max_weight: 1,
            min_cohort: 3,
            max_cohort: 100,
            intake: Intake::Stream,
            admission: Admission::Open,
            rule: AggregationRule::Mean,
            noise: Noise::None,
            kem: KemSuite::X25519,
            l2_bound: None,
            previous_receipt: None,
        };
        change(&mut terms);
        let signer = operator();
        let (kem, kem_key) = KemPrivateKey::derive(terms.kem, &[enclave; 32]);
        let receipts = ReceiptSigner::from_secret(&[enclave ^ 0xff; 32]);
        terms.operator = signer.key();
        let binding = RoundBinding {
            version: VERSION,
            params: RoundParams::new(terms).unwrap().sign(&signer).unwrap(),
            kem_key: ByteBuf::from(kem_key),
            receipt_key: receipts.key(),
        };
        Self {
            binding,
            kem,
            receipts,
        }
    }

    pub(crate) fn id(&self) -> RoundId {
        self.binding.round_id()
    }
}

/// A software NSM under a root of its own.
pub(crate) struct Nsm {
    root: RootAuthority,
    nsm: SoftNsm,
}

impl Nsm {
    pub(crate) fn boot() -> Self {
        Self::with_clock(|| NOW.0)
    }

    pub(crate) fn with_clock(clock: fn() -> u64) -> Self {
        let root = RootAuthority::generate(clock()).unwrap();
        let config = SoftNsmConfig {
            measurement: MEASURED,
            module_id: "i-0368fa67e156d6d23-enc019b8596b1a9dad6".parse().unwrap(),
            faults: Faults::default(),
            clock: Box::new(clock),
            definite: false,
        };
        let nsm = SoftNsm::new(&root, config).unwrap();
        Self { root, nsm }
    }

    pub(crate) fn appraisal(&self) -> AppraisalPolicy {
        let pem = self.root.root_pem();
        Self::appraisal_file().into_policy(Some(&pem)).unwrap()
    }

    /// Writes appraisal.toml and mock-root.pem.
    pub(crate) fn write_appraisal(&self, folder: &Path) {
        let policy = Self::appraisal_file().to_toml().unwrap();
        std::fs::write(folder.join("appraisal.toml"), policy).unwrap();
        std::fs::write(folder.join("mock-root.pem"), self.root.root_pem()).unwrap();
    }

    fn appraisal_file() -> PolicyFile {
        let hex = |byte: &str| byte.repeat(48);
        PolicyFile {
            root: "mock-root.pem".to_owned(),
            mock: true,
            max_age_seconds: 300,
            clock_skew_seconds: 10,
            allow_debug: false,
            measurements: vec![MeasurementEntry {
                label: "this build".to_owned(),
                pcr0: hex("a0"),
                pcr1: hex("a1"),
                pcr2: hex("a2"),
                pcr3: None,
                pcr4: None,
                pcr8: None,
            }],
            publishers: Vec::new(),
        }
    }

    pub(crate) fn policy(&self) -> RoundPolicy {
        self.policy_with(|_| {})
    }

    pub(crate) fn policy_with(&self, change: impl FnOnce(&mut RoundPolicyFile)) -> RoundPolicy {
        let mut file = policy_file();
        change(&mut file);
        RoundPolicy::new(file, self.appraisal()).unwrap()
    }

    pub(crate) fn evidence(&self, round: &Round, nonce: Option<&ClientNonce>) -> ByteBuf {
        let id = round.id();
        let nonce = nonce.map(|nonce| nonce.as_bytes().as_slice());
        ByteBuf::from(self.nsm.attest(Some(id.as_bytes()), nonce, None).unwrap())
    }

    pub(crate) fn offer(&self, round: &Round, nonce: &ClientNonce) -> RoundOffer {
        RoundOffer {
            binding: round.binding.clone(),
            evidence: self.evidence(round, Some(nonce)),
            nonce_path: NoncePath::alone(),
        }
    }

    pub(crate) fn appraise(&self, round: &Round) -> AppraisedEnclave {
        let nonce = ClientNonce::new([0x4e; 32]);
        let offer = self.offer(round, &nonce);
        appraise_offer(&offer, &self.appraisal(), NOW, &nonce).unwrap()
    }

    pub(crate) fn accept(&self, round: &Round) -> (AppraisedEnclave, AcceptedTerms) {
        let enclave = self.appraise(round);
        let model = round.binding.params.params.terms().base_model;
        let tasks = |file: &mut RoundPolicyFile| {
            file.tasks = vec![round.binding.params.params.terms().task.clone()];
        };
        let terms = self
            .policy_with(tasks)
            .judge(&enclave, &model, NOW)
            .unwrap();
        (enclave, terms)
    }
}

/// A complete policy that accepts [`Round::new`].
pub(crate) fn policy_file() -> RoundPolicyFile {
    RoundPolicyFile {
        appraisal_policy: "appraisal.toml".to_owned(),
        tasks: vec!["wards".parse().unwrap()],
        operator_key: OperatorTerm::Key(operator().key()),
        min_cohort: 3,
        admission: AdmissionTerm::Open,
        noise_floor: NoiseFloor::None,
        kem_suites: vec![KemTerm(KemSuite::X25519)],
        intakes: vec![IntakeTerm(Intake::Stream)],
        rules: vec![RuleTerm(AggregationRule::Mean)],
        release_weights: false,
        budget: Budget { contributions: 10 },
        unproven_retries: 0,
        consent: vec![consent::OPEN_WITHOUT_NOISE.to_owned()],
        mock: true,
    }
}

pub(crate) fn identity(folder: &Path) -> Identity {
    Identity::create(folder).unwrap()
}

/// Another model's digest.
pub(crate) fn other_model(byte: u8) -> Digest {
    Digest::new([byte; 32])
}

/// An update of 32-bit floats, which comes from a file alone.
pub(crate) fn single(folder: &Path, values: &[f32]) -> Update {
    let schema = Schema {
        tensors: vec![TensorSpec {
            name: String::new(),
            shape: vec![values.len() as u64],
            dtype: Dtype::F32,
        }],
    };
    let values: Vec<f64> = values.iter().copied().map(f64::from).collect();
    let path = folder.join("single.npy");
    std::fs::write(&path, to_file(FileFormat::Npy, &schema, &values).unwrap()).unwrap();
    Update::read(&path, &Selection::all()).unwrap()
}
