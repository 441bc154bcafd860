//! One enclave and very many clients that speak once: how long the enclave works for them.
//!
//! `cargo run --release -p sealsum-enclave-core --example million -- [--clients N] [--kem x25519|x-wing] [--threads T]`
//!
//! The clients' and the parent's work is done in the same process between the enclave's commands,
//! and timed apart. The round ends with its receipt verified and its sum compared with the plain one.
//! Seconds of CPU hold on a busy machine, seconds of the wall on a quiet one.

mod round;

use sealsum_protocol::KemSuite;

fn main() {
    let (mut clients, mut kem, mut threads) = (1_000_000, KemSuite::XWing, 2);
    let mut words = std::env::args().skip(1);
    while let Some(flag) = words.next() {
        let value = words.next().expect("each flag has a value");
        match flag.as_str() {
            "--clients" => clients = value.parse().expect("a number of clients"),
            "--threads" => threads = value.parse().expect("a number of threads"),
            "--kem" if value == "x25519" => kem = KemSuite::X25519,
            "--kem" if value == "x-wing" => kem = KemSuite::XWing,
            _ => panic!("--clients N, --kem x25519 or x-wing, --threads T; not {flag} {value}"),
        }
    }
    let ran = round::run(clients, kem, threads);
    println!(
        r#"{{"key":"one_shot_clients","clients":{clients},"dimension":{},"kem":"{kem}","threads":{threads},"enclave_s":{:.1},"enclave_cpu_s":{:.1},"close_s":{:.2},"clients_s":{:.1},"clients_cpu_s":{:.1},"boundary_bytes_per_client":{:.0},"reserved_mib":{:.0},"peak_rss_mib":{:.0}}}"#,
        round::DIMENSION,
        ran.enclave.wall.as_secs_f64(),
        ran.enclave.cpu.as_secs_f64(),
        ran.close.wall.as_secs_f64(),
        ran.clients.wall.as_secs_f64(),
        ran.clients.cpu.as_secs_f64(),
        ran.boundary_bytes as f64 / f64::from(clients),
        ran.reserved as f64 / MIB,
        round::peak_rss().unwrap_or_default() as f64 / MIB,
    );
}

const MIB: f64 = 1024.0 * 1024.0;
