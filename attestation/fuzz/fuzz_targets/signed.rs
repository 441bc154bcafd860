//! libFuzzer over `sealsum_fuzz::signed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealsum_fuzz::signed(input);
});
