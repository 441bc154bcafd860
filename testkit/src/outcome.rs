//! What became of a round, judged from outside: who is in its sum by receipt and proofs, whether
//! the aggregate is the sum of exactly those, and whether there is more than one end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use sealsum_protocol::fixed::decode;
use sealsum_protocol::pack::unpack;
use sealsum_protocol::receipt::Receipt;
use sealsum_protocol::{
    AggregationRule, BlockTree, ClientId, CohortProof, Digest, Membership, RingVector,
    RoundBinding, RoundId, RoundTerms, Signed, canonical, upload,
};

use crate::UncheckedClient;

/// A contribution as it is uploaded, with its plaintext.
pub struct KnownUpload {
    /// Whose it is.
    pub client: ClientId,
    /// Its digest, as acceptances and cohorts name it.
    pub contribution: Digest,
    /// What is sent, the same each time.
    pub bytes: Vec<u8>,
    /// What is in it: whole steps, so that sums of it are exact.
    pub values: Vec<f64>,
}

/// A release, judged.
#[derive(Debug)]
pub struct JudgedRelease {
    /// For each upload, whether receipt and proof show it in the sum.
    pub is_in: Vec<bool>,
    /// The aggregate's root, as it was published.
    pub root: Digest,
    /// The aggregate, as a sum whatever the rule.
    pub sum: Vec<f64>,
    /// Whether the aggregate is the one of the receipt: one that a disk has damaged is not, and no
    /// client believes it.
    pub is_the_receipts: bool,
    /// Whether it is, and the cohort is those who are in, and the aggregate their sum.
    pub is_right: bool,
}

impl KnownUpload {
    /// Seals one of client number `n`, with values that differ by `n` and place.
    pub fn new(binding: &RoundBinding, n: u64) -> Self {
        let terms = binding.params.params.terms();
        let steps = 2_f64.powi(terms.fractional_bits.into());
        let step = |element: u64| (element.wrapping_mul(n % 97 + 3) % 101) as f64 - 50.0;
        let values: Vec<_> = (0..terms.dimension).map(|i| step(i) / steps).collect();
        let contribution = UncheckedClient::new(n).contribute(binding, &values);
        Self {
            client: contribution.header.client,
            contribution: contribution.header.digest(),
            bytes: [upload::prefix(&contribution.header), contribution.body].concat(),
            values,
        }
    }
}

/// Judges a release by its published receipt and aggregate, and each upload's proof.
///
/// # Errors
/// What can't be read, or is not signed by the round's receipt key.
pub fn judge_release<'a>(
    binding: &RoundBinding,
    receipt: &[u8],
    aggregate: &[u8],
    uploads: impl IntoIterator<Item = (&'a KnownUpload, Vec<u8>)>,
) -> Result<JudgedRelease, String> {
    let receipt: Signed<Receipt> = canonical::decode(receipt).map_err(text)?;
    let receipt = receipt.verify(&binding.receipt_key, &binding.round_id());
    let receipt = receipt.map_err(text)?;
    let terms = binding.params.params.terms();
    let mut sum = vec![0.0; usize::try_from(terms.dimension).map_err(text)?];
    let mut is_in = Vec::new();
    for (upload, proof) in uploads {
        let proof: CohortProof = canonical::decode(&proof).map_err(text)?;
        let size = receipt.cohort_size.into();
        // What shows nothing shows no membership.
        let shown = proof.verify(&upload.client, &receipt.cohort_root, size);
        let found = shown == Ok(Membership::In(upload.contribution));
        if found {
            for (sum, value) in sum.iter_mut().zip(&upload.values) {
                *sum += value;
            }
        }
        is_in.push(found);
    }
    let (root, decoded) = published_sum(binding, receipt, aggregate)?;
    let found = is_in.iter().filter(|found| **found).count();
    let is_the_receipts = root == receipt.aggregate;
    let is_right =
        is_the_receipts && u32::try_from(found) == Ok(receipt.cohort_size) && decoded == sum;
    Ok(JudgedRelease {
        is_in,
        root,
        sum: decoded,
        is_the_receipts,
        is_right,
    })
}

/// A published aggregate's root, and its numbers as a sum whatever the rule.
///
/// # Errors
/// It has another length than it should, or blocks with padding.
pub fn published_sum(
    binding: &RoundBinding,
    receipt: &Receipt,
    aggregate: &[u8],
) -> Result<(Digest, Vec<f64>), String> {
    let (root, blocks) = read(binding, aggregate)?;
    let as_sum = RoundTerms {
        rule: AggregationRule::Sum,
        ..binding.params.params.terms().clone()
    };
    let (size, weight) = (receipt.cohort_size, receipt.total_weight);
    Ok((root, decode(&as_sum, &blocks, size, weight)))
}

