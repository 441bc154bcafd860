//! Offers: what a client is shown when it asks to join. Evidence is made anew for each
//! nonce, alone or with others; nothing of an offer is kept, so none is ever stale.

use std::sync::Arc;

use sealsum_protocol::{ClientNonce, RoundOffer};

use crate::round::{Round, RoundError};
use crate::rounds::Rounds;

impl Rounds {
    /// An offer of a collecting round with evidence for this nonce.
    pub(crate) async fn offer(
        self: &Arc<Self>,
        round: &Arc<Round>,
        nonce: ClientNonce,
    ) -> Result<RoundOffer, RoundError> {
        round.must_be_collecting()?;
        let fresh = self.fresh_evidence(round, nonce).await?;
        Ok(RoundOffer {
            binding: round.binding().clone(),
            evidence: fresh.document,
            nonce_path: fresh.path,
        })
    }
}
