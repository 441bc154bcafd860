//! Where a kill is aimed: at any time at all, or at a step of the work that only a kill in the
//! very middle of it tests.

use std::time::Duration;

use sealsum_protocol::Command;

use crate::demo::random::Random;

/// What the parent says to its enclave, as far as kills tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Open,
    Attest,
    Contribute,
    Stage,
    Close,
    Release,
    Finish,
    Acknowledge,
    Abort,
    Ask,
}

/// Which half of an exchange has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The parent has spoken; the enclave has not heard it.
    Unheard,
    /// The enclave has done it; the parent does not know.
    Unanswered,
    /// The parent has the answer, and perhaps has begun to store it.
    Answered,
}

/// A place in the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Half of an upload has been sent.
    MidBody,
    /// All of an upload has been sent: it is being stored.
    BodySent,
    /// A close has been asked for: the sum is being made.
    CloseAsked,
    /// In an exchange with the enclave.
    Exchange(Step, Side),
}

/// One kill's aim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    /// None is any time.
    pub(crate) point: Option<Point>,
    /// How often the point is passed before.
    pub(crate) skip: usize,
    /// From the point, or from now, to the kill.
    pub(crate) delay: Duration,
    pub(crate) group: Group,
}

/// What kills are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    AnyTime,
    Opening,
    MidBody,
    Storing,
    Acceptance,
    Closing,
    Release,
    Erasure,
    Abort,
    Start,
}

impl Group {
    pub(crate) const NAMES: [&str; 10] = [
        "any_time",
        "opening",
        "mid_body",
        "storing",
        "acceptance",
        "closing",
        "release",
        "erasure",
        "abort",
        "start",
    ];
}

impl Step {
    pub(crate) const fn of(command: &Command) -> Self {
        match command {
            Command::OpenRound(_) => Self::Open,
            Command::Attest(_) => Self::Attest,
            Command::Contribute(_) | Command::ContributeMany(_) => Self::Contribute,
            Command::StageBlock(_) => Self::Stage,
            Command::Close(_) => Self::Close,
            Command::ReleaseBlock(_) => Self::Release,
            Command::Finish(_) => Self::Finish,
            Command::Acknowledge(_) => Self::Acknowledge,
            Command::Abort(_) => Self::Abort,
            Command::Describe | Command::Status(_) => Self::Ask,
        }
    }
}

impl Aim {
    /// The next aim. A fifth of all kills come at any time.
    pub(crate) fn draw(random: &mut Random) -> Self {
        let side = [Side::Unheard, Side::Unanswered, Side::Answered][random.below(3)];
        let exchange = |step| Some(Point::Exchange(step, side));
        let (group, point, most) = match random.below(100) {
            0..20 => (Group::AnyTime, None, 1),
            20..26 => (Group::Opening, exchange(Step::Open), 1),
            26..29 => (Group::Opening, exchange(Step::Attest), 1),
            29..39 => (Group::MidBody, Some(Point::MidBody), 6),
            39..47 => (Group::Storing, Some(Point::BodySent), 6),
            47..57 => (Group::Acceptance, exchange(Step::Contribute), 6),
            57..65 => (Group::Acceptance, exchange(Step::Stage), 20),
            65..70 => (Group::Closing, Some(Point::CloseAsked), 1),
            70..76 => (Group::Closing, exchange(Step::Close), 1),
            76..84 => (Group::Release, exchange(Step::Release), 4),
            84..88 => (Group::Release, exchange(Step::Finish), 1),
            88..91 => (Group::Erasure, exchange(Step::Acknowledge), 1),
            91..94 => (Group::Abort, exchange(Step::Abort), 1),
            _ => (Group::Start, None, 1),
        };
        let longest = match point {
            None => ANY_TIME,
            Some(Point::Exchange(..)) => AFTER_AN_ANSWER,
            Some(_) => WHILE_IT_WORKS,
        };
        Self {
            point,
            skip: random.below(most),
            delay: longest.mul_f64(random.below(PARTS) as f64 / PARTS as f64),
            group,
        }
    }
}

/// As long as a round of this test takes, about.
const ANY_TIME: Duration = Duration::from_millis(400);
/// Two synced files and an answer.
const AFTER_AN_ANSWER: Duration = Duration::from_millis(4);
/// Hashing and storing an upload, or summing a few.
const WHILE_IT_WORKS: Duration = Duration::from_millis(8);
/// Finer than any timer here.
const PARTS: usize = 1_000_000;