fn read(binding: &RoundBinding, aggregate: &[u8]) -> Result<(Digest, Vec<RingVector>), String> {
    let layout = binding.params.params.layout();
    if aggregate.len() as u64 != layout.total_bytes() {
        return Err(format!("an aggregate of {} bytes", aggregate.len()));
    }
    let mut tree = BlockTree::AGGREGATE.frontier();
    let (mut blocks, mut rest) = (Vec::new(), aggregate);
    for index in layout.indices() {
        let bytes = layout.bytes(index).unwrap_or(0);
        let (block, others) = rest.split_at_checked(bytes).ok_or("a short aggregate")?;
        rest = others;
        tree.push(BlockTree::AGGREGATE.leaf(block));
        let elements = layout.elements(index).unwrap_or(0);
        blocks.push(unpack(block, layout.bits(), elements).map_err(text)?);
    }
    Ok((tree.root(), blocks))
}

#[expect(clippy::needless_pass_by_value, reason = "it is mapped over errors")]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Every end of every round that anybody was told of: by the enclave or by the parent.
#[derive(Default)]
pub struct Ends(Mutex<BTreeMap<RoundId, End>>);

#[derive(Default)]
struct End {
    receipts: BTreeSet<Vec<u8>>,
    aggregates: BTreeSet<[u8; 32]>,
    aborts: BTreeSet<Vec<u8>>,
}

/// What was said of an end.
pub enum Told {
    /// A receipt's bytes.
    Receipt(Vec<u8>),
    /// An aggregate's root.
    Aggregate(Digest),
    /// An abort receipt's bytes.
    AbortReceipt(Vec<u8>),
}

impl Ends {
    /// Notes what was said of a round's end.
    pub fn tell(&self, round: RoundId, told: Told) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let end = ends.entry(round).or_default();
        match told {
            Told::Receipt(receipt) => end.receipts.insert(receipt),
            Told::Aggregate(root) => end.aggregates.insert(*root.as_bytes()),
            Told::AbortReceipt(receipt) => end.aborts.insert(receipt),
        };
    }

    /// Rounds with two receipts, two aggregates or two abort receipts, or with an end of each kind.
    #[must_use]
    pub fn double_releases(&self) -> usize {
        let ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.values().filter(|end| end.is_double()).count()
    }
}

impl End {
    fn is_double(&self) -> bool {
        let is_released = !(self.receipts.is_empty() && self.aggregates.is_empty());
        self.receipts.len() > 1
            || self.aggregates.len() > 1
            || self.aborts.len() > 1
            || (is_released && !self.aborts.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LocalEnclave, ScriptedParent, stream};

    fn double(told: impl IntoIterator<Item = Told>) -> usize {
        let ends = Ends::default();
        for told in told {
            ends.tell(RoundId::new([1; 32]), told);
        }
        ends.double_releases()
    }

    #[test]
    fn one_end_told_again_and_again_is_one() {
        let root = || Told::Aggregate(Digest::new([1; 32]));
        let receipt = || Told::Receipt(vec![1]);
        assert_eq!(double([receipt(), root(), receipt(), root()]), 0);
        let abort = || Told::AbortReceipt(vec![1]);
        assert_eq!(double([abort(), abort()]), 0);
    }

    #[test]
    fn two_ends_of_one_round_are_a_double_release() {
        let root = |byte| Told::Aggregate(Digest::new([byte; 32]));
        let (receipt, abort) = (|| Told::Receipt(vec![1]), || Told::AbortReceipt(vec![1]));
        assert_eq!(double([receipt(), Told::Receipt(vec![2])]), 1);
        assert_eq!(double([root(1), root(2)]), 1);
        assert_eq!(double([abort(), root(1)]), 1);
        assert_eq!(double([receipt(), abort()]), 1);
        assert_eq!(double([abort(), Told::AbortReceipt(vec![2])]), 1);
    }

    #[test]
    fn a_release_is_right_for_exactly_those_who_are_in_it() {
        let mut link = LocalEnclave::new(1);
        let mut parent = ScriptedParent::open(&mut link, stream());
        let uploads: Vec<_> = (0..4)
            .map(|n| KnownUpload::new(&parent.binding, n))
            .collect();
        for upload in &uploads[..3] {
            let length = u32::from_be_bytes(upload.bytes[..4].try_into().unwrap()) as usize;
            let contribution = crate::Contribution {
                header: upload::header(&upload.bytes[4..4 + length]).unwrap(),
                body: upload.bytes[4 + length..].to_vec(),
            };
            parent.relay(&mut link, &contribution).unwrap();
        }
        parent.close(&mut link).unwrap();
        let cohort: sealsum_protocol::Cohort = uploads[..3]
            .iter()
            .map(|upload| (upload.client, upload.contribution))
            .collect();
        let mut aggregate = parent.release_block(&mut link, 0).unwrap();
        let receipt = canonical::encode(&parent.finish(&mut link).unwrap());
        let judge = |aggregate: &[u8], of: &[KnownUpload]| {
            let proofs = of
                .iter()
                .map(|upload| (upload, canonical::encode(&cohort.prove(&upload.client))));
            judge_release(&parent.binding, &receipt, aggregate, proofs).unwrap()
        };
        let judged = judge(&aggregate, &uploads);
        assert_eq!(
            (judged.is_in, judged.is_right),
            (vec![true, true, true, false], true)
        );
        assert!(!judge(&aggregate, &uploads[..2]).is_right, "one is missing");
        aggregate[0] ^= 1;
        assert!(!judge(&aggregate, &uploads).is_right, "another sum");
    }
}
