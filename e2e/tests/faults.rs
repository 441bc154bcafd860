//! Faults that processes can have: a full disk, an enclave that is gone or silent, peers that stop
//! in the middle, a clock that jumps, and senders that are slow or send garbage. What is
//! acknowledged is kept, what is not has a code that says why, and nobody has to help.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sealsum_e2e::wire::{Answer, ask, judge, offer, post, put_known};
use sealsum_e2e::{Enclave, Lab, RoundRequest, write_npy};
use sealsum_protocol::{RoundBinding, RoundId};
use sealsum_testkit::KnownUpload;

/// A round of the lab, its uploads, and which of them were acknowledged.
struct Open {
    binding: RoundBinding,
    uploads: Vec<KnownUpload>,
    acceptances: Vec<Option<Vec<u8>>>,
}

impl Open {
    fn new(lab: &Lab, request: &RoundRequest, clients: u64) -> Self {
        let binding = offer(&lab.parent.url, &lab.open(request)).binding;
        let uploads: Vec<_> = (0..clients)
            .map(|n| KnownUpload::new(&binding, n))
            .collect();
        Self {
            acceptances: uploads.iter().map(|_| None).collect(),
            uploads,
            binding,
        }
    }

    fn id(&self) -> RoundId {
        self.binding.round_id()
    }

    fn path(&self) -> String {
        format!("rounds/{}", self.id())
    }

    /// Sends one; an acceptance is kept, and has to be the one that was there before.
    fn put(&mut self, parent: &str, place: usize) -> Answer {
        let answer = put_known(parent, &self.id(), &self.uploads[place]);
        if answer.status == 200 {
            let kept = self.acceptances[place].get_or_insert(answer.body.clone());
            assert_eq!(*kept, answer.body, "one acceptance for the same bytes");
        }
        answer
    }

    /// Sends all, until all are acknowledged.
    fn put_all(&mut self, parent: &str) {
        for place in 0..self.uploads.len() {
            until(|| self.put(parent, place).status == 200);
        }
    }

    /// Closes, until it is released; everybody who was acknowledged is in the sum.
    fn is_released_with_all_acknowledged(&self, parent: &str) {
        until(|| post(parent, &format!("{}/close", self.path())).status == 200);
        let judged = judge(parent, &self.binding, &self.uploads);
        assert!(judged.is_right, "{judged:?}");
        for (acceptance, is_in) in self.acceptances.iter().zip(judged.is_in) {
            assert!(
                acceptance.is_none() || is_in,
                "acknowledged and not in the sum"
            );
        }
    }
}

/// Tries for as long as a fault may last that ends by itself.
fn until(mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "it does not recover"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code));
    // Whoever is told that it passes is told when to ask again.
    assert_eq!(answer.retry_after.is_some(), status == 503, "{answer:?}");
}

/// A request for a round of so many elements.
fn request(lab: &Lab, intake: &'static str, dimension: usize) -> RoundRequest {
    let base_model = lab.folder().join(format!("base-{dimension}.npy"));
    write_npy(&base_model, &vec![0.5; dimension]);
    RoundRequest {
        intake,
        base_model,
        max_cohort: 40,
        ..lab.request()
    }
}

/// Says that a test can't run here, past the capture of what passing tests say.
fn skip(why: &str) {
    let said = format!("SKIPPED, NOT PASSED: {why}\n");
    std::io::stderr().write_all(said.as_bytes()).unwrap();
}

/// A shell with a file system of its own for the parent's data, so small that it fills up.
fn small_disk(folder: &Path) -> Command {
    let data = folder.join("parent");
    std::fs::create_dir(&data).unwrap();
    let mut shell = Command::new("unshare");
    shell
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=8m none \"$0\" && exec \"$@\"")
        .arg(data);
    shell
}

fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /mnt")
        .status();
    tried.is_ok_and(|tried| tried.success())
}

