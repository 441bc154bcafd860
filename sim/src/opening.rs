//! Opening rounds, with sound parameters and others.

use std::collections::BTreeMap;

use sealsum_client::BaseModel;
use sealsum_protocol::{
    Admission, ClientNonce, Intake, Noise, OperatorSigner, Refusal, Registry, RegistryGrant, Reply,
    RingBits, RoundBinding, RoundEvidence, RoundParams, RoundTerms, Signature, SignedRoundParams,
    UnixMillis,
};
use sealsum_testkit::{Link as _, client_id, open_round, operator, terms};

use crate::contributing::INSIDERS;
use crate::counter::attest;
use crate::enclaves::unix_time;
use crate::houses::{TASKS, authority};
use crate::model::ModelRound;
use crate::op::{Admit, Flavour, OpenOp};
use crate::sites::SITES;
use crate::world::{RealRound, Step, World, text};

impl World {
    pub(crate) fn open(&mut self, op: OpenOp) -> Step {
        let place = match self.hosted {
            Some(_) => 0,
            None => usize::from(op.enclave % 2),
        };
        let intake = if op.stream {
            Intake::Stream
        } else {
            Intake::Presum
        };
        let (number, base) = self.watch.number(op.task, op.number_back, op.base_back);
        let task = usize::from(op.task % 2);
        let dimension = if op.wide { 16_384 + 21 } else { 21 };
        let base_model = BaseModel::from_values(&vec![f64::from(base); dimension]);
        let (admission, registry) = self.admission(op.admit, task)?;
        let wanted = RoundTerms {
            task: TASKS[task].parse().map_err(text)?,
            round_number: number,
            base_model: base_model.digest(),
            schema: base_model.schema().digest(),
            admission,
            ring_bits: RingBits::new(23).map_err(text)?,
            dimension: dimension as u64,
            min_cohort: op.min.into(),
            max_cohort: u32::from(op.min) + 2,
            ..terms(intake)
        };
        let (params, mut expected) = signed(wanted.clone(), op.flavour)?;
        let model = &mut self.models[place];
        model.expire(self.now);
        expected = model
            .may_open()
            .and(expected)
            .and_then(|()| model.has_room());
        let opened = if self.hosted.is_some() {
            self.hosted_open(&params)?.map_err(|_| None)
        } else {
            self.scripted_open(place, params)?.map_err(Some)
        };
        match (opened, expected) {
            (Ok((binding, evidence)), Ok(())) => {
                let model = ModelRound::new(
                    op.stream,
                    registry.is_some(),
                    wanted.min_cohort,
                    wanted.max_cohort,
                    if op.wide { 2 } else { 1 },
                );
                self.models[place].open(self.rounds.len(), model);
                self.rounds.push(RealRound {
                    enclave: place,
                    task,
                    evidence: RoundEvidence {
                        binding: binding.clone(),
                        evidence: evidence.into(),
                    },
                    binding,
                    base_model,
                    honest_operator: op.flavour != Flavour::OtherOperator,
                    registry,
                    acceptances: BTreeMap::new(),
                    blocks: BTreeMap::new(),
                    accepted: Vec::new(),
                    closed: None,
                    receipt: None,
                    abort: None,
                    lost: false,
                });
                Ok(())
            }
            (Err(Some(found)), Err(expected)) if found == expected => Ok(()),
            // The parent has words of its own.
            (Err(None), Err(_)) => Ok(()),
            (found, expected) => Err(format!("open: expected {expected:?}, found {found:?}")),
        }
    }

    /// Opens a round in an enclave and puts it on offer; gives its binding, and evidence to keep.
    fn scripted_open(
        &mut self,
        place: usize,
        params: SignedRoundParams,
    ) -> Result<Result<(RoundBinding, Vec<u8>), Refusal>, String> {
        let enclave = &mut self.enclaves[place];
        match enclave.say(open_round(params)) {
            Reply::Opened(opened) => {
                let binding = opened.binding;
                let round_id = binding.round_id();
                let nonce = ClientNonce::new(self.rng.bytes());
                let evidence = attest(enclave, round_id, nonce)?;
                let offered = (enclave.clone(), binding.clone());
                self.counter.desk().rounds.insert(round_id, offered);
                Ok(Ok((binding, evidence)))
            }
            Reply::Refused(refusal) => Ok(Err(refusal)),
            other => Err(format!("open: unexpected {other:?}")),
        }
    }

    /// A round's admission; of a registry its epoch, and whether its grant holds.
    fn admission(
        &mut self,
        admit: Admit,
        task: usize,
    ) -> Result<(Admission, Option<(usize, bool)>), String> {
        if admit == Admit::Open {
            return Ok((Admission::Open, None));
        }
        if admit == Admit::NewEpoch || self.registries.is_empty() {
            let registry = self.new_registry();
            self.registries.push(registry);
        }
        let newest = self.registries.len() - 1;
        let epoch = match admit {
            Admit::Registry(back) => newest.saturating_sub(back.into()),
            _ => newest,
        };
        let registry = &self.registries[epoch];
        let now = unix_time(&self.maker.clock);
        let holds = admit != Admit::Expired;
        let not_after = if holds {
            UnixMillis(now.0 + FOREVER)
        } else {
            UnixMillis(now.0 - 1)
        };
        let (root, size) = (registry.root(), registry.size());
        let task = TASKS[task].parse().map_err(text)?;
        let grant = RegistryGrant::sign(&authority(), &task, epoch as u64, &root, size, not_after);
        let admission = Admission::Registry {
            root,
            size,
            grant: Some(grant),
        };
        Ok((admission, Some((epoch, holds))))
    }

    /// All sites but one, each time another, and a few hostile keys that were admitted too.
    fn new_registry(&self) -> Registry {
        let left_out = self.registries.len() % SITES;
        let sites = (0..SITES).filter(|site| *site != left_out);
        let sites = sites.map(|site| self.houses.id(site));
        sites.chain(INSIDERS.map(client_id)).collect()
    }
}

fn signed(
    wanted: RoundTerms,
    flavour: Flavour,
) -> Result<(SignedRoundParams, Result<(), Refusal>), String> {
    let sign = |terms: RoundTerms, by: &OperatorSigner| {
        RoundParams::new(terms)
            .map_err(text)?
            .sign(by)
            .map_err(text)
    };
    Ok(match flavour {
        Flavour::Honest => (sign(wanted, &operator())?, Ok(())),
        Flavour::Forged => {
            let mut params = sign(wanted, &operator())?;
            params.signature = Signature::new([1; 64]);
            (params, Err(Refusal::OperatorSignature))
        }
        Flavour::Noisy => {
            let noise = Noise::DiscreteGaussian {
                sigma: 10,
                tail: 100,
            };
            let noisy = RoundTerms { noise, ..wanted };
            (sign(noisy, &operator())?, Err(Refusal::NoiseUnsupported))
        }
        Flavour::OtherOperator => {
            let other = OperatorSigner::from_secret(&[9; 32]);
            let operator = other.key();
            let terms = RoundTerms { operator, ..wanted };
            (sign(terms, &other)?, Ok(()))
        }
    })
}

/// Longer than any episode.
const FOREVER: u64 = 1 << 40;
