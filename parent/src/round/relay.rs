//! Relaying one stored upload: in `presum` its header, together with others that wait;
//! in `stream` header and blocks, over one connection held for as long as that takes.

use std::time::Duration;

use sealsum_protocol::messages::{Contribute, StageBlock};
use sealsum_protocol::{Acceptance, Command, ContributionHeader, Intake, Reply, Signed};

use super::admission::is_final;
use super::{Round, RoundError};
use crate::enclave_link::{LinkError, Session};
use crate::rounds::Rounds;
use crate::storage::{Blob, StorageError};
use crate::stored_upload::StoredUpload;

impl Rounds {
    /// The enclave's acceptance of a stored upload. A broken connection or a busy
    /// enclave is tried again: the enclave forgets what was half staged.
    pub(super) async fn relay(
        &self,
        round: &Round,
        header: &ContributionHeader,
    ) -> Result<Signed<Acceptance>, RoundError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.relay_once(round, header).await {
                Err(error) if passes(&error) => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
        self.relay_once(round, header).await
    }

    async fn relay_once(
        &self,
        round: &Round,
        header: &ContributionHeader,
    ) -> Result<Signed<Acceptance>, RoundError> {
        match round.intake() {
            Intake::Stream => self.relay_whole(round, header).await,
            Intake::Presum => match self.contribute(round, header).await {
                Ok(acceptance) => accepted(round, header, acceptance),
                Err(error) => Err(self.judge(round, error).await),
            },
        }
    }

    async fn relay_whole(
        &self,
        round: &Round,
        header: &ContributionHeader,
    ) -> Result<Signed<Acceptance>, RoundError> {
        let mut session = self.link.session().await?;
        let command = Command::Contribute(Box::new(Contribute {
            header: header.clone(),
        }));
        let mut result = session
            .ask(&command, Vec::new(), round.boundary())
            .await
            .map(|answer| answer.reply);
        if matches!(result, Ok(Reply::Staging(_))) {
            result = match self.stage(round, header, &mut session).await {
                Ok(reply) => Ok(reply),
                Err(RoundError::Link(error)) => Err(error),
                Err(error) => return Err(error),
            };
        }
        if matches!(result, Ok(Reply::Accepted(_)) | Err(LinkError::Refused(_))) {
            session.finish();
        } else {
            drop(session);
        }
        match result {
            Ok(Reply::Accepted(acceptance)) => accepted(round, header, acceptance),
            Ok(_) => Err(LinkError::OutOfPlace("contribute").into()),
            Err(error) => Err(self.judge(round, error).await),
        }
    }

    /// Sends every block; the last one's reply is the acceptance.
    async fn stage(
        &self,
        round: &Round,
        header: &ContributionHeader,
        session: &mut Session<'_>,
    ) -> Result<Reply, RoundError> {
        let unreadable = |source| StorageError::Unreadable {
            round_id: round.id,
            blob: Blob::Upload(header.client),
            source,
        };
        let mut stored = StoredUpload::open(&*self.storage, round.id, round.layout, header.client)
            .await?
            .ok_or_else(|| unreadable(std::io::ErrorKind::NotFound.into()))?;
        for index in round.layout.indices() {
            let block = stored.next_block().await.map_err(unreadable)?;
            let command = Command::StageBlock(StageBlock {
                round_id: round.id,
                client: header.client,
                index,
            });
            match session.ask(&command, block, round.boundary()).await?.reply {
                Reply::Staging(staging) if staging.next == index + 1 => {}
                Reply::Accepted(acceptance) if index + 1 == round.layout.blocks() => {
                    return Ok(Reply::Accepted(acceptance));
                }
                _ => return Err(LinkError::OutOfPlace("stage_block").into()),
            }
        }
        Err(LinkError::OutOfPlace("the last stage_block").into())
    }
}

/// Whether this may be otherwise a moment later.
fn passes(error: &RoundError) -> bool {
    match error {
        RoundError::Link(LinkError::Broken(_)) => true,
        RoundError::Link(LinkError::Refused(refusal)) => !is_final(refusal),
        _ => false,
    }
}

/// An acceptance that clients would not believe is not passed on as one.
fn accepted(
    round: &Round,
    header: &ContributionHeader,
    acceptance: Signed<Acceptance>,
) -> Result<Signed<Acceptance>, RoundError> {
    let signed = acceptance
        .verify(&round.binding.receipt_key, &round.id)
        .map_err(|_| RoundError::Unsigned("acceptance"))?;
    if signed.client == header.client && signed.contribution == header.digest() {
        Ok(acceptance)
    } else {
        Err(LinkError::OutOfPlace("contribute").into())
    }
}

const ATTEMPTS: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
