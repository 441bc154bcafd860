//! The shipped image, booted: the production binary as a real kernel's first process, with a real
//! security module's driver and a real vsock. `cargo xtask e2e-nitro` builds what is needed and
//! runs these.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sealsum_e2e::emulated::{Emulated, image, registers};
use sealsum_e2e::machine::{Board, HEARTBEAT_PORT, Host, Machine, PORT, STATUS_PORT, prepared};
use sealsum_e2e::{Lab, Parent, read_npy, say, wire, write_npy};
use sealsum_protocol::messages::Attest;
use sealsum_protocol::pack::unpack;
use sealsum_protocol::{Command as Order, Digest, Reply, RoundBinding};
use sealsum_testkit::hostile::flood;
use sealsum_testkit::{
    Link as _, ScriptedParent, SocketLink, UncheckedClient, guest_once, presum, stream,
};
use serde_cbor::Value;
use tempfile::TempDir;

#[test]
fn the_image_boots_and_attests_what_was_measured_and_bound() {
    let folder = TempDir::new().unwrap();
    let begun = Instant::now();
    let machine = Machine::boot(&image(), SMALL_MIB, folder.path());
    let mut link = machine.link();
    let round = ScriptedParent::open(&mut link, stream());
    let nonce = Digest::new([5; 32]);
    let document = attested(&mut link, &round, nonce);
    figure("boot_to_first_evidence_ms", begun.elapsed().as_millis());
    figure("document_bytes", document.len());
    let bytes = |name: &str| match &payload(&document)[&Value::Text(name.into())] {
        Value::Bytes(bytes) => bytes.clone(),
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(bytes("nonce"), nonce.as_bytes());
    assert_eq!(bytes("user_data"), round.round_id().as_bytes());

    // What it says it measured, the record of its build, and what the verifier makes of the file.
    let pcrs = pcrs(&document);
    assert!(registers().len() >= 3);
    for (name, value) in registers() {
        assert_eq!(pcrs[&name], value, "{name}");
    }
    let measured = attest(&["measure", image().to_str().unwrap()], 0);
    for (name, value) in registers() {
        assert_eq!(measured[&name], value, "{name}");
    }
    // The constants: extended once, in a register that is locked (or it would not be listed).
    assert_eq!(pcrs["PCR16"], constants_register());
    assert!(!pcrs.contains_key("PCR17"));
    assert_eq!(machine.heard(HEARTBEAT_PORT), [0xb7]);
    assert_eq!(machine.console().matches("sealsum-enclave").count(), 0);
}

#[test]
fn a_policy_for_production_refuses_the_emulator_by_name() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::boot(&image(), SMALL_MIB, folder.path());
    let mut link = machine.link();
    let round = ScriptedParent::open(&mut link, stream());
    let document = folder.path().join("document");
    fs::write(&document, attested(&mut link, &round, Digest::new([5; 32]))).unwrap();
    let policy = folder.path().join("production.toml");
    let record = Path::new(&prepared("SEALSUM_IMAGE")).join("measurements.json");
    let [policy, record, document] = [&policy, &record, &document].map(|p| p.to_str().unwrap());
    attest(&["policy", "new", "--from", record, "--out", policy], 0);
    let verdict = attest(&["verify", document, "--policy", policy], 1);
    assert_eq!(verdict["verdict"], "rejected");
    assert_eq!(verdict["rejection"]["code"], UNSIGNED, "{verdict}");

    // A data holder meets the same refusal, and nothing of it leaves.
    let lab = Lab::emulated(SMALL_MIB);
    let direct = Parent::start(folder.path(), &lab.enclave.machine.address());
    let hospital = lab.hospital("mercy");
    let round = lab.open_at(&direct.url, "operator.key", &lab.request());
    let update = lab.numbers("update.npy", &[0.75; 20]);
    let said = hospital.contribute(&direct.url, &round, &update);
    assert_eq!(said.rejection(), UNSIGNED);
    assert_eq!(
        wire::ask(&direct.url, &format!("rounds/{round}")).status,
        200
    );
    let status = say(&["round", "status", "--parent", &direct.url, &round]).ok();
    assert_eq!(status["contributions"], 0);
}