#[test]
fn a_full_disk_is_said_with_507_and_keeps_what_was_acknowledged() {
    if !may_mount() {
        return skip("a full disk needs user namespaces with mounts");
    }
    // Uploads that are files, and small ones in the database.
    for (intake, dimension) in [("stream", 200_000), ("presum", 200_000), ("presum", 1_000)] {
        let lab = Lab::with_parent_below(small_disk);
        let parent = lab.parent.url.as_str();
        let mut round = Open::new(&lab, &request(&lab, intake, dimension), 8);
        for place in 0..3 {
            assert_eq!(round.put(parent, place).status, 200);
        }
        let (filler, file) = fill_the_disk(&lab);
        for place in 3..8 {
            refused(&round.put(parent, place), 507, "storage");
        }
        refused(
            &post(parent, &format!("{}/close", round.path())),
            507,
            "storage",
        );
        // What is acknowledged already is still said, and what can be read is.
        assert_eq!(ask(parent, &round.path()).status, 200);
        std::fs::remove_file(&filler).unwrap();
        drop(file);
        round.put_all(parent);
        round.is_released_with_all_acknowledged(parent);
    }
}

/// Whatever else lies on the parent's disk grows until nothing is left.
fn fill_the_disk(lab: &Lab) -> (PathBuf, File) {
    let pid = lab.parent.pid();
    let seen = format!("/proc/{pid}/root{}", lab.parent.data.display());
    let filler = PathBuf::from(seen).join("of-others");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    (filler, file)
}

#[test]
fn what_is_kept_of_a_cut_upload_makes_room_on_a_full_disk() {
    if !may_mount() {
        return skip("a full disk needs user namespaces with mounts");
    }
    let lab = Lab::with_parent_below(small_disk);
    let parent = lab.parent.url.as_str();
    let mut round = Open::new(&lab, &request(&lab, "presum", 1_200_000), 2);
    let cut = KnownUpload::new(&round.binding, 7);
    let whole = cut.bytes.len() as u64;
    let path = format!("{}/contributions/{}", round.path(), cut.client);
    let mut sender = TcpStream::connect(&parent["http://".len()..]).unwrap();
    let head = format!("PUT /v1/{path} HTTP/1.1\r\nhost: a\r\ncontent-length: {whole}\r\n\r\n");
    sender.write_all(head.as_bytes()).unwrap();
    sender
        .write_all(&cut.bytes[..cut.bytes.len() * 9 / 10])
        .unwrap();
    drop(sender);
    let kept = || {
        let path = format!("{path}/offset?contribution={}", cut.contribution);
        let said: serde_json::Value = serde_json::from_slice(&ask(parent, &path).body).unwrap();
        said["offset"].as_u64().unwrap()
    };
    until(|| kept() > whole * 4 / 5);

    // There is room for a part of the next one, and for all of it with what is kept.
    let (_, file) = fill_the_disk(&lab);
    let filled = file.metadata().unwrap().len();
    file.set_len(filled - whole / 2).unwrap();
    refused(&round.put(parent, 1), 507, "storage");
    assert_eq!(kept(), 0);
    assert_eq!(round.put(parent, 1).status, 200);
}

#[test]
fn an_enclave_out_of_reach_is_said_with_503_and_its_rounds_go_on_when_it_is_back() {
    for intake in ["stream", "presum"] {
        let (lab, wire) = Lab::with_wire("");
        let parent = lab.parent.url.as_str();
        let mut round = Open::new(&lab, &request(&lab, intake, 40_000), 6);
        for place in 0..3 {
            assert_eq!(round.put(parent, place).status, 200);
        }
        wire.cut();
        refused(&round.put(parent, 3), 503, "enclave_unreachable");
        let nonce = "4e".repeat(32);
        let offered = ask(parent, &format!("{}/offer?nonce={nonce}", round.path()));
        refused(&offered, 503, "enclave_unreachable");
        refused(
            &post(parent, &format!("{}/close", round.path())),
            503,
            "enclave_unreachable",
        );
        // Who is in is told so without the enclave.
        assert_eq!(round.put(parent, 0).status, 200);
        wire.mend();
        round.put_all(parent);
        round.is_released_with_all_acknowledged(parent);
    }
}

