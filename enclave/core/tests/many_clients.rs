//! The simulation of very many clients, small: what it asserts of a round holds.

#[path = "../examples/million/round.rs"]
mod round;

use sealsum_protocol::KemSuite;

#[test]
fn a_round_of_two_thousand_one_shot_clients_is_their_plain_sum() {
    let ran = round::run(2_000, KemSuite::X25519, 2);
    // Whatever the model's size.
    assert!(ran.boundary_bytes < 2_000 * 320, "{}", ran.boundary_bytes);
    assert!(round::peak_rss().is_some());
}

#[test]
fn with_x_wing_keys_what_crosses_is_little_more_than_the_key() {
    let ran = round::run(100, KemSuite::XWing, 2);
    assert!(ran.boundary_bytes < 100 * 1_400, "{}", ran.boundary_bytes);
    assert!(ran.reserved > 100 * 512);
    assert!(ran.close.wall <= ran.enclave.wall);
    assert!(ran.close.cpu <= ran.enclave.cpu + ran.clients.cpu);
}
