//! Offers: what a client is shown when it asks to join. Evidence is made for each
//! nonce anew; nothing of an offer is kept, so none is ever stale.

use sealsum_protocol::messages::Attest;
use sealsum_protocol::{ClientNonce, Command, Digest, Reply, RoundOffer, nonce};
use serde_bytes::ByteBuf;

use crate::enclave_link::LinkError;
use crate::round::{Round, RoundError};
use crate::rounds::Rounds;

impl Rounds {
    /// An offer of a collecting round with evidence for this nonce.
    pub(crate) async fn offer(
        &self,
        round: &Round,
        client_nonce: ClientNonce,
    ) -> Result<RoundOffer, RoundError> {
        round.must_be_collecting()?;
        let (document_nonce, paths) = nonce::gather(&[client_nonce]);
        let evidence = self.attest(round, Digest::new(document_nonce)).await?;
        // One nonce has one path.
        let nonce_path = paths.into_iter().next().ok_or(RoundError::Interrupted)?;
        Ok(RoundOffer {
            binding: round.binding().clone(),
            evidence,
            nonce_path,
        })
    }

    /// An attestation document for the round, with this nonce in it.
    pub(crate) async fn attest(&self, round: &Round, nonce: Digest) -> Result<ByteBuf, RoundError> {
        let command = Command::Attest(Attest {
            round_id: round.id(),
            nonce,
        });
        match self.ask(round, command, Vec::new()).await?.reply {
            Reply::Evidence(evidence) => Ok(evidence.document),
            _ => Err(LinkError::OutOfPlace("attest").into()),
        }
    }
}