#[test]
fn hospitals_sum_in_the_booted_image_whoever_drops_out() {
    let lab = Lab::emulated(SMALL_MIB);
    let mut hospitals: Vec<_> = ["mercy", "grace", "hope", "faith"]
        .into_iter()
        .map(|name| lab.hospital(name))
        .collect();
    for (number, intake, base) in [(1, "stream", 0.5), (2, "presum", -0.25)] {
        let mut request = lab.request();
        (request.number, request.intake) = (number, intake);
        // A base model that was contributed for is spent.
        let model = lab.numbers(&format!("base-{intake}.npy"), &[base; 20]);
        request.base_model = Path::new(&model).to_owned();
        let round = lab.open(&request);
        // The fourth is cut in the middle of its upload and never comes back.
        let binding = wire::offer(&lab.parent.url, &round).binding;
        let mut cut = UncheckedClient::new(number).contribute(&binding, &[1.0; 20]);
        cut.body.truncate(7);
        assert_ne!(wire::put(&lab.parent.url, &cut).status, 200);
        for (hospital, delta) in hospitals.iter_mut().take(3).zip([0.25, 0.5, -0.25]) {
            hospital.base_model = model.clone();
            let update = lab.numbers(&format!("{}.npy", hospital.name), &[base + delta; 20]);
            let said = hospital.contribute(&lab.parent.url, &round, &update);
            assert_eq!(said.code, 0, "{} {}", said.json, said.stderr);
        }
        figure(&format!("rounds_reserve_bytes_{intake}"), reserved(&lab));
        let _ = lab.close(&round).ok();
        let out = lab.file(&format!("mean-{intake}.npy"));
        let _ = hospitals[0].collect(&lab.parent.url, &round, &out).ok();
        for value in read_npy(Path::new(&out)) {
            let mean = f64::from(base) + 0.5 / 3.0;
            assert!((value - mean).abs() < 1e-4, "{intake}: {value}, {mean}");
        }
    }
    figure("machine_mib", SMALL_MIB);
    figure("emulator_peak_mib", lab.enclave.machine.peak_bytes() >> 20);
}

#[test]
fn an_enclave_that_is_killed_mid_round_releases_nothing_and_the_next_round_works() {
    let mut lab = Lab::emulated(SMALL_MIB);
    let lost = lab.open(&lab.request());
    let binding = wire::offer(&lab.parent.url, &lost).binding;
    for n in 0..3 {
        let contribution = UncheckedClient::new(n).contribute(&binding, &[0.25; 20]);
        assert_eq!(wire::put(&lab.parent.url, &contribution).status, 200);
    }
    lab.reboot();
    let mut status = lab.status(&lost);
    let deadline = Instant::now() + Duration::from_secs(60);
    while status["phase"] != "lost" && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
        status = lab.status(&lost);
    }
    assert_eq!(status["phase"], "lost");
    let (code, _) = lab.close(&lost).refused(1);
    assert_eq!(code, "round_lost");
    let aggregate = wire::ask(&lab.parent.url, &format!("rounds/{lost}/aggregate"));
    assert_eq!(aggregate.code(), "round_lost");

    let mut request = lab.request();
    request.number = 2;
    let next = lab.open(&request);
    sum_of(&lab, &next, 3);
}

#[test]
fn sixty_four_clients_upload_at_once() {
    let lab = Lab::emulated(SMALL_MIB);
    for (number, intake) in [(1, "stream"), (2, "presum")] {
        let mut request = lab.request();
        (request.number, request.intake, request.max_cohort) = (number, intake, 64);
        let round = lab.open(&request);
        sum_of(&lab, &round, 64);
    }
}

