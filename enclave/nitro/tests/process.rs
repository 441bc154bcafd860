//! The binary itself, where there is no Nitro: it says what is missing, and needs no
//! loader.

use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    assert!(
        !Path::new("/dev/nsm").exists(),
        "these tests are for machines without a security module"
    );
    Command::new(env!("CARGO_BIN_EXE_sealsum-enclave"))
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn without_a_security_module_it_exits_with_3_and_says_so() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/dev/nsm can't be opened"), "{said}");
    assert!(said.contains("sealsum-mock-enclave"), "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_command_line_exits_with_2_before_the_device_is_looked_for() {
    let output = run(&["--port", "none"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--port takes a vsock port"), "{said}");
}

#[test]
fn help_needs_no_device() {
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("--port N")
    );
}

/// Built as the image is, that is inside this folder, it names no interpreter.
#[cfg(target_feature = "crt-static")]
#[test]
fn the_binary_asks_for_no_loader() {
    let elf = std::fs::read(env!("CARGO_BIN_EXE_sealsum-enclave")).unwrap();
    assert_eq!(elf[..6], *b"\x7fELF\x02\x01", "64 bits, little-endian");
    let word = |at: usize, length: usize| {
        let bytes = elf[at..at + length].iter().rev();
        bytes.fold(0, |value, byte| value << 8 | usize::from(*byte))
    };
    // ELF-64: e_phoff at 32, e_phentsize at 54, e_phnum at 56; p_type leads each.
    let (first, size, count) = (word(32, 8), word(54, 2), word(56, 2));
    let kinds: Vec<_> = (0..count).map(|n| word(first + n * size, 4)).collect();
    assert!(kinds.contains(&PT_LOAD));
    assert!(!kinds.contains(&PT_INTERP));
}

#[cfg(target_feature = "crt-static")]
const PT_LOAD: usize = 1;
#[cfg(target_feature = "crt-static")]
const PT_INTERP: usize = 3;
