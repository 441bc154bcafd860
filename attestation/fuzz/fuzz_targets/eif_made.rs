//! libFuzzer over `sealsum_fuzz::eif_made`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealsum_fuzz::eif_made(input);
});
