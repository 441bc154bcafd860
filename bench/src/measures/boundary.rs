//! Bytes over the enclave's boundary, as the parent counts them, in whole `presum` rounds through the
//! programs as they are shipped.
//!
//! A round is charged 2 x d elements, packed: the masked sum in, the aggregate out. What is over is
//! shared among its clients, the round's own messages included. Offers are counted apart: each carries
//! the security module's document, whatever the intake.

use anyhow::{Result, ensure};
use sealsum_client::Target;
use sealsum_protocol::merkle::{Levels, Tree};
use sealsum_protocol::{ClientId, ClientNonce, Intake, KemSuite, Registry, RoundTerms, label};
use sealsum_testkit::{Contribution, UncheckedClient, admission, client_id, client_signer};

use super::Measure;
use crate::figure::{Figure, Goal, Key};
use crate::rounds::{OpenRound, Servers, runtime, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[
        Key {
            name: "boundary_bytes_per_client_presum",
            unit: "bytes",
            goal: Some(Goal::AtMost(1400.0)),
            what: "bytes over the boundary while n = 100 clients contribute / n: X-Wing, open admission, d = 1e6; what a round takes whoever is in it, and an offer, are beside it",
        },
        Key {
            name: "boundary_bytes_per_client_presum_x25519",
            unit: "bytes",
            goal: Some(Goal::AtMost(400.0)),
            what: "the same with X25519",
        },
        Key {
            name: "boundary_bytes_per_client_registry",
            unit: "bytes",
            goal: Some(Goal::AtMost(600.0)),
            what: "what a registry of a million keys adds to that, per client of a thousand",
        },
        Key {
            name: "boundary_bytes_per_offer",
            unit: "bytes",
            goal: None,
            what: "bytes over the boundary for one offer: the nonce in, the evidence out",
        },
    ],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let servers = Servers::start(setup)?;
    runtime()?.block_on(async {
        let d = setup.pick(1_000_000, 100_000, 20_000);
        let n = setup.pick(100, 100, 3);
        let open = |kem| RoundTerms {
            kem,
            ..terms(Intake::Presum, d, 24)
        };
        let x_wing = crossed(&servers, open(KemSuite::XWing), n, |_, c| c).await?;
        let x25519 = crossed(&servers, open(KemSuite::X25519), n, |_, c| c).await?;

        // Short updates, with the registry and without. The first clients show the enclave what the
        // later ones need not.
        let n = setup.pick(1000, 200, 3);
        let registry = registry_of(setup.pick(1_000_000, 1_000_000, 1000), n);
        let places = Places::of(&registry);
        let short = RoundTerms {
            max_cohort: u32::try_from(n)?,
            ..terms(Intake::Presum, 1000, 32)
        };
        let members = RoundTerms {
            admission: admission(&registry),
            ..short.clone()
        };
        let without = crossed(&servers, short, n, |_, c| c).await?;
        let with = crossed(&servers, members, n, |client, c| places.sign(client, c)).await?;
        Ok(vec![
            x_wing.figure("boundary_bytes_per_client_presum"),
            x25519.figure("boundary_bytes_per_client_presum_x25519"),
            Figure::of(
                "boundary_bytes_per_client_registry",
                &[with.per_client() - without.per_client()],
            ),
            Figure::of("boundary_bytes_per_offer", &[x_wing.offer]),
        ])
    })
}

/// What crossed in one round.
struct Crossed {
    clients: f64,
    opening: f64,
    contributions: f64,
    closing: f64,
    offer: f64,
}

impl Crossed {
    fn per_client(&self) -> f64 {
        self.contributions / self.clients
    }

    fn figure(&self, key: &'static str) -> Figure {
        Figure::of(key, &[self.per_client()])
            .part("opening_bytes_a_round", &[self.opening])
            .part("closing_bytes_a_round_beside_2_d_elements", &[self.closing])
    }
}

async fn crossed(
    servers: &Servers,
    terms: RoundTerms,
    clients: u64,
    credential: impl Fn(u64, Contribution) -> Contribution,
) -> Result<Crossed> {
    let values = vec![0.25; terms.dimension as usize];
    let elements = terms.dimension * u64::from(terms.ring_bits.get());
    let round = OpenRound::open(servers.url(), terms).await?;
    let id = round.binding.round_id();
    let bytes = async || anyhow::Ok(round.parent.round(&id).await?.boundary_bytes as f64);
    let opening = bytes().await?;
    for client in 0..clients {
        let contribution = UncheckedClient::new(client).contribute(&round.binding, &values);
        round.send(credential(client, contribution)).await?;
    }
    let contributed = bytes().await?;
    let nonce = ClientNonce::new([7; 32]);
    round.parent.offer(&Target::Round(id), &nonce).await?;
    let offered = bytes().await?;
    let summary = round.parent.close(&id).await?;
    ensure!(
        summary.cohort_size.map(u64::from) == Some(clients),
        "{clients} clients contributed, the cohort is {:?}",
        summary.cohort_size
    );
    let vectors = 2.0 * elements.div_ceil(8) as f64;
    Ok(Crossed {
        clients: clients as f64,
        opening,
        contributions: contributed - opening,
        closing: bytes().await? - offered - vectors,
        offer: offered - contributed,
    })
}

/// A registry's tree, kept: each path of a million would take a third of a second anew.
struct Places {
    keys: Vec<ClientId>,
    tree: Levels,
}

impl Places {
    fn of(registry: &Registry) -> Self {
        let keys: Vec<_> = registry.keys().copied().collect();
        let tree = Tree(label::REGISTRY_TREE);
        let leaves = keys.iter().map(|key| tree.leaf(key.as_bytes())).collect();
        Self {
            tree: tree.levels(leaves),
            keys,
        }
    }

    fn sign(&self, client: u64, contribution: Contribution) -> Contribution {
        let place = self.keys.binary_search(&client_id(client));
        let index = place.expect("the registry has this client") as u64;
        let path = self.tree.path(index).expect("of a place that there is");
        let header = contribution.header;
        Contribution {
            header: header.with_credential(&client_signer(client), index, path),
            ..contribution
        }
    }
}

/// The first clients' keys among others that nobody has.
fn registry_of(size: u64, clients: u64) -> Registry {
    let other = |n: u64| {
        let mut key = [0x5e; 32];
        // Spread out, as keys are.
        key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        ClientId::new(key)
    };
    (0..clients)
        .map(client_id)
        .chain((clients..size).map(other))
        .collect()
}
