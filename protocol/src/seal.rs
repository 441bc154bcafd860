//! Sealing: the one way from an encoded update to a contribution.
//!
//! Mask, commit, then seal; the encapsulation is consumed, so its seed can't mask
//! a second vector:
//!
//! ```
//! use sealsum_protocol::{Encapsulation, EncodedUpdate, SealError, seal};
//! fn once(encapsulation: Encapsulation, update: EncodedUpdate) -> Result<(), SealError> {
//!     seal(encapsulation, update).map(drop)
//! }
//! ```
//! ```compile_fail,E0382
//! use sealsum_protocol::{Encapsulation, EncodedUpdate, SealError, seal};
//! fn twice(encapsulation: Encapsulation, a: EncodedUpdate, b: EncodedUpdate) -> Result<(), SealError> {
//!     seal(encapsulation, a)?;
//!     seal(encapsulation, b).map(drop)
//! }
//! ```

use serde_bytes::ByteBuf;

use crate::commitment::{Commitment, CommitmentBuilder};
use crate::contribution::{ContributionHeader, MaskedUpdate};
use crate::encapsulation::{Encapsulation, SealError};
use crate::fixed::EncodedUpdate;
use crate::pack::pack;

/// Masks the update under the encapsulation's seed and seals its weight.
///
/// # Errors
/// [`SealError::Hpke`] if sealing fails; nothing has left then.
pub fn seal(
    encapsulation: Encapsulation,
    mut update: EncodedUpdate,
) -> Result<(ContributionHeader, MaskedUpdate), SealError> {
    let layout = update.layout();
    let mut mask = encapsulation.seed().expand(layout.bits());
    let mut commitment = CommitmentBuilder::masked_update();
    let mut body = Vec::with_capacity(usize::try_from(layout.total_bytes()).unwrap_or(0));
    for (index, block) in layout.indices().zip(update.blocks_mut()) {
        mask.wrapping_add_to(index, block)
            .map_err(|_| SealError::OtherLayout)?;
        let packed = pack(block);
        commitment.push(&packed);
        body.extend_from_slice(&packed);
    }
    drop(mask);
    let commitment = Commitment(commitment.root());
    let (round_id, client) = (encapsulation.round_id(), encapsulation.client());
    let (encapsulated_key, sealed) = encapsulation.seal_header(&commitment, update.weight())?;
    let header = ContributionHeader {
        round_id,
        client,
        encapsulated_key: ByteBuf::from(encapsulated_key),
        commitment,
        sealed: ByteBuf::from(sealed),
        credential: None,
    };
    Ok((header, MaskedUpdate(body)))
}
