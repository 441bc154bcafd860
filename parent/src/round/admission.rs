//! Admission: a checked upload is stored durably, then goes to the enclave, and the
//! enclave's acceptance is stored before the client has it.
//!
//! The same upload again gets the same acceptance. What the enclave refuses for good
//! is removed from the disk.

use std::sync::Arc;

use sealsum_protocol::messages::Phase;
use sealsum_protocol::{
    Acceptance, ClientId, ContributionHeader, Intake, Refusal, Signed, canonical,
};

use tokio::sync::OwnedSemaphorePermit;

use super::{Round, RoundError};
use crate::rounds::Rounds;
use crate::storage::{Blob, Record};
use crate::stored_upload::StoredUpload;
use crate::upload::CheckedUpload;

impl Rounds {
    /// A place for an upload, from before its body is read until it is answered: whoever hangs up in
    /// between does not make room for another.
    pub(crate) fn place_for_upload(&self) -> Result<OwnedSemaphorePermit, RoundError> {
        let places = Arc::clone(&self.uploads);
        places.try_acquire_owned().map_err(|_| RoundError::Crowded)
    }

    /// Admits an upload whose body is that of its commitment.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        round: &Arc<Round>,
        upload: CheckedUpload,
        place: OwnedSemaphorePermit,
    ) -> Result<Signed<Acceptance>, RoundError> {
        let (rounds, round) = (Arc::clone(self), Arc::clone(round));
        self.run_to_the_end(async move {
            let _place = place;
            rounds.admit_now(&round, upload).await
        })
        .await
    }

    async fn admit_now(
        &self,
        round: &Round,
        upload: CheckedUpload,
    ) -> Result<Signed<Acceptance>, RoundError> {
        let _gate = round.intake_gate.read().await;
        let client = upload.header.client;
        let _client = round.lock_client(&client).await;
        if let Some(acceptance) = self.earlier_acceptance(round, &upload.header).await? {
            return Ok(acceptance);
        }
        round.must_be_collecting()?;
        round.make_room(client)?;
        if let Err(error) = upload.writer.commit().await {
            round.answer(&client);
            return Err(error.into());
        }
        self.relay_and_record(round, &upload.header).await
    }

    /// The acceptance of this contribution if it is in, an error if another one is.
    async fn earlier_acceptance(
        &self,
        round: &Round,
        header: &ContributionHeader,
    ) -> Result<Option<Signed<Acceptance>>, RoundError> {
        let digest = header.digest();
        let known = self.contribution(round, &header.client).await?;
        if known.is_none() && round.awaits_answer(&header.client) {
            // An upload that was stored and never answered comes first.
            match self.settle(round, header.client).await {
                Ok(_) => {}
                // It is gone now; the new one has its own chance.
                Err(error) if error.refusal().is_some_and(|refusal| is_final(&refusal)) => {}
                Err(error) => return Err(error),
            }
        }
        match self.contribution(round, &header.client).await? {
            None => Ok(None),
            Some(found) if found != digest => Err(RoundError::SecondContribution),
            Some(_) => {
                let record = Record::Acceptance(header.client);
                let stored = self.storage.record(round.id, record).await?;
                match stored.map(|bytes| canonical::decode(&bytes)) {
                    Some(Ok(acceptance)) => Ok(Some(acceptance)),
                    // The enclave gives the same one again.
                    _ => Ok(None),
                }
            }
        }
    }

    /// Brings a stored upload that has no acceptance to its end. `None` if there is
    /// none, or what there is is damaged; a damaged one was never acknowledged and goes.
    pub(super) async fn settle(
        &self,
        round: &Round,
        client: ClientId,
    ) -> Result<Option<Signed<Acceptance>>, RoundError> {
        if round.phase() != Phase::Collecting {
            return Ok(None);
        }
        let storage = &*self.storage;
        let Some(stored) = StoredUpload::open(storage, round.id, round.layout, client).await?
        else {
            return Ok(None);
        };
        let Some(header) = stored.into_whole_header().await else {
            storage.remove_blob(round.id, Blob::Upload(client)).await?;
            round.answer(&client);
            return Ok(None);
        };
        self.relay_and_record(round, &header).await.map(Some)
    }

    async fn relay_and_record(
        &self,
        round: &Round,
        header: &ContributionHeader,
    ) -> Result<Signed<Acceptance>, RoundError> {
        let upload = Blob::Upload(header.client);
        let acceptance = match self.relay(round, header).await {
            Ok(acceptance) => acceptance,
            Err(error) => {
                if error.refusal().is_some_and(|refusal| is_final(&refusal)) {
                    self.storage.remove_blob(round.id, upload).await?;
                    round.answer(&header.client);
                }
                return Err(error);
            }
        };
        let record = Record::Acceptance(header.client);
        self.storage
            .put(round.id, record, canonical::encode(&acceptance))
            .await?;
        round.accept(header.client, header.digest());
        self.metrics.accepted();
        if round.intake() == Intake::Stream {
            // The enclave has it all; a leftover costs space only.
            self.forget_upload(round, header.client).await;
        }
        tracing::info!(round_id = %round.id, client = %header.client, "a contribution is in");
        Ok(acceptance)
    }

    async fn forget_upload(&self, round: &Round, client: ClientId) {
        let upload = Blob::Upload(client);
        if let Err(error) = self.storage.remove_blob(round.id, upload).await {
            tracing::warn!(round_id = %round.id, %client, %error, "an upload was not removed");
        }
    }
}

/// Whether the same upload would be refused again.
pub(super) const fn is_final(refusal: &Refusal) -> bool {
    !matches!(
        refusal,
        Refusal::Busy | Refusal::Device | Refusal::NotStaging { .. }
    )
}
