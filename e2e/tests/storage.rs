//! The parent's storage is outside the trusted base: rolled back or edited, it makes the enclave
//! release nothing twice and nothing else; clients take nothing that does not verify, and the parent
//! says what is wrong and goes on with the rest.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use sealsum_e2e::{Hospital, Lab, Parent, read_npy};

const INTAKES: [&str; 2] = ["stream", "presum"];

/// A lab whose database is changed while its parent is down.
struct Vault {
    lab: Lab,
    hospitals: Vec<Hospital>,
}

impl Vault {
    fn new() -> Self {
        let lab = Lab::start();
        let hospitals = ["a", "b", "c", "d"].map(|name| lab.hospital(name));
        Self {
            lab,
            hospitals: hospitals.into(),
        }
    }

    /// A round of its own task and base model, which these hospitals have contributed to.
    fn round(&self, number: u64, intake: &'static str, hospitals: &[usize]) -> String {
        let mut request = self.lab.request();
        request.number = number;
        request.intake = intake;
        let base = self.base(number);
        request.base_model = base.into();
        let round = self.lab.open(&request);
        for hospital in hospitals {
            self.contribute(&round, number, *hospital);
        }
        round
    }

    fn base(&self, number: u64) -> String {
        let name = format!("base-{number}.npy");
        self.lab.numbers(&name, &[number as f32; 20])
    }

    fn contribute(&self, round: &str, number: u64, hospital: usize) {
        let value = (hospital + 1) as f32 / 8.0;
        let name = format!("update-{hospital}.npy");
        let update = self.lab.numbers(&name, &[value; 20]);
        let hospital = self.at(number, hospital);
        let said = hospital.contribute(&self.lab.parent.url, round, &update);
        assert_eq!(said.ok()["round_id"], round);
    }

    /// A hospital with that round's base model in hand.
    fn at(&self, number: u64, hospital: usize) -> Hospital {
        let Hospital {
            name,
            identity,
            policy,
            registry,
            ..
        } = &self.hospitals[hospital];
        Hospital {
            name: name.clone(),
            identity: identity.clone(),
            policy: policy.clone(),
            base_model: self.base(number),
            registry: registry.clone(),
        }
    }

    /// What a hospital collects, after it has verified all of it; or the code of why not.
    fn collect(&self, number: u64, round: &str) -> Result<f64, String> {
        let out = self.lab.file("out.npy");
        let _ = fs::remove_file(&out);
        let hospital = self.at(number, 0);
        let said = hospital.collect(&self.lab.parent.url, round, &out);
        if said.code != 0 {
            return Err(said.json["error"]["code"].as_str().unwrap().to_owned());
        }
        let values = read_npy(Path::new(&out));
        assert!(values.iter().all(|value| *value == values[0]));
        Ok(values[0])
    }

    /// The parent is killed, its folder changed, and another one started on it.
    fn while_down<T>(&mut self, change: impl FnOnce(&Path) -> T) -> T {
        self.lab.parent.kill();
        let done = change(&self.lab.parent.data);
        self.lab.parent = Parent::start(self.lab.folder(), &self.lab.enclave.address);
        done
    }

    /// How many rows one statement changed.
    fn edit(&mut self, statement: &str, round: &str) -> usize {
        self.while_down(|data| {
            let database = Connection::open(data.join("rounds.db")).unwrap();
            database.execute(statement, params![bytes(round)]).unwrap()
        })
    }

