//! One client: it sends its bytes, the same each time, until the parent has acknowledged them or
//! said for good that it will not.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sealsum_protocol::receipt::Acceptance;
use sealsum_protocol::{Signed, canonical};

use super::Stage;
use super::aim::Point;
use super::case::{Case, Member};
use super::host::hold;
use crate::demo::random::Random;
use crate::http::Message;

/// What came of one try.
enum Tried {
    Accepted(Vec<u8>),
    /// The parent is gone, or asks to try again.
    Again,
    /// The round does not take it any more, by this code.
    TooLate(String),
}

impl Member {
    /// Contributes, and now and then again after that.
    pub(crate) fn take_part(&self, stage: &Stage, case: &Case, seed: u64) -> Result<()> {
        let mut random = Random::new(seed);
        let pace = Duration::from_micros(random.below(PACE_MICROS) as u64);
        if random.below(8) == 0 {
            // Breaks off by itself, as phones do.
            let _ = self.send(stage, case, self.upload.bytes.len() / 3, pace);
        }
        let begun = Instant::now();
        loop {
            match self.send(stage, case, self.upload.bytes.len(), pace)? {
                Tried::Accepted(acceptance) => {
                    self.keep(stage, case, acceptance)?;
                    if random.below(3) > 0 {
                        return Ok(());
                    }
                    std::thread::sleep(REST.mul_f64(random.below(100) as f64 / 100.0));
                }
                Tried::Again => std::thread::sleep(PAUSE),
                Tried::TooLate(_) if !self.is_acknowledged() => return Ok(()),
                Tried::TooLate(code) => {
                    stage.course.forgotten(&format!(
                        "{} was accepted and is told {code} by round {}",
                        self.upload.client,
                        case.id()
                    ));
                    return Ok(());
                }
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "client {} of round {} got no answer within {PATIENCE:?}",
                self.upload.client,
                case.id()
            );
        }
    }

    /// The first acceptance is kept; another one later is a broken promise.
    fn keep(&self, stage: &Stage, case: &Case, acceptance: Vec<u8>) -> Result<()> {
        let signed: Signed<Acceptance> = canonical::decode(&acceptance)?;
        let said = signed.verify(&case.binding.receipt_key, &case.id())?;
        ensure!(
            said.client == self.upload.client && said.contribution == self.upload.contribution,
            "an acceptance of another contribution"
        );
        let mut kept = hold(&self.acceptance);
        match kept.as_ref() {
            None => {
                stage.course.acknowledged();
                *kept = Some(acceptance);
            }
            Some(first) => stage.course.repeated(*first == acceptance),
        }
        Ok(())
    }

    /// Sends the first `bytes` of the upload.
    fn send(&self, stage: &Stage, case: &Case, bytes: usize, pace: Duration) -> Result<Tried> {
        let path = format!(
            "/v1/rounds/{}/contributions/{}",
            case.id(),
            self.upload.client
        );
        let Ok(answer) = self.exchange(stage, &path, bytes, pace) else {
            return Ok(Tried::Again);
        };
        if answer.status() == 200 {
            return Ok(Tried::Accepted(answer.body));
        }
        let problem: serde_json::Value = serde_json::from_slice(&answer.body)?;
        let code = problem["code"].as_str().unwrap_or_default().to_owned();
        match (answer.status(), code.as_str()) {
            (503 | 500 | 502 | 408, _) | (400, "upload_cut") => Ok(Tried::Again),
            (409, "wrong_phase" | "cohort_full") | (410, _) | (404, "unknown_round") => {
                Ok(Tried::TooLate(code))
            }
            (status, _) => bail!("an honest upload was answered {status}: {problem}"),
        }
    }

    fn exchange(&self, stage: &Stage, path: &str, bytes: usize, pace: Duration) -> Result<Message> {
        let host = &stage.host;
        let mut stream = TcpStream::connect(host.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = Message::request(host.address, "PUT", path, self.upload.bytes.clone()).head();
        stream.write_all(head.as_bytes())?;
        let sent = &self.upload.bytes[..bytes.min(self.upload.bytes.len())];
        let half = sent.len() / 2;
        for (place, piece) in sent.chunks(PIECE).enumerate() {
            stream.write_all(piece)?;
            let at = place * PIECE;
            if (at..at + PIECE).contains(&half) {
                stage.pass(Point::MidBody);
            }
            std::thread::sleep(pace);
        }
        ensure!(bytes == self.upload.bytes.len(), "broken off");
        stage.pass(Point::BodySent);
        Message::read(&mut stream)
    }
}

/// Between two pieces of an upload, at most.
const PACE_MICROS: usize = 3_000;
const PIECE: usize = 16 * 1024;
/// Before the same bytes are sent once more to see what comes back.
const REST: Duration = Duration::from_millis(600);
const PAUSE: Duration = Duration::from_millis(15);
/// For the parent to be back and to answer.
const PATIENCE: Duration = Duration::from_secs(60);