/// Through the parent: 25.6 million elements, of 21 bits by the round's clip and cohort.
#[test]
fn sixty_four_megabytes_stream_into_the_image() {
    let lab = Lab::emulated(LARGE_MIB);
    let d = 25_600_000;
    let mut request = lab.request();
    request.base_model = lab.folder().join("large.npy");
    write_npy(&request.base_model, &vec![0.5; d]);
    let round = lab.open(&request);
    let binding = wire::offer(&lab.parent.url, &round).binding;
    let values = vec![0.25; d];
    let begun = Instant::now();
    for n in 0..3 {
        let upload = UncheckedClient::new(n).contribute(&binding, &values);
        assert!(upload.body.len() >= 64_000_000, "{}", upload.body.len());
        let answer = wire::put(&lab.parent.url, &upload);
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
    }
    figure("three_uploads_of_67_mb_s", begun.elapsed().as_secs());
    let _ = lab.close(&round).ok();
    assert_eq!(lab.status(&round)["phase"], "released");
    let aggregate = wire::ask(&lab.parent.url, &format!("rounds/{round}/aggregate"));
    assert_sums(&binding, &aggregate.body, 3);
}

#[test]
fn frames_beyond_the_limit_and_half_frames_cost_one_connection() {
    let folder = TempDir::new().unwrap();
    let machine = Machine::boot(&image(), SMALL_MIB, folder.path());
    flood::boasts(&machine.address());
    let mut link = machine.link();
    flood::largest_frames(&mut link, 20);
    let unfinished = flood::unfinished_frames(&machine.address(), 6);
    let mut round = ScriptedParent::open(&mut link, presum());
    round.fill(&mut link, 0..3, 0.25);
    round.close(&mut link).unwrap();
    assert_eq!(round.release(&mut link).0, vec![0.75; 20]);
    drop(unfinished);
}

/// The enclave's clock stands still for ten seconds, and by the evidence the world's does not.
#[test]
fn a_clock_that_jumps_in_the_middle_of_a_round_changes_nothing() {
    let lab = Lab::emulated(SMALL_MIB);
    let round = lab.open(&lab.request());
    let binding = wire::offer(&lab.parent.url, &round).binding;
    let first = UncheckedClient::new(0).contribute(&binding, &[0.25; 20]);
    assert_eq!(wire::put(&lab.parent.url, &first).status, 200);
    let machine = &lab.enclave.machine;
    let mut idle = machine.link();
    let beside = ScriptedParent::open(&mut idle, stream());
    let time = |link: &mut SocketLink| {
        let document = attested(link, &beside, Digest::new([5; 32]));
        match payload(&document)[&Value::Text("timestamp".into())] {
            Value::Integer(millis) => millis,
            ref other => panic!("no time: {other:?}"),
        }
    };
    let before = time(&mut idle);
    machine.freeze(Duration::from_secs(10));
    assert!(time(&mut idle) - before >= 10_000);
    sum_of(&lab, &round, 3);
}

/// A heartbeat that waits for its answer without end, where others wait for it, would be seen here.
#[test]
fn a_host_that_ignores_the_heartbeat_is_served_all_the_same() {
    for host in [Host::IsSilent, Host::IsAbsent] {
        let folder = TempDir::new().unwrap();
        let board = (Board::NitroEnclave, host);
        let machine = Machine::boot_as(board, &image(), SMALL_MIB, folder.path());
        let mut link = machine.link();
        let round = ScriptedParent::open(&mut link, stream());
        let _ = attested(&mut link, &round, Digest::new([5; 32]));
        if host == Host::IsSilent {
            assert_eq!(machine.heard(HEARTBEAT_PORT), [0xb7]);
        }
    }
}

