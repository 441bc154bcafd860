//! What nothing beats: a keystream into a small buffer, a copy, an addition, bytes over loopback.

pub(crate) mod tcp;

use std::hint::black_box;

use aes::Aes256;
use ctr::Ctr32BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};

/// Makes that many bytes of AES-256-CTR, 16 KiB at a time.
pub(crate) fn keystream(bytes: u64) {
    let mut buffer = [0; 16 * 1024];
    let mut left = bytes;
    // Its counter has 32 bits, so 64 GiB are one cipher's end.
    while left > 0 {
        let mut cipher = Ctr32BE::<Aes256>::new(&[1; 32].into(), &[0; 16].into());
        let now = left.min(32 << 30);
        for _ in 0..now / buffer.len() as u64 {
            cipher.write_keystream(black_box(&mut buffer));
        }
        let rest = (now % buffer.len() as u64) as usize;
        cipher.write_keystream(black_box(&mut buffer[..rest]));
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
