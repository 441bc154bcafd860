//! What a hostile run of real processes leaves behind: every log, error text, answer and
//! stored byte, searched for coordinates and keys that the test knows (I10).

use std::fs;
use std::path::Path;

use sealsum_e2e::{Hospital, Lab, LyingParent, RoundRequest, wire};
use sealsum_protocol::messages::ReleaseBlock;
use sealsum_protocol::{Command, RoundId, RoundOffer};
use sealsum_testkit::hostile::{Mischief, SlowSender, forgery, lies};
use sealsum_testkit::{KnownSecrets, Link as _, ScriptedParent, SocketLink, UncheckedClient};

/// Coordinates with seven telling digits; a sum of them is none of them.
const TELLING: [f32; 4] = [0.123_456_79, -0.314_159_27, 0.271_828_17, 0.577_215_7];

/// Adversary: whoever reads the parent's disk, everyone's logs at their most talkative, and
/// every answer and error, after rounds of both intakes that were attacked from all sides.
#[test]
fn i10_no_log_answer_or_file_of_a_hostile_run_has_a_secret() {
    let lab = Lab::talkative();
    let proxy = LyingParent::before(&lab.parent.url);
    let mut run = Run {
        lab: &lab,
        proxy: &proxy,
        secrets: KnownSecrets::default(),
        said: Vec::new(),
    };
    run.hostile_rounds("stream", 1);
    run.hostile_rounds("presum", 10);
    run.keys();

    let mut places = 0;
    let mut search = |place: &str, bytes: &[u8]| {
        places += 1;
        run.secrets.assert_absent(place, bytes);
    };
    for said in &run.said {
        search("what a command said", said.as_bytes());
    }
    for answer in proxy.answered() {
        search(&answer.path, &answer.body);
    }
    for seen in proxy.seen() {
        search(&seen.path, &seen.body);
    }
    let logs = ["parent.log", "enclave.log"];
    for log in logs {
        search(log, &fs::read(lab.folder().join(log)).unwrap());
    }
    files(&lab.parent.data, &mut search);
    for identity in fs::read_dir(lab.folder()).unwrap() {
        // The ledgers and what lies beside them; the key there is where it belongs.
        let identity = identity.unwrap().path();
        if identity.extension().is_some_and(|kind| kind == "identity") {
            for file in fs::read_dir(identity).unwrap() {
                let file = file.unwrap().path();
                if !file.ends_with("identity.key") {
                    search("a ledger", &fs::read(file).unwrap());
                }
            }
        }
    }
    assert!(places > 100, "{places}");
    let parent = fs::read_to_string(lab.folder().join(logs[0])).unwrap();
    // JSON, since no terminal is there.
    assert!(
        parent.contains("\"level\":\"DEBUG\""),
        "the parent was not talkative"
    );
}

struct Run<'a> {
    lab: &'a Lab,
    proxy: &'a LyingParent,
    secrets: KnownSecrets,
    said: Vec<String>,
}

