//! Enclave images (EIF, version 4): what a file measures to, and how to write one.
//!
//! [`EnclaveImage::parse`] trusts nothing: no length in the file allocates or moves anything
//! before it was compared with the bytes that are there, and a file that two readers could
//! understand differently is refused. [`EnclaveImage::measure`] then gives the registers that
//! the hypervisor reports for it. [`ImageContents::write`] makes files that `parse` accepts.
//!
//! The format is that of aws/aws-nitro-enclaves-image-format: a big-endian header of 548 bytes,
//! then sections of a 12-byte header and data.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::as_conversions,
        clippy::arithmetic_side_effects
    )
)]

mod bad_image;
mod header;
mod image;
mod measurement;
mod section;
mod signature;
mod writer;

pub use bad_image::BadImage;
pub use header::{Architecture, MAGIC};
pub use image::EnclaveImage;
pub use measurement::ImageMeasurement;
pub use section::{Section, SectionKind};
pub use signature::{BadSignature, ImageSignature, signature_section, to_be_signed};
pub use writer::{CannotWrite, ImageContents};
