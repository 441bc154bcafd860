mod afterwards;
mod freed;
mod repeated;

use std::sync::atomic::{AtomicU64, Ordering};

use sealsum_protocol::fixed::OutOfRange;
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    AbortReceipt, ClientId, Cohort, CommitmentBuilder, Digest, EncodeError, Noise, Receipt,
    RingVector, UnixMillis, upload,
};
use tempfile::TempDir;

use super::*;
use crate::ledger::{AcceptanceRefused, RecordState, SpendRefused};
use crate::receipt::{AggregateRefused, ReceiptRefused};
use crate::testing::parent::{FakeParent, Offer, Released, Upload, one_try};
use crate::testing::{NOW, Nsm, Round, base_model, identity};
use crate::{
    ContributeOptions, MockMismatch, OwnContribution, Patience, RefundFailed, RefundProof,
    RefundRefused, Update, refund,
};

struct Site {
    folder: TempDir,
    client: Client,
    fake: FakeParent,
}

const VALUES: [f64; 10] = [0.5, -0.25, 1.0, 2.0, -3.0, 0.0, 0.125, 7.5, -15.0, 4.0];

impl Site {
    async fn new() -> Self {
        Self::at(Nsm::boot(), || NOW).await
    }

    async fn at(nsm: Nsm, clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = identity(folder.path());
        let policy = nsm.policy();
        let fake = FakeParent::start(nsm, Round::new(1)).await;
        fake.with(|parent| parent.ledger = Some(folder.path().join("ledger-mock.db")));
        let client = Client::new(fake.parent.clone(), &identity, policy, clock).unwrap();
        Self {
            folder,
            client,
            fake,
        }
    }

    async fn join(&mut self) -> Result<AttestedRound<'_>, JoinRefused> {
        let target = Target::Task("wards".parse().unwrap());
        self.client.join(&target, base_model(), true).await
    }

    async fn contribute(&mut self, values: &[f64]) -> Result<Contributed, ContributeRefused> {
        let update = Update::from_values(values.to_vec());
        let round = self.join().await?;
        round.contribute(&update, OPTIONS, |_, _| {}).await
    }

    async fn resend(
        &mut self,
        values: &[f64],
        weight: u32,
    ) -> Result<Option<Contributed>, ContributeRefused> {
        let update = Update::from_values(values.to_vec());
        let round_id = self.round_id();
        self.client
            .resend(&round_id, (&update, weight), true, |_, _| {})
            .await
    }

    fn uploads(&self) -> Vec<(Vec<u8>, u32)> {
        self.fake.with(|parent| parent.uploaded.clone())
    }

    fn used(&self) -> u32 {
        self.client.ledger.used().unwrap()
    }

    fn round_id(&self) -> RoundId {
        self.fake.with(|parent| parent.round.id())
    }

    fn state(&self) -> RecordState {
        let record = self.client.ledger.record(&self.round_id()).unwrap();
        record.unwrap().state
    }

    /// Releases a sum of 30 in each element over a cohort with or without this site.
    fn release(&self, own: Option<Digest>) {
        let strangers = [1_u8, 2, 3].map(|i| (ClientId::new([i; 32]), Digest::new([i; 32])));
        let client = self.client.ledger.client_id();
        let excluded = own.map_or(vec![client], |_| Vec::new());
        let own = own.map(|contribution| (client, contribution));
        let cohort: Cohort = strangers.into_iter().chain(own).collect();
        self.fake.with(|parent| {
            let layout = parent.round.binding.params.params.layout();
            let sum = RingVector::from_signed(layout.bits(), [30 << 16; 10].into_iter());
            let aggregate = pack(&sum);
            let mut commitment = CommitmentBuilder::aggregate();
            commitment.push(&aggregate);
            let receipt = parent.round.receipts.sign(Receipt {
                round_id: parent.round.id(),
                cohort_size: cohort.size() as u32,
                cohort_root: cohort.root(),
                total_weight: cohort.size(),
                aggregate: commitment.root(),
                noise: Noise::None,
                excluded,
                previous_receipt: None,
            });
            parent.released = Some(Released {
                receipt,
                aggregate,
                proof: cohort.prove(&client),
            });
        });
    }

    async fn collect(&mut self) -> Result<VerifiedAggregate, CollectRefused> {
        let round_id = self.round_id();
        self.client.collect(&round_id, true, |_, _| {}).await
    }
}

const OPTIONS: ContributeOptions = ContributeOptions {
    weight: 1,
    out_of_range: OutOfRange::Clamp,
    refund: false,
};

/// Whoever runs many clients spawns these.
#[test]
fn a_contribution_is_a_task_of_its_own_on_any_thread() {
    fn is_send<T: Send>(_: impl FnOnce() -> T) {}
    let site = || -> Site { unreachable!("only its type is looked at") };
    is_send(move || {
        let mut site = site();
        async move {
            let target = Target::Round(RoundId::new([0; 32]));
            let update = Update::from_values(Vec::new());
            let round = site.client.join(&target, base_model(), true).await?;
            let sent = round.contribute(&update, OPTIONS, |_, _| {}).await;
            sent.map(drop).map_err(|_| MockMismatch::FlagMissing)?;
            let round_id = RoundId::new([0; 32]);
            drop(site.client.collect(&round_id, true, |_, _| {}).await);
            let sealed = (&update, 1);
            drop(site.client.resend(&round_id, sealed, true, |_, _| {}).await);
            Ok::<(), JoinRefused>(())
        }
    });
}