/// Adversary: any process on the host. What it sends is no frame, and in packets of the size
/// that costs the guest's kernel most: they are taken in before anyone has read a byte.
#[test]
fn no_number_of_connections_and_small_packets_exhausts_the_kernel() {
    let folder = TempDir::new().unwrap();
    let mut machine = Machine::boot(&image(), SMALL_MIB, folder.path());
    let _ = machine.link().say(Order::Describe);
    // Every place is taken, so that what follows waits unread.
    let places = flood::unfinished_frames(&machine.address(), 8);
    let mut strangers: Vec<_> = (0..STRANGERS)
        .filter_map(|_| guest_once(&machine.socket(), PORT).ok())
        .collect();
    assert!((3..=8).contains(&strangers.len()), "{}", strangers.len());
    for stranger in &strangers {
        stranger.set_nonblocking(true).unwrap();
    }
    let mut sent = 0;
    for _ in 0..ROUNDS {
        for stranger in &mut strangers {
            // Its credit may be used up, or its connection closed.
            sent += stranger.write(&[0; COSTLY_PACKET]).unwrap_or(0);
        }
        thread::sleep(Duration::from_millis(2));
    }
    figure("small_packets_sent_bytes", sent);
    figure("small_packets_connections", strangers.len());
    assert!(sent > strangers.len() * 128 * 1024, "{sent}");
    assert!(
        machine.ended(Duration::from_secs(2)).is_none(),
        "it is gone"
    );
    drop((places, strangers));
    let mut link = machine.link();
    let mut round = ScriptedParent::open(&mut link, presum());
    round.fill(&mut link, 0..3, 0.25);
    round.close(&mut link).unwrap();
    assert_eq!(round.release(&mut link).0, vec![0.75; 20]);
}

#[test]
fn too_little_memory_is_said_before_anything_is_served() {
    let folder = TempDir::new().unwrap();
    let mut machine = Machine::boot(&image(), 96, folder.path());
    let status = last_status(&machine);
    assert!(status.ends_with(" 6 too-little-memory\n"), "{status}");
    assert!(machine.ended(Duration::from_secs(20)).is_some());
    let console = machine.console();
    assert!(console.contains("MiB of memory are available"), "{console}");
    assert!(!console.contains("Kernel panic"), "{console}");
}

#[test]
fn a_machine_without_a_security_module_is_told_from_a_broken_image() {
    let folder = TempDir::new().unwrap();
    let board = (Board::WithoutModule, Host::Answers);
    let mut machine = Machine::boot_as(board, &image(), SMALL_MIB, folder.path());
    let status = last_status(&machine);
    assert!(status.ends_with(" 3 no-security-module\n"), "{status}");
    assert!(machine.ended(Duration::from_secs(20)).is_some());
}

#[test]
fn a_driver_that_does_not_load_is_the_images_fault() {
    let folder = TempDir::new().unwrap();
    let image = Path::new(&prepared("SEALSUM_IMAGE_WITH_BAD_DRIVER")).join("sealsum.eif");
    let machine = Machine::boot(&image, SMALL_MIB, folder.path());
    let status = last_status(&machine);
    assert!(status.ends_with(" 7 bad-image\n"), "{status}");
}

#[test]
fn a_corrupt_or_truncated_image_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let whole = fs::read(image()).unwrap();
    let broken = folder.path().join("broken.eif");
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for (bytes, code) in [
        (&whole[..whole.len() - 1], "image-section-truncated"),
        (&whole[..600], "image-section-truncated"),
        (&flipped, "image-checksum"),
    ] {
        fs::write(&broken, bytes).unwrap();
        let refused = attest(&["measure", broken.to_str().unwrap()], 1);
        assert_eq!(refused["error"]["code"], code, "{refused}");
        let mut machine = Machine::boot(&broken, SMALL_MIB, &folder.path().join("machine"));
        let ended = machine.ended(Duration::from_secs(20));
        assert!(ended.is_some_and(|status| !status.success()), "it boots");
    }
}

/// Fills a round at the lab's parent with clients `0..n`, some of which may be in it, closes it, and
/// checks the sum.
fn sum_of(lab: &Lab<Emulated>, round: &str, n: u64) {
    let binding = wire::offer(&lab.parent.url, round).binding;
    thread::scope(|scope| {
        for client in 0..n {
            let (binding, url) = (&binding, &lab.parent.url);
            scope.spawn(move || {
                let upload = UncheckedClient::new(client).contribute(binding, &[0.25; 20]);
                let answer = wire::put(url, &upload);
                assert_eq!(
                    answer.status,
                    200,
                    "{}",
                    String::from_utf8_lossy(&answer.body)
                );
            });
        }
    });
    let _ = lab.close(round).ok();
    let status = lab.status(round);
    assert_eq!(status["phase"], "released");
    assert_eq!(status["cohort_size"], n, "{status}");
    let aggregate = wire::ask(&lab.parent.url, &format!("rounds/{round}/aggregate"));
    assert_sums(&binding, &aggregate.body, n);
}

