//! Memory of parent and enclave as the cohort grows: the most that each process ever had resident, in
//! whole `presum` rounds, several uploads at a time.

use anyhow::{Result, ensure};
use sealsum_protocol::{Intake, RoundTerms};

use super::Measure;
use crate::figure::{Figure, Goal, Key};
use crate::rounds::{OpenRound, Servers, runtime, send_all, terms};
use crate::setup::Setup;

pub(super) const MEASURE: Measure = Measure {
    keys: &[Key {
        name: "rss_growth_n10_n1000_mb",
        unit: "MB",
        // Ids, digests and seeds of a thousand clients are half a MB; allocators are not exact.
        goal: Some(Goal::AtMost(10.0)),
        what: "peak resident memory at n = 1000 - at n = 10, d = 1e5: the larger of parent's and enclave's",
    }],
    big: false,
    run,
};

fn run(setup: &Setup) -> Result<Vec<Figure>> {
    let d = setup.pick(100_000, 100_000, 1000);
    let cohorts = setup.pick([10, 100, 1000], [10, 100, 1000], [3, 4, 5]);
    let mut peaks = Vec::new();
    for clients in cohorts {
        peaks.push(peak(setup, d, clients)?);
    }
    let growth = |of: fn(&Peak) -> f64| {
        let of_all: Vec<_> = peaks.iter().map(of).collect();
        of_all.last().unwrap_or(&f64::NAN) - of_all.first().unwrap_or(&f64::NAN)
    };
    let (parent, enclave) = (growth(|peak| peak.parent), growth(|peak| peak.enclave));
    let figure = Figure::of("rss_growth_n10_n1000_mb", &[parent.max(enclave)])
        .part("parent_growth_mb", &[parent])
        .part("enclave_growth_mb", &[enclave]);
    let with_peaks = cohorts
        .iter()
        .zip(&peaks)
        .fold(figure, |figure, (n, peak)| {
            figure
                .part(&format!("parent_n{n}_mb"), &[peak.parent])
                .part(&format!("enclave_n{n}_mb"), &[peak.enclave])
        });
    Ok(vec![with_peaks])
}

/// In MB.
struct Peak {
    parent: f64,
    enclave: f64,
}

fn peak(setup: &Setup, dimension: u64, clients: u32) -> Result<Peak> {
    let servers = Servers::start(setup)?;
    runtime()?.block_on(async {
        let terms = RoundTerms {
            max_cohort: 1000,
            ..terms(Intake::Presum, dimension, 32)
        };
        let round = OpenRound::open(servers.url(), terms).await?;
        let id = round.binding.round_id();
        let round = send_all(round, clients.into()).await?;
        let summary = round.parent.close(&id).await?;
        ensure!(summary.cohort_size == Some(clients), "{summary:?}");
        anyhow::Ok(())
    })?;
    Ok(Peak {
        parent: servers.parent.peak_bytes()? as f64 / 1e6,
        enclave: servers.enclave.peak_bytes()? as f64 / 1e6,
    })
}