#[test]
fn a_new_enclave_loses_the_open_rounds_and_serves_the_next_without_a_restart() {
    let mut lab = Lab::start();
    let mut round = Open::new(&lab, &request(&lab, "presum", 40_000), 4);
    round.put_all(&lab.parent.url);
    let released = round;
    released.is_released_with_all_acknowledged(&lab.parent.url);
    let mut lost = Open::new(&lab, &request(&lab, "presum", 40_000), 4);
    lost.put_all(&lab.parent.url);

    let address = lab.enclave.address.clone();
    lab.enclave.kill();
    lab.enclave = Enclave::start_at(lab.folder(), &address, &[]);
    let parent = lab.parent.url.as_str();
    until(|| {
        ask(parent, &lost.path())
            .body
            .windows(6)
            .any(|word| word == b"\"lost\"")
    });
    refused(
        &post(parent, &format!("{}/close", lost.path())),
        410,
        "round_lost",
    );
    let receipt = ask(parent, &format!("{}/receipt", lost.path()));
    refused(&receipt, 410, "round_lost");
    // What had ended stays as it was, and the next round works.
    assert!(judge(parent, &released.binding, &released.uploads).is_right);
    let mut next = Open::new(&lab, &request(&lab, "stream", 40_000), 4);
    next.put_all(parent);
    next.is_released_with_all_acknowledged(parent);
}

#[test]
fn an_enclave_that_takes_and_does_not_answer_holds_nobody_for_longer_than_its_deadline() {
    let (lab, wire) = Lab::with_wire("[enclave]\nreply_seconds = 1\n");
    let parent = lab.parent.url.as_str();
    let mut round = Open::new(&lab, &request(&lab, "presum", 40_000), 5);
    for place in 0..3 {
        assert_eq!(round.put(parent, place).status, 200);
    }
    wire.hold();
    let begun = Instant::now();
    refused(&round.put(parent, 3), 503, "enclave_unreachable");
    refused(
        &post(parent, &format!("{}/close", round.path())),
        503,
        "enclave_unreachable",
    );
    assert!(begun.elapsed() < Duration::from_secs(20), "{begun:?}");
    // What was held arrives late, after other words; nothing is counted twice.
    wire.mend();
    round.put_all(parent);
    round.is_released_with_all_acknowledged(parent);
}

