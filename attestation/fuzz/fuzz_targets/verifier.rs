//! libFuzzer over `sealsum_fuzz::verifier`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    sealsum_fuzz::verifier(input);
});
