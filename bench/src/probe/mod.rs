//! What nothing beats: a keystream into a small buffer, a copy, an addition, bytes over loopback.

pub(crate) mod tcp;

use std::hint::black_box;

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};

/// Makes that many bytes of AES-256-CTR, 16 KiB at a time.
///
/// One copy of it, with one call of the cipher, in a crate of one codegen unit: only then does the
/// compiler put the cipher's code together to what the processor can do. Otherwise it has been seen to
/// leave parts of it out of line, at less than half the speed, and a limit that is too low makes
/// everything look good.
#[inline(never)]
pub(crate) fn keystream(bytes: u64) {
    let mut buffer = [0; 16 * 1024];
    // The counter has 32 bits, so 64 GiB are one cipher's end; nobody here asks for more.
    let mut cipher = Ctr32BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
    let mut left = bytes;
    while left > 0 {
        let now = left.min(buffer.len() as u64);
        cipher.write_keystream(black_box(&mut buffer[..now as usize]));
        left -= now;
    }
}

/// The same by several threads at once, each its share.
pub(crate) fn keystream_on(threads: u64, bytes: u64) {
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| keystream(bytes / threads));
        }
    });
}

/// Copies that many bytes into memory that is there already.
pub(crate) fn copy(bytes: u64) -> impl FnMut() {
    let bytes = bytes as usize;
    let (from, mut to) = (vec![1_u8; bytes], vec![0_u8; bytes]);
    move || {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
}

/// Adds that many bytes of 32-bit elements to as many others, both too large for any cache.
pub(crate) fn add(bytes: u64) -> impl FnMut() {
    let elements = (ADDED.min(bytes) / 4) as usize;
    let (mut sum, more) = (vec![1_u32; elements], vec![2_u32; elements]);
    move || {
        let mut left = (bytes / 4) as usize;
        while left > 0 {
            let now = left.min(elements);
            let (sum, more) = (black_box(&mut sum[..now]), black_box(&more[..now]));
            for (sum, more) in sum.iter_mut().zip(more) {
                *sum = sum.wrapping_add(*more);
            }
            left -= now;
        }
        black_box(&mut sum);
    }
}

/// Bytes of each of the two: several times what a large cache holds.
const ADDED: u64 = 128 << 20;