/// In each block, every sum is that of `n` times a quarter, with the 16 fractional bits of the lab.
fn assert_sums(binding: &RoundBinding, aggregate: &[u8], n: u64) {
    let layout = binding.params.params.layout();
    assert_eq!(aggregate.len() as u64, layout.total_bytes());
    let expected = i64::try_from(n * (1 << 16) / 4).unwrap();
    let mut rest = aggregate;
    for index in layout.indices() {
        let (block, behind) = rest.split_at(layout.bytes(index).unwrap());
        let sums = unpack(block, layout.bits(), layout.elements(index).unwrap()).unwrap();
        assert!(sums.signed().all(|sum| sum == expected), "block {index}");
        rest = behind;
    }
}

/// What rounds have reserved of the enclave's memory, in bytes.
fn reserved(lab: &Lab<Emulated>) -> u64 {
    match lab.enclave.machine.link().say(Order::Describe) {
        Reply::Description(about) => about.memory_reserved,
        other => panic!("no description: {other:?}"),
    }
}

fn attested(link: &mut SocketLink, round: &ScriptedParent, nonce: Digest) -> Vec<u8> {
    let order = Order::Attest(Attest {
        round_id: round.round_id(),
        nonce,
    });
    match link.say(order) {
        Reply::Evidence(evidence) => evidence.document.into_vec(),
        other => panic!("no evidence: {other:?}"),
    }
}

fn payload(document: &[u8]) -> BTreeMap<Value, Value> {
    let Ok(Value::Array(envelope)) = serde_cbor::from_slice(document) else {
        panic!("no array");
    };
    let Value::Bytes(payload) = &envelope[2] else {
        panic!("no payload");
    };
    serde_cbor::from_slice(payload).unwrap()
}

fn pcrs(document: &[u8]) -> BTreeMap<String, String> {
    let Value::Map(pcrs) = payload(document)[&Value::Text("pcrs".into())].clone() else {
        panic!("no registers");
    };
    pcrs.into_iter()
        .map(|(index, value)| match (index, value) {
            (Value::Integer(index), Value::Bytes(value)) => (format!("PCR{index}"), hex(&value)),
            other => panic!("no register: {other:?}"),
        })
        .collect()
}

/// What the program says that its constants make of PCR16.
fn constants_register() -> String {
    let program = Path::new(&prepared("SEALSUM_IMAGE")).join("sealsum-enclave");
    let said = Command::new(program).arg("--constants").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let line = said.lines().find_map(|line| line.strip_prefix("PCR16 "));
    line.unwrap().to_owned()
}

/// Runs `sealsum-attest --json`.
fn attest(arguments: &[&str], code: i32) -> serde_json::Value {
    let output = Command::new(sealsum_e2e::program("sealsum-attest"))
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{arguments:?}: {said}{errors}"
    );
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{arguments:?}: {said}{errors}"))
}

fn last_status(machine: &Machine) -> String {
    String::from_utf8(machine.heard(STATUS_PORT)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Notes a figure for `cargo xtask e2e-nitro` to report.
fn figure(name: &str, value: impl std::fmt::Display) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(prepared("SEALSUM_FIGURES"))
        .unwrap();
    writeln!(file, "{name}={value}").unwrap();
}

/// More than the enclave's queue takes.
const STRANGERS: usize = 40;
/// As often as fills what each connection may send unread, and more.
const ROUNDS: usize = 2_300;
/// Just above what the kernel copies into a buffer that it has.
const COSTLY_PACKET: usize = 132;
/// As little as a small round needs, with room.
const SMALL_MIB: u32 = 256;
/// Two vectors of 16 Mi elements, the core's ceiling, and the rest.
const LARGE_MIB: u32 = 768;
/// Zeros where the signature should be, under an algorithm that is none.
const UNSIGNED: &str = "envelope-protected";
