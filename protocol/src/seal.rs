//! Sealing: the one way from an encoded update to a contribution.
//!
//! Mask, commit, then seal; the encapsulation is consumed, so its seed can't mask
//! a second vector:
//!
//! ```
//! use sealsum_protocol::{Encapsulation, Encoding, SealError, seal};
//! fn once(encapsulation: Encapsulation, update: Encoding<'_>) -> Result<(), SealError> {
//!     seal(encapsulation, update).map(drop)
//! }
//! ```
//! ```compile_fail,E0382
//! use sealsum_protocol::{Encapsulation, Encoding, SealError, seal};
//! fn twice(encapsulation: Encapsulation, a: Encoding<'_>, b: Encoding<'_>) -> Result<(), SealError> {
//!     seal(encapsulation, a)?;
//!     seal(encapsulation, b).map(drop)
//! }
//! ```

use serde_bytes::ByteBuf;

use crate::block::BLOCK_ELEMENTS;
use crate::commitment::{Commitment, CommitmentBuilder};
use crate::contribution::{ContributionHeader, MaskedUpdate};
use crate::encapsulation::{Encapsulation, SealError};
use crate::fixed::{Encoding, Number};
use crate::pack::pack_into;

/// A contribution that was made.
pub struct Sealed {
    /// What goes before it, in clear.
    pub header: ContributionHeader,
    /// The packed masked update.
    pub masked: MaskedUpdate,
    /// Elements that were beyond the clip and clamped.
    pub clamped: u64,
}

/// Encodes the update, masks it under the encapsulation's seed and seals its weight: one pass,
/// a piece at a time.
///
/// # Errors
/// [`SealError::Encode`] if the update can't be encoded, [`SealError::Hpke`] if sealing fails;
/// nothing has left then.
pub fn seal<V: Number>(
    encapsulation: Encapsulation,
    update: Encoding<'_, V>,
) -> Result<Sealed, SealError> {
    let (layout, weight) = (update.layout(), update.weight());
    let mut commitment = CommitmentBuilder::masked_update();
    let mut body = Vec::with_capacity(usize::try_from(layout.total_bytes()).unwrap_or(0));
    let mut committed = 0;
    let clamped = update.for_each_masked_piece(encapsulation.seed(), |first, piece| {
        pack_into(piece, &mut body);
        // Blocks are committed to, and the last one may end within a piece.
        let done = u64::try_from(piece.len())
            .unwrap_or(0)
            .saturating_add(first);
        if done.is_multiple_of(BLOCK_ELEMENTS) || done == layout.dimension() {
            commitment.push(body.split_at(committed).1);
            committed = body.len();
        }
        Ok::<_, SealError>(())
    })?;
    let commitment = Commitment(commitment.root());
    let (round_id, client) = (encapsulation.round_id(), encapsulation.client());
    let (encapsulated_key, sealed) = encapsulation.seal_header(&commitment, weight)?;
    let header = ContributionHeader {
        round_id,
        client,
        encapsulated_key: ByteBuf::from(encapsulated_key),
        commitment,
        sealed: ByteBuf::from(sealed),
        credential: None,
    };
    Ok(Sealed {
        header,
        masked: MaskedUpdate(body),
        clamped,
    })
}