#[tokio::test]
async fn an_update_arrives_masked_after_it_was_spent_and_only_the_enclave_can_read_it() {
    let mut site = Site::new().await;
    let contributed = site.contribute(&VALUES).await.unwrap();
    assert_eq!(contributed.clamped, 0);
    assert_eq!(contributed.budget_left, 9);
    assert_eq!(site.state(), RecordState::Accepted);
    let (body, recorded) = site.uploads().pop().unwrap();
    assert_eq!(recorded, 1, "the record was durable as the upload arrived");
    assert_eq!(contributed.uploaded_bytes, body.len() as u64);

    let length = upload::header_length(body[..4].try_into().unwrap()).unwrap();
    let header = upload::header(&body[4..4 + length]).unwrap();
    assert_eq!(header.digest(), contributed.acceptance.contribution);
    site.fake.with(|parent| {
        let (seed, weight) = parent
            .round
            .kem
            .open(
                &header.round_id,
                &header.client,
                &header.encapsulated_key,
                &header.commitment,
                &header.sealed,
            )
            .unwrap();
        let bits = parent.round.binding.params.params.layout().bits();
        let mut block = unpack(&body[4 + length..], bits, 10).unwrap();
        let expected: Vec<i64> = VALUES.map(|v| (v * 65536.0) as i64).to_vec();
        assert_ne!(block.signed().collect::<Vec<_>>(), expected);
        seed.expand(bits).wrapping_sub_from(0, &mut block).unwrap();
        assert_eq!(block.signed().collect::<Vec<_>>(), expected);
        assert_eq!(weight, 1);
    });
}

#[tokio::test]
async fn what_did_not_arrive_is_sent_again_byte_for_byte() {
    let mut site = Site::new().await;
    site.fake.with(|parent| {
        parent.uploads = [Upload::Problem(500, "storage"); 2].into();
    });
    for _ in 0..2 {
        let refused = site.contribute(&VALUES).await.unwrap_err();
        assert!(
            matches!(refused, ContributeRefused::Undelivered { .. }),
            "{refused}"
        );
    }
    let contributed = site.contribute(&VALUES).await.unwrap();
    assert!(contributed.resent && contributed.compared);
    let uploads = site.uploads();
    assert_eq!(uploads.len(), 3);
    assert!(uploads.iter().all(|(body, _)| *body == uploads[0].0));
    assert_eq!(site.used(), 1);
    // Accepted by now: nothing more is sent.
    let again = site.resend(&VALUES, 1).await.unwrap();
    assert_eq!(again.unwrap().acceptance, contributed.acceptance);
    assert_eq!(site.uploads().len(), 3);
}

#[tokio::test]
async fn a_busy_enclave_is_tried_again_with_the_same_bytes() {
    let mut site = Site::new().await;
    site.client.parent = site.client.parent.with_patience(Patience::default());
    site.fake
        .with(|parent| parent.uploads = [Upload::Problem(503, "busy")].into());
    let contributed = site.contribute(&VALUES).await.unwrap();
    assert!(!contributed.resent);
    let uploads = site.uploads();
    assert_eq!((uploads.len(), site.used()), (2, 1));
    assert!(uploads[0].0 == uploads[1].0);
}

#[tokio::test]
async fn an_acceptance_that_is_forged_or_of_another_contribution_is_no_acceptance() {
    for (upload, forged) in [
        (Upload::ForgeAcceptance, true),
        (Upload::AcceptAnother, false),
    ] {
        let mut site = Site::new().await;
        site.fake.with(|parent| parent.uploads = [upload].into());
        match site.contribute(&VALUES).await.unwrap_err() {
            ContributeRefused::Acceptance(AcceptanceRefused::Signature(_)) => assert!(forged),
            ContributeRefused::Acceptance(AcceptanceRefused::OtherContribution { .. }) => {
                assert!(!forged);
            }
            other => panic!("{other}"),
        }
        assert_eq!((site.state(), site.used()), (RecordState::Sealed, 1));
    }
}

#[tokio::test]
async fn replayed_evidence_and_another_round_are_refused_before_anything_is_recorded() {
    let mut site = Site::new().await;
    site.fake
        .with(|parent| parent.offers = [Offer::Replay].into());
    let refused = site.contribute(&VALUES).await.unwrap_err();
    let ContributeRefused::Join(JoinRefused::Evidence(rejection)) = refused else {
        panic!("{refused}");
    };
    assert_eq!(rejection.code(), "wrong-nonce");
    site.fake
        .with(|parent| parent.offers = [Offer::OtherRound].into());
    let target = Target::Round(site.round_id());
    let refused = site.client.join(&target, base_model(), true).await;
    assert!(matches!(refused, Err(JoinRefused::OtherRound { .. })));
    assert!(site.uploads().is_empty());
    assert!(site.client.ledger.records().unwrap().is_empty());
}

