//! libFuzzer over `sealsum_fuzz::document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealsum_fuzz::document(input);
});
