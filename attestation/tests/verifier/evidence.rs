//! Evidence made to order: a round, a software NSM under a root of its own, and a policy that pins
//! both. Each test changes one thing.

use sealsum_attestation::{
    AppraisalPolicy, AppraisedEnclave, ChainCache, MeasurementEntry, PolicyFile, Rejection,
    appraise_offer, appraise_offer_with,
};
use sealsum_protocol::{
    Admission, AggregationRule, ClientNonce, Digest, Intake, KemPrivateKey, KemSuite, Noise,
    NoncePath, OperatorSigner, ReceiptSigner, RingBits, RoundBinding, RoundOffer, RoundParams,
    RoundTerms, Rounding, UnixMillis, VERSION,
};
use sealsum_softnsm::{
    Certificates, Faults, Measurement, Notary, Payload, RootAuthority, SoftNsm, SoftNsmConfig,
};
use serde_bytes::ByteBuf;

pub(crate) const NOW: UnixMillis = UnixMillis(1_767_472_867_402);
pub(crate) const NONCE: ClientNonce = ClientNonce::new([0x4e; 32]);
pub(crate) const MEASURED: Measurement = Measurement {
    pcr0: [0xa0; 48],
    pcr1: [0xa1; 48],
    pcr2: [0xa2; 48],
};

/// A round over X25519, and the enclave's private key.
pub(crate) fn round() -> (RoundBinding, KemPrivateKey) {
    round_with(|_| {}, 7)
}

/// A round whose terms and KEM entropy are changed.
pub(crate) fn round_with(
    change: impl FnOnce(&mut RoundTerms),
    entropy: u8,
) -> (RoundBinding, KemPrivateKey) {
    let operator = OperatorSigner::from_secret(&[1; 32]);
    let mut terms = RoundTerms {
        version: VERSION,
        task: "wards".parse().unwrap(),
        round_number: 3,
        operator: operator.key(),
        base_model: Digest::new([2; 32]),
        schema: Digest::new([3; 32]),
        dimension: 650,
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
    let (private, public) = KemPrivateKey::derive(terms.kem, &[entropy; 32]);
    let binding = RoundBinding {
        version: VERSION,
        params: RoundParams::new(terms).unwrap().sign(&operator).unwrap(),
        kem_key: ByteBuf::from(public),
        receipt_key: ReceiptSigner::from_secret(&[4; 32]).key(),
    };
    (binding, private)
}

/// A mock's root, and what was booted under it.
pub(crate) struct Mock {
    pub(crate) root: RootAuthority,
    pub(crate) nsm: SoftNsm,
}

impl Mock {
    pub(crate) fn boot() -> Self {
        Self::with(Faults::default())
    }

    pub(crate) fn with(faults: Faults) -> Self {
        let root = RootAuthority::generate(NOW.0).unwrap();
        let config = SoftNsmConfig {
            measurement: MEASURED,
            module_id: "i-0368fa67e156d6d23-enc019b8596b1a9dad6".parse().unwrap(),
            faults,
            clock: Box::new(|| NOW.0),
            definite: false,
        };
        let nsm = SoftNsm::new(&root, config).unwrap();
        Self { root, nsm }
    }

    /// The policy file that fits this mock.
    pub(crate) fn policy_file(&self) -> PolicyFile {
        PolicyFile {
            root: "mock-root.pem".to_owned(),
            mock: true,
            max_age_seconds: 300,
            clock_skew_seconds: 10,
            allow_debug: false,
            measurements: vec![measured("this build")],
            publishers: Vec::new(),
        }
    }

    pub(crate) fn policy(&self) -> AppraisalPolicy {
        self.policy_with(|_| {})
    }

    pub(crate) fn policy_with(&self, change: impl FnOnce(&mut PolicyFile)) -> AppraisalPolicy {
        let mut file = self.policy_file();
        change(&mut file);
        file.into_policy(Some(&self.root.root_pem())).unwrap()
    }

    /// An offer of `binding` whose evidence answers [`NONCE`] alone.
    pub(crate) fn offer(&self, binding: RoundBinding) -> RoundOffer {
        let user_data = *binding.round_id().as_bytes();
        let evidence = self
            .nsm
            .attest(Some(&user_data), Some(NONCE.as_bytes()), None)
            .unwrap();
        offer(binding, evidence)
    }

    /// An offer whose payload is changed before it is signed.
    pub(crate) fn offer_with(&self, change: impl FnOnce(&mut Payload)) -> RoundOffer {
        let notary = self.notary();
        let mut payload = self.payload(&notary.certificates());
        change(&mut payload);
        offer(
            round().0,
            notary.sign_payload(&payload.encode(false)).unwrap(),
        )
    }

    /// What a sound document for [`round`] says under these certificates.
    pub(crate) fn payload(&self, certificates: &Certificates) -> Payload {
        Payload {
            module_id: self.nsm.module_id().to_string(),
            digest: "SHA384".to_owned(),
            timestamp_ms: NOW.0,
            pcrs: (0..16)
                .map(|index| (index, vec![0xa0 + index as u8; 48]))
                .collect(),
            certificate: certificates.leaf.clone(),
            cabundle: certificates.cabundle.clone(),
            public_key: None,
            user_data: Some(round().0.round_id().as_bytes().to_vec()),
            nonce: Some(NONCE.as_bytes().to_vec()),
        }
    }

    pub(crate) fn notary(&self) -> Notary {
        Notary::new(&self.root, self.nsm.module_id(), NOW.0).unwrap()
    }

    /// Appraises under this mock's own policy, now.
    pub(crate) fn appraise(&self, offer: &RoundOffer) -> Result<AppraisedEnclave, Rejection> {
        let policy = self.policy();
        let verdict = appraise_offer(offer, &policy, NOW, &NONCE);
        // What is remembered of a chain, be it this one's, changes no verdict.
        let mut chains = ChainCache::new();
        let _ = appraise_offer_with(&self.offer(round().0), &policy, NOW, &NONCE, &mut chains);
        for _ in 0..2 {
            let again = appraise_offer_with(offer, &policy, NOW, &NONCE, &mut chains);
            assert_eq!(
                again.map(|enclave| enclave.round_id()),
                verdict
                    .as_ref()
                    .map(AppraisedEnclave::round_id)
                    .map_err(Clone::clone)
            );
        }
        verdict
    }
}

pub(crate) fn offer(binding: RoundBinding, evidence: Vec<u8>) -> RoundOffer {
    RoundOffer {
        binding,
        evidence: ByteBuf::from(evidence),
        nonce_path: NoncePath::alone(),
    }
}

/// The measurement of [`MEASURED`], as a policy has it.
pub(crate) fn measured(label: &str) -> MeasurementEntry {
    MeasurementEntry {
        label: label.to_owned(),
        pcr0: "a0".repeat(48),
        pcr1: "a1".repeat(48),
        pcr2: "a2".repeat(48),
        pcr3: None,
        pcr4: None,
        pcr8: None,
    }
}

/// The code of a refusal; a pass is a failed test.
pub(crate) fn code(result: Result<AppraisedEnclave, Rejection>) -> &'static str {
    match result {
        Ok(_) => "appraised",
        Err(rejection) => rejection.code(),
    }
}