/// Sends the beginning of a request and then nothing, with the connection open.
fn begun(parent: &str, bytes: &[u8]) -> TcpStream {
    let address = parent.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn head(round: &Open, place: usize) -> Vec<u8> {
    let upload = &round.uploads[place];
    format!(
        "PUT /v1/rounds/{}/contributions/{} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        round.id(),
        upload.client,
        upload.bytes.len()
    )
    .into_bytes()
}

/// What a peer that stopped is told, if anything, before its connection is closed.
fn end_of(mut stream: TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn peers_that_stop_writing_or_reading_lose_their_place_and_nobody_else_does() {
    let settings = "[limits]\nconnections = 12\nconnections_per_address = 12\nhead_seconds = 1\nbody_piece_seconds = 1\n";
    let (lab, _wire) = Lab::with_wire(settings);
    let parent = lab.parent.url.as_str();
    // An aggregate that fits into no socket's buffers.
    let mut round = Open::new(&lab, &request(&lab, "presum", 4_000_000), 4);
    let silent: Vec<_> = (0..4).map(|_| begun(parent, b"GET /v1/rou")).collect();
    let stopped: Vec<_> = (0..4)
        .map(|_| {
            let upload = &round.uploads[3].bytes;
            begun(parent, &[&head(&round, 3), &upload[..100_000]].concat())
        })
        .collect();
    round.put_all(parent);
    for stream in silent {
        end_of(stream);
    }
    for stream in stopped {
        let said = end_of(stream);
        assert!(
            said.contains("408") && said.contains("upload_stalled"),
            "{said}"
        );
    }
    round.is_released_with_all_acknowledged(parent);
    // As many as there are places ask for the aggregate, and read nothing of it.
    let path = format!(
        "GET /v1/{}/aggregate HTTP/1.1\r\nhost: a\r\n\r\n",
        round.path()
    );
    let deaf: Vec<_> = (0..12).map(|_| begun(parent, path.as_bytes())).collect();
    until(|| reqwest_status(parent) == Some(200));
    assert!(judge(parent, &round.binding, &round.uploads).is_right);
    drop(deaf);
}

/// The status of a question that waits no longer than a moment for a place.
fn reqwest_status(parent: &str) -> Option<u16> {
    let address = parent.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    let moment = Some(Duration::from_millis(500));
    stream.set_read_timeout(moment).unwrap();
    let asked = "GET /v1/rounds HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(asked.as_bytes()).ok()?;
    let mut said = [0; 12];
    stream.read_exact(&mut said).ok()?;
    std::str::from_utf8(&said[9..]).ok()?.parse().ok()
}

#[test]
fn slow_and_garbage_senders_beside_honest_ones_cost_these_nothing() {
    let (lab, _wire) = Lab::with_wire("[limits]\nbody_piece_seconds = 3\n");
    let parent = lab.parent.url.as_str();
    let mut round = Open::new(&lab, &request(&lab, "presum", 100_000), 8);
    let honest_head = head(&round, 0);
    let body = round.uploads[0].bytes.clone();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let stopped = std::sync::Mutex::new(stopped);
    std::thread::scope(|scope| {
        for kind in 0..12 {
            let (honest_head, body, stopped) = (&honest_head, &body, &stopped);
            scope.spawn(move || {
                let is_over = || {
                    stopped.lock().unwrap().try_recv()
                        == Err(std::sync::mpsc::TryRecvError::Disconnected)
                };
                while !is_over() {
                    mischief(parent, kind, honest_head, body);
                }
            });
        }
        round.put_all(parent);
        round.is_released_with_all_acknowledged(parent);
        drop(stop);
    });
    assert!(judge(parent, &round.binding, &round.uploads).is_right);
}

/// One connection of somebody who means no good.
fn mischief(parent: &str, kind: usize, head: &[u8], body: &[u8]) {
    let mut garbled = body.to_vec();
    let middle = garbled.len() / 2;
    garbled[middle] ^= 1;
    match kind % 4 {
        // Another body than its commitment's, in the name of somebody else.
        0 => drop(end_of(begun(parent, &[head, &garbled].concat()))),
        // No HTTP at all.
        1 => drop(end_of(begun(parent, &garbled[..20_000]))),
        // A little at a time.
        2 => {
            let mut stream = begun(parent, head);
            for piece in body.chunks(100).take(20) {
                if stream.write_all(piece).is_err() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        // Half, and gone.
        _ => drop(begun(parent, &[head, &body[..middle]].concat())),
    }
}

/// Where Debian's faketime package has its library; the clock then says what a file says.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn a_clock_that_jumps_by_years_ends_no_wait_and_loses_no_round() {
    if !Path::new(FAKETIME).exists() {
        return skip("a clock that jumps needs Debian's package faketime");
    }
    let lab = Lab::with_parent_below(|folder| {
        let clock = folder.join("clock");
        std::fs::write(&clock, "+0").unwrap();
        let mut before = Command::new("env");
        before
            .arg(format!("LD_PRELOAD={FAKETIME}"))
            .arg(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()))
            .args(["FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1"]);
        before
    });
    let parent = lab.parent.url.as_str();
    let mut round = Open::new(&lab, &request(&lab, "presum", 40_000), 6);
    for (place, jump) in ["+0", "+10y", "-10y", "+1h", "-1h", "+0"]
        .into_iter()
        .enumerate()
    {
        // An upload is half sent while the clock jumps.
        let bytes = &round.uploads[place].bytes;
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        let mut stream = begun(parent, &[&head(&round, place), first].concat());
        std::fs::write(lab.folder().join("clock"), jump).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(rest).unwrap();
        let mut said = [0; 12];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"HTTP/1.1 200", "after {jump}");
        assert_eq!(round.put(parent, place).status, 200);
    }
    // Longer than the watch takes to look around.
    std::thread::sleep(Duration::from_secs(3));
    round.is_released_with_all_acknowledged(parent);
    let log = std::fs::read_to_string(lab.folder().join("parent.log")).unwrap();
    let year = |text: &str| log.contains(text);
    assert!(
        year("2036-") || year("2016-"),
        "the clock has jumped: {log}"
    );
}
