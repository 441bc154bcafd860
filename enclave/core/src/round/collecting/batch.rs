//! Many headers at once: what one after the other would come to, with the opening shared out.
//!
//! Opening changes nothing, so it may go ahead of its turn; what the round makes of it is decided
//! in order, each after all that the earlier ones changed (I4, I14). Of a header whose turn comes
//! to nothing, say since the cohort filled up meanwhile, no one learns whether it opened.

use sealsum_protocol::messages::Verdict;
use sealsum_protocol::{ClientId, ContributionHeader, Digest, Refusal};

use super::{Collecting, key_digest};
use crate::accepted::AcceptedContribution;
use crate::workers::Workers;

/// A header's credential and opening, before its turn; none where the round had no place for it.
type Ahead = Option<Result<AcceptedContribution, Refusal>>;

impl Collecting {
    /// Takes headers of a `presum` round.
    pub(crate) fn contribute_many(
        &mut self,
        mut headers: Vec<ContributionHeader>,
        workers: Workers,
    ) -> Result<Vec<Verdict>, Refusal> {
        if self.sum.is_some() {
            return Err(Refusal::WrongIntake);
        }
        // All by what earlier commands have shown, before the first of these shows more.
        for credential in headers
            .iter_mut()
            .filter_map(|header| header.credential.as_mut())
        {
            self.upper_nodes.complete(credential);
        }
        let ahead = workers.map(&headers, OPENED_BY_ONE, |header| self.look_ahead(header));
        let decided: Vec<_> = headers
            .iter()
            .zip(ahead)
            .map(|(header, ahead)| self.decide(header, ahead))
            .collect();
        Ok(
            workers.map(&decided, SIGNED_BY_ONE, |decided| match decided {
                Ok((client, contribution)) => {
                    Verdict::Accepted(self.acceptance(*client, *contribution).signature())
                }
                Err(refusal) => Verdict::Refused(*refusal),
            }),
        )
    }

    fn look_ahead(&self, header: &ContributionHeader) -> Ahead {
        let known = self.accepted.contains_key(&header.client);
        if known || self.check_place(header, &key_digest(header)).is_err() {
            return None;
        }
        Some(self.examine(header))
    }

    /// A header's turn.
    fn decide(
        &mut self,
        header: &ContributionHeader,
        ahead: Ahead,
    ) -> Result<(ClientId, Digest), Refusal> {
        let client = header.client;
        if let Some(earlier) = self.earlier(header)? {
            return Ok((client, earlier));
        }
        let key = key_digest(header);
        self.check_place(header, &key)?;
        match ahead.unwrap_or_else(|| self.examine(header)) {
            Ok(accepted) => {
                if let Some(verified) = &header.credential {
                    self.upper_nodes.learn(verified);
                }
                Ok((client, self.take_in(client, key, accepted)))
            }
            Err(Refusal::Credential) => Err(Refusal::Credential),
            Err(refusal) => Err(self.burn(client, key, refusal)),
        }
    }

    fn examine(&self, header: &ContributionHeader) -> Result<AcceptedContribution, Refusal> {
        self.check_credential(header)?;
        Ok(self.open(header.clone())?.keep_seed())
    }
}

/// Headers whose opening is worth another thread: two take 150 us or more, starting a thread and
/// erasing its stack about 50.
const OPENED_BY_ONE: usize = 2;
/// The same for signatures, at some 15 us each.
const SIGNED_BY_ONE: usize = 8;