impl Run<'_> {
    fn open(&self, intake: &'static str, number: u64) -> (String, String) {
        let base_model = self
            .lab
            .numbers(&format!("base-{number}.npy"), &[number as f32; 20]);
        let request = RoundRequest {
            intake,
            number,
            base_model: base_model.clone().into(),
            ..self.lab.request()
        };
        (self.lab.open(&request), base_model)
    }

    /// One round that is attacked and released, one that is aborted, one that is lost to a
    /// parent that speaks to the enclave itself.
    fn hostile_rounds(&mut self, intake: &'static str, first: u64) {
        let url = self.lab.parent.url.clone();
        let (round_id, base_model) = self.open(intake, first);
        let offer = wire::offer(&url, &round_id);
        let terms = offer.binding.params.params.terms();
        let hospitals: Vec<_> = (0_u32..)
            .zip(TELLING)
            .map(|(n, value)| {
                let what = format!("hospital {n}'s update");
                let bits = terms.ring_bits;
                let secrets = &mut self.secrets;
                secrets.add_coordinate(&what, value, terms.fractional_bits, bits);
                let update = self.lab.numbers(&format!("u{n}.npy"), &[value; 20]);
                let mut hospital = self.lab.hospital(&format!("h{n}-{intake}"));
                hospital.base_model.clone_from(&base_model);
                (hospital, update)
            })
            .collect();
        // Offers that are refused, an upload whose answer is lost, one that is resent.
        for (lie, _) in lies::OFFER_LIES {
            self.proxy.lie_in("/offer", lie);
            self.contribute(&hospitals[0], &round_id);
        }
        self.proxy
            .lie(|seen, body| (seen.method != "PUT").then_some(body));
        self.contribute(&hospitals[0], &round_id);
        self.proxy.be_honest();
        for hospital in &hospitals[..3] {
            self.contribute(hospital, &round_id);
            self.contribute(hospital, &round_id);
        }
        self.strangers(&offer);
        // False aborts, under every kind of signature.
        let forged = forgery::own_abort(offer.binding.round_id());
        self.proxy.invent("/abort-receipt", &forged);
        self.refund(&hospitals[0].0, &round_id);
        self.proxy.be_honest();
        self.refund(&hospitals[0].0, &round_id);
        let early = self.lab.close(&round_id);
        self.note(&early);
        self.second_sum(&offer);
        let out = self.lab.file("out.npy");
        self.contribute(&hospitals[3], &round_id);
        for (path, at) in [("/aggregate", 5), ("/receipt", 40), ("/proofs/", 9)] {
            self.proxy.lie(move |seen, mut body| {
                if seen.path.contains(path) {
                    body[at] ^= 1;
                }
                Some(body)
            });
            let refused = hospitals[1].0.collect(&self.proxy.url, &round_id, &out);
            assert_ne!(refused.code, 0, "{path}: {refused:?}");
            self.note(&refused);
        }
        self.proxy.be_honest();
        let collected = hospitals[1].0.collect(&self.proxy.url, &round_id, &out);
        assert_eq!(collected.code, 0, "{collected:?}");
        self.note(&collected);
        self.refund(&hospitals[1].0, &round_id);
        self.note(&hospitals[1].0.ledger());

        let (aborted, base_model) = self.open(intake, first + 1);
        let mut last = hospitals.into_iter().next_back().unwrap();
        last.0.base_model = base_model;
        self.contribute(&last, &aborted);
        let said = sealsum_e2e::say(&["round", "abort", "--parent", &url, &aborted]);
        self.note(&said);
        self.refund(&last.0, &aborted);
        self.note(&self.lab.status(&aborted));
    }

    fn strangers(&mut self, offer: &RoundOffer) {
        let url = &self.lab.parent.url;
        let sound = UncheckedClient::new(1).contribute(&offer.binding, &[0.5; 20]);
        let mut halved = SlowSender::begin(url, &sound);
        halved.send(200);
        halved.hang_up();
        let mut answers = Vec::new();
        for (n, mischief) in (20..).zip(Mischief::ALL) {
            // In presum a spoiled body would be summed: that is for the parent to detect.
            if mischief != Mischief::OverValue {
                answers.push(wire::put(url, &mischief.by(n, &offer.binding)));
            }
        }
        answers.push(wire::put(url, &sound.copied_by(40)));
        answers.push(wire::put_to(url, &RoundId::new([1; 32]), &sound));
        answers.push(wire::ask(url, "rounds/nonsense"));
        for answer in answers {
            assert_ne!(answer.status, 200);
            let body = String::from_utf8(answer.body).unwrap();
            self.said.push(body);
        }
    }

    /// With the round released, the enclave is asked for another sum past the parent's back.
    fn second_sum(&mut self, offer: &RoundOffer) {
        let mut link = SocketLink::connect(&self.lab.enclave.address);
        let round = ScriptedParent {
            binding: offer.binding.clone(),
            accepted: Vec::new(),
        };
        let block = ReleaseBlock {
            round_id: round.round_id(),
            index: 0,
            path: Vec::new(),
        };
        for command in [
            Command::Close(round.close_with_invented_cohort()),
            Command::Close(round.close_with_invented_sum()),
            Command::ReleaseBlock(block),
        ] {
            let refusal = link.refused(command);
            self.said.push(format!("{refusal} {refusal:?}"));
        }
    }

    /// The private keys of all data holders, and the operator's.
    fn keys(&mut self) {
        let mut keys = 0;
        for entry in fs::read_dir(self.lab.folder()).unwrap() {
            let path = entry.unwrap().path();
            let file = match path.extension().and_then(|kind| kind.to_str()) {
                Some("identity") => path.join("identity.key"),
                Some("key") => path.clone(),
                _ => continue,
            };
            let text = fs::read_to_string(&file).unwrap();
            let seed = text.lines().find_map(|line| line.strip_prefix("seed "));
            let seed: sealsum_protocol::Digest = seed.unwrap().parse().unwrap();
            self.secrets
                .add(&format!("{}'s key", path.display()), seed.as_bytes());
            keys += 1;
        }
        assert_eq!(keys, 2 * TELLING.len() + 1);
    }

    fn contribute(&mut self, (hospital, update): &(Hospital, String), round_id: &str) {
        let said = hospital.contribute(&self.proxy.url, round_id, update);
        self.note(&said);
    }

    fn refund(&mut self, hospital: &Hospital, round_id: &str) {
        let said = hospital.refund(&self.proxy.url, round_id);
        self.note(&said);
    }

    fn note(&mut self, said: &dyn std::fmt::Debug) {
        self.said.push(format!("{said:?}"));
    }
}

fn files(folder: &Path, search: &mut impl FnMut(&str, &[u8])) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, search);
        } else {
            search(&path.display().to_string(), &fs::read(&path).unwrap());
        }
    }
}