static AGING: AtomicU64 = AtomicU64::new(NOW.0);

#[tokio::test]
async fn evidence_that_aged_is_renewed_about_the_same_round_before_sealing() {
    let nsm = Nsm::with_clock(|| AGING.load(Ordering::SeqCst));
    let mut site = Site::at(nsm, || UnixMillis(AGING.load(Ordering::SeqCst))).await;
    let update = Update::from_values(VALUES.to_vec());
    let age = |seconds: u64| AGING.fetch_add(seconds * 1000, Ordering::SeqCst);

    // Another round in place of this one: nothing is sealed.
    site.fake
        .with(|parent| parent.offers = [Offer::Honest, Offer::OtherRound].into());
    let round = site.join().await.unwrap();
    age(301);
    let refused = round.contribute(&update, OPTIONS, |_, _| {}).await;
    assert!(matches!(
        refused,
        Err(ContributeRefused::Join(JoinRefused::OtherRound { .. }))
    ));
    assert_eq!(site.used(), 0);

    let round = site.join().await.unwrap();
    age(301);
    round.contribute(&update, OPTIONS, |_, _| {}).await.unwrap();
    assert_eq!(site.fake.with(|parent| parent.offered), 4);
    assert_eq!(site.uploads().len(), 1);
}

#[tokio::test]
async fn fresh_evidence_is_not_asked_for_twice() {
    let mut site = Site::new().await;
    site.contribute(&VALUES).await.unwrap();
    assert_eq!(site.fake.with(|parent| parent.offered), 1);
}

#[tokio::test]
async fn bad_updates_are_refused_and_nothing_is_recorded_or_sent() {
    let mut site = Site::new().await;
    let mut bad = VALUES;
    bad[3] = f64::NAN;
    let refused = site.contribute(&bad).await.unwrap_err();
    let ContributeRefused::Encode(error) = refused else {
        panic!("{refused}");
    };
    assert_eq!(error.error, EncodeError::NotFinite { index: 3 });
    let refused = site.contribute(&[1.0; 11]).await.unwrap_err();
    assert!(matches!(refused, ContributeRefused::Layout(_)), "{refused}");

    let refuse = ContributeOptions {
        out_of_range: OutOfRange::Refuse,
        ..OPTIONS
    };
    let update = Update::from_values(vec![17.0; 10]);
    let round = site.join().await.unwrap();
    let refused = round
        .contribute(&update, refuse, |_, _| {})
        .await
        .unwrap_err();
    let ContributeRefused::Encode(error) = refused else {
        panic!("{refused}");
    };
    assert!(matches!(
        error.error,
        EncodeError::BeyondClip { index: 0, .. }
    ));
    let heavy = ContributeOptions {
        weight: 2,
        ..OPTIONS
    };
    let round = site.join().await.unwrap();
    let refused = round
        .contribute(&update, heavy, |_, _| {})
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, ContributeRefused::Encode(error) if matches!(error.error, EncodeError::Weight { .. })),
        "{refused}"
    );
    assert!(site.uploads().is_empty());
    assert!(site.client.ledger.records().unwrap().is_empty());
    // Clamped when it may be.
    assert_eq!(site.contribute(&[17.0; 10]).await.unwrap().clamped, 10);
}

#[tokio::test]
async fn a_mock_is_refused_at_each_call_that_does_not_say_so() {
    let mut site = Site::new().await;
    let target = Target::Task("wards".parse().unwrap());
    let round_id = site.round_id();
    let join = site.client.join(&target, base_model(), false).await;
    assert!(matches!(
        join,
        Err(JoinRefused::Mock(MockMismatch::FlagMissing))
    ));
    let collect = site.client.collect(&round_id, false, |_, _| {}).await;
    assert!(matches!(collect, Err(CollectRefused::Mock(_))));
    let update = Update::from_values(VALUES.to_vec());
    let sealed = (&update, 1);
    let resend = site
        .client
        .resend(&round_id, sealed, false, |_, _| {})
        .await;
    assert!(resend.is_err());
    assert_eq!(site.fake.with(|parent| parent.offered), 0);
}

#[tokio::test]
async fn a_parent_that_is_down_is_unreachable_and_nothing_is_recorded() {
    let mut site = Site::new().await;
    let gone = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    };
    let gone = Parent::new(&format!("http://{gone}")).unwrap();
    site.client.parent = gone.with_patience(one_try());
    let refused = site.contribute(&VALUES).await.unwrap_err();
    let ContributeRefused::Join(JoinRefused::Parent(error)) = refused else {
        panic!("{refused}");
    };
    assert!(error.is_temporary(), "{error}");
    assert!(site.client.ledger.records().unwrap().is_empty());
    assert!(site.folder.path().join("ledger-mock.db").exists());
}