    fn becomes(&self, round: &str, phase: &str) {
        let begun = Instant::now();
        while self.lab.status(round)["phase"] != phase {
            assert!(begun.elapsed() < Duration::from_secs(30), "never {phase}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn logged(&self, words: &str) -> bool {
        let log = fs::read_to_string(self.lab.file("parent.log")).unwrap();
        log.contains(words)
    }
}

fn bytes(id: &str) -> Vec<u8> {
    (0..id.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&id[i..i + 2], 16).unwrap())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn replace(data: &Path, with: &Path) {
    fs::remove_dir_all(data).unwrap();
    copy(with, data);
}

/// Adversary: whoever has the disk copies database and uploads with three clients in, lets four be
/// released, puts the copy back and closes again: two sums over cohorts that differ by one client.
#[test]
fn i03_a_store_rolled_back_to_before_the_close_releases_no_second_sum() {
    for intake in INTAKES {
        let mut vault = Vault::new();
        let round = vault.round(1, intake, &[0, 1, 2]);
        let (early, late) = (vault.lab.file("early"), vault.lab.file("late"));
        vault.while_down(|data| copy(data, early.as_ref()));
        vault.contribute(&round, 1, 3);
        assert_eq!(vault.lab.close(&round).ok()["cohort_size"], 4);
        let released = vault.collect(1, &round).unwrap();
        assert_eq!(released, (1.0 + 2.0 + 3.0 + 4.0) / 8.0 / 4.0);

        vault.while_down(|data| {
            copy(data, late.as_ref());
            replace(data, early.as_ref());
        });
        for _ in 0..2 {
            assert_eq!(vault.lab.close(&round).refused(1).0, "rolled_back");
            assert_eq!(vault.collect(1, &round), Err("not_released".to_owned()));
        }
        assert!(vault.logged("rolled back or edited"));
        // What was released is the same, wherever it is put back.
        vault.while_down(|data| replace(data, late.as_ref()));
        assert_eq!(vault.collect(1, &round), Ok(released));
    }
}

/// Adversary: the same with a copy of after the Close, so that the parent knows what it closed with.
#[test]
fn i13_a_store_rolled_back_to_the_middle_of_a_release_ends_with_the_same_aggregate_or_none() {
    for intake in INTAKES {
        let mut vault = Vault::new();
        let round = vault.round(1, intake, &[0, 1, 2]);
        let _ = vault.lab.close(&round).ok();
        let released = vault.collect(1, &round).unwrap();
        let middle = "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), 'released', 'releasing') AS BLOB)
                      WHERE kind = 'state' AND round_id = ?1";
        let receipt = "DELETE FROM records WHERE kind = 'receipt' AND round_id = ?1";
        // The aggregate is there: the enclave signs nothing but the same receipt.
        assert_eq!(vault.edit(receipt, &round), 1);
        assert_eq!(vault.edit(middle, &round), 1);
        vault.becomes(&round, "released");
        assert_eq!(vault.collect(1, &round), Ok(released));
        // It is gone: no block is given again.
        let aggregate = "DELETE FROM blobs WHERE kind = 'aggregate' AND round_id = ?1";
        assert_eq!(vault.edit(aggregate, &round), 1);
        assert_eq!(vault.edit(receipt, &round), 1);
        assert_eq!(vault.edit(middle, &round), 1);
        assert_eq!(vault.lab.close(&round).refused(1).0, "rolled_back");
        assert!(vault.collect(1, &round) == Err("not_released".to_owned()));
    }
}

#[test]
fn a_phase_set_back_is_set_right_by_the_records_and_the_enclave() {
    let mut vault = Vault::new();
    let set = |from: &str, to: &str| {
        format!(
            "UPDATE records SET value = CAST(replace(CAST(value AS TEXT), '{from}', '{to}') AS BLOB)
             WHERE kind = 'state' AND round_id = ?1"
        )
    };
    let released = vault.round(1, "stream", &[0, 1, 2]);
    let _ = vault.lab.close(&released).ok();
    let sum = vault.collect(1, &released);
    assert_eq!(vault.edit(&set("released", "collecting"), &released), 1);
    vault.becomes(&released, "released");
    assert_eq!(vault.collect(1, &released), sum);

    let collecting = vault.round(2, "stream", &[0, 1]);
    for phase in ["released", "aborted", "releasing"] {
        assert_eq!(vault.edit(&set("collecting", phase), &collecting), 1);
        vault.becomes(&collecting, "collecting");
    }
    vault.contribute(&collecting, 2, 2);
    let _ = vault.lab.close(&collecting).ok();
    assert!(vault.collect(2, &collecting).is_ok());
}

/// Adversary: whoever has the disk takes a client out of the cohort, or puts one in.
#[test]
fn i02_no_row_of_the_store_adds_a_client_to_the_cohort_or_takes_one_out() {
    for (number, intake) in [(1, "stream"), (2, "presum")] {
        let mut vault = Vault::new();
        let round = vault.round(number, intake, &[0, 1, 2]);
        let stranger = "INSERT INTO records SELECT kind, round_id, zeroblob(32), value FROM records
                        WHERE kind = 'acceptance' AND round_id = ?1 LIMIT 1";
        assert_eq!(vault.edit(stranger, &round), 1);
        assert!(vault.logged("another client's: storage was edited"));
        assert_eq!(vault.lab.status(&round)["contributions"], 3);
        // One that names the stranger itself; only the signature is missing.
        vault.while_down(|data| {
            let database = Connection::open(data.join("rounds.db")).unwrap();
            let (client, mut value): (Vec<u8>, Vec<u8>) = database
                .query_row(
                    "SELECT client, value FROM records
                     WHERE kind = 'acceptance' AND client <> zeroblob(32) LIMIT 1",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            let place = value.windows(32).position(|bytes| bytes == client).unwrap();
            value[place..place + 32].fill(0);
            database
                .execute(
                    "UPDATE records SET value = ?1 WHERE kind = 'acceptance' AND client = zeroblob(32)",
                    params![value],
                )
                .unwrap()
        });
        assert_eq!(vault.lab.status(&round)["contributions"], 4);
        assert_eq!(vault.lab.close(&round).ok()["cohort_size"], 3, "{intake}");
        assert!(vault.logged("not the enclave's: storage was edited"));
        assert_eq!(vault.collect(number, &round), Ok(0.25));

        let round = vault.round(number + 2, intake, &[0, 1, 2, 3]);
        let one = "DELETE FROM records WHERE (kind, round_id, client) IN
                   (SELECT kind, round_id, client FROM records WHERE kind = 'acceptance' AND round_id = ?1 LIMIT 1)";
        assert_eq!(vault.edit(one, &round), 1);
        assert_eq!(vault.lab.status(&round)["contributions"], 3);
        if intake == "presum" {
            // Its upload is there, and the enclave says again that it is in.
            assert_eq!(vault.lab.close(&round).ok()["cohort_size"], 4);
        } else {
            assert_eq!(vault.lab.close(&round).refused(1).0, "cohort_mismatch");
            assert_eq!(vault.lab.status(&round)["phase"], "collecting");
        }
    }
}

/// Adversary: whoever has the disk gives one round's papers out as another's.
#[test]
fn clients_take_nothing_of_an_edited_store_that_does_not_verify() {
    let mut vault = Vault::new();
    let rounds = [1, 2].map(|number| vault.round(number, "stream", &[0, 1, 2]));
    for round in &rounds {
        let _ = vault.lab.close(round).ok();
    }
    let sum = vault.collect(2, &rounds[1]);
    let other = |kind: &str| {
        format!(
            "UPDATE records SET value = (SELECT value FROM records AS other
                 WHERE other.kind = '{kind}' AND other.round_id <> records.round_id)
             WHERE kind = '{kind}' AND round_id = ?1"
        )
    };
    let kept = vault.lab.file("kept");
    vault.while_down(|data| copy(data, kept.as_ref()));

    assert_eq!(vault.edit(&other("receipt"), &rounds[1]), 1);
    let error = vault.collect(2, &rounds[1]).unwrap_err();
    assert_eq!(error, "receipt_invalid");
    vault.while_down(|data| replace(data, kept.as_ref()));

    assert_eq!(vault.edit(&other("evidence"), &rounds[1]), 1);
    assert!(vault.logged("a round was not read back"));
    assert_eq!(vault.collect(2, &rounds[1]).unwrap_err(), "unknown_round");
    // The other round is served as before.
    assert!(vault.collect(1, &rounds[0]).is_ok());
    vault.while_down(|data| replace(data, kept.as_ref()));

    let nothing = "UPDATE blobs SET content = zeroblob(length(content))
                   WHERE kind = 'aggregate' AND round_id = ?1";
    assert_eq!(vault.edit(nothing, &rounds[1]), 1);
    let error = vault.collect(2, &rounds[1]).unwrap_err();
    assert_eq!(error, "aggregate_mismatch");
    vault.while_down(|data| replace(data, kept.as_ref()));
    assert_eq!(vault.collect(2, &rounds[1]), sum);

    // A proof that is gone is asked for again, and is the same one.
    let gone = "DELETE FROM records WHERE kind = 'receipt' AND round_id = ?1";
    assert_eq!(vault.edit(gone, &rounds[1]), 1);
    assert!(vault.logged("its proof is gone"));
    vault.becomes(&rounds[1], "released");
    assert_eq!(vault.collect(2, &rounds[1]), sum);
}

#[test]
fn an_abort_receipt_that_is_gone_is_had_again() {
    let mut vault = Vault::new();
    let round = vault.round(1, "presum", &[0]);
    let parent = vault.lab.parent.url.clone();
    let abort = ["round", "abort", "--parent", &parent, &round];
    let _ = sealsum_e2e::say(&abort).ok();
    let gone = "DELETE FROM records WHERE kind = 'abort_receipt' AND round_id = ?1";
    assert_eq!(vault.edit(gone, &round), 1);
    vault.becomes(&round, "aborted");
    let refund = vault.at(1, 0).refund(&vault.lab.parent.url, &round).ok();
    assert_eq!(refund["proof"], "abort_receipt", "{refund}");
}
