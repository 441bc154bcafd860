//! Every message in its canonical encoding, with its diagnostic notation (RFC 8949 §8).

use anyhow::Result;
use sealsum_protocol::messages::{
    Abort, Acknowledge, Attest, Close, Closed, Command, Contribute, ContributeMany, Description,
    Evidence, Finish, OpenRound, Opened, Phase, ReleaseBlock, ReleasedBlock, Reply, RoundStatus,
    StageBlock, Staging, Status, Verdict,
};
use sealsum_protocol::receipt::receipt_digest;
use sealsum_protocol::{
    AbortReceipt, Acceptance, ClientId, Digest, KemSuite, Noise, NoncePath, OpeningId, Receipt,
    Refusal, RoundEvidence, RoundOffer, canonical,
};
use serde::Serialize;
use serde_bytes::ByteBuf;
use serde_cbor::Value as Cbor;
use serde_json::{Value, json};

use super::File;
use super::contributions::{Sealed, update};
use super::rounds::{Round, receipt_secret, terms};
use super::seeds::bytes32;

pub(super) fn messages() -> Result<File> {
    let round = Round::of(terms(KemSuite::X25519))?;
    let mut cases = Vec::new();
    for command in commands(&round)? {
        cases.push(case("Command", &command)?);
    }
    for reply in replies(&round) {
        cases.push(case("Reply", &reply)?);
    }
    let evidence = ByteBuf::from(*b"an attestation document");
    cases.push(case(
        "RoundOffer",
        &RoundOffer {
            binding: round.binding.clone(),
            evidence: evidence.clone(),
            nonce_path: NoncePath::alone(),
        },
    )?);
    let binding = round.binding;
    cases.push(case("RoundEvidence", &RoundEvidence { binding, evidence })?);
    Ok(File {
        name: "messages",
        about: "each message in its one encoding; whatever decodes to it but is encoded otherwise is refused",
        cases,
    })
}

pub(super) fn statements() -> Result<File> {
    let round = Round::of(terms(KemSuite::X25519))?;
    let signed_receipt = round.receipts.sign(receipt(&round));
    let mut cases = vec![
        case("Acceptance", &round.receipts.sign(acceptance(&round)))?,
        case("Receipt", &signed_receipt)?,
        case("AbortReceipt", &round.receipts.sign(abort_receipt(&round)))?,
    ];
    for case in &mut cases {
        case["receipt_secret"] = hex::encode(receipt_secret()).into();
        case["receipt_key"] = round.receipts.key().to_string().into();
        case["round_id"] = round.binding.round_id().to_string().into();
    }
    cases[1]["digest"] = receipt_digest(&signed_receipt).to_string().into();
    Ok(File {
        name: "statements",
        about: "what the enclave signs (Ed25519 over length of label || label || RoundId || canonical statement), and a receipt's digest for the next round's parameters",
        cases,
    })
}

pub(super) fn commands(round: &Round) -> Result<Vec<Command>> {
    let round_id = round.binding.round_id();
    let client = ClientId::new(bytes32("client 0"));
    Ok(vec![
        Command::Describe,
        Command::OpenRound(Box::new(OpenRound {
            opening: OpeningId::new(bytes32("opening")),
            params: round.binding.params.clone(),
        })),
        Command::Attest(Attest {
            round_id,
            nonce: Digest::new(bytes32("nonce 0")),
        }),
        Command::Contribute(Box::new(Contribute {
            header: Sealed::of(round, update(round, 1)?)?.header,
        })),
        Command::StageBlock(StageBlock {
            round_id,
            client,
            index: 3,
        }),
        Command::Close(Close {
            round_id,
            cohort_root: Digest::new(bytes32("cohort root")),
            sum_root: None,
            excluded: Vec::new(),
        }),
        Command::Close(Close {
            round_id,
            cohort_root: Digest::new(bytes32("cohort root")),
            sum_root: Some(Digest::new(bytes32("sum root"))),
            excluded: vec![client],
        }),
        Command::ReleaseBlock(ReleaseBlock {
            round_id,
            index: 1,
            path: vec![Digest::new(bytes32("sibling"))],
        }),
        Command::Finish(Finish { round_id }),
        Command::Acknowledge(Acknowledge { round_id }),
        Command::Abort(Abort { round_id }),
        Command::Status(Status { round_id }),
        Command::ContributeMany(Box::new(ContributeMany {
            round_id,
            headers: vec![Sealed::of(round, update(round, 1)?)?.header.into()],
        })),
    ])
}

fn replies(round: &Round) -> Vec<Reply> {
    vec![
        Reply::Description(Description {
            version: 1,
            memory_ceiling: 1 << 29,
            memory_reserved: 70_000,
            open_rounds: 1,
        }),
        Reply::Opened(Box::new(Opened {
            binding: round.binding.clone(),
        })),
        Reply::Evidence(Evidence {
            document: ByteBuf::from(*b"an attestation document"),
        }),
        Reply::Staging(Staging { next: 1 }),
        Reply::Accepted(round.receipts.sign(acceptance(round))),
        Reply::Closed(Closed {
            cohort_size: 3,
            blocks: 1,
        }),
        Reply::Released(ReleasedBlock { index: 0 }),
        Reply::Receipt(Box::new(round.receipts.sign(receipt(round)))),
        Reply::Acknowledged,
        Reply::Aborted(round.receipts.sign(abort_receipt(round))),
        Reply::Status(RoundStatus {
            phase: Phase::Collecting,
            contributions: 2,
        }),
        Reply::Refused(Refusal::Burned),
        Reply::Refused(Refusal::CohortTooSmall {
            size: 2,
            minimum: 3,
        }),
        Reply::Refused(Refusal::WrongPhase { phase: Phase::Lost }),
        Reply::Verdicts(vec![
            Verdict::Accepted(round.receipts.sign(acceptance(round)).signature()),
            Verdict::Refused(Refusal::RepeatedKey),
        ]),
    ]
}

pub(super) fn acceptance(round: &Round) -> Acceptance {
    Acceptance {
        round_id: round.binding.round_id(),
        client: ClientId::new(bytes32("client 0")),
        contribution: Digest::new(bytes32("contribution 0")),
    }
}

pub(super) fn receipt(round: &Round) -> Receipt {
    Receipt {
        round_id: round.binding.round_id(),
        cohort_size: 3,
        cohort_root: Digest::new(bytes32("cohort root")),
        total_weight: 3,
        aggregate: Digest::new(bytes32("aggregate")),
        noise: Noise::None,
        excluded: vec![ClientId::new(bytes32("client 5"))],
        previous_receipt: Some(Digest::new(bytes32("previous receipt"))),
    }
}

pub(super) fn abort_receipt(round: &Round) -> AbortReceipt {
    AbortReceipt {
        round_id: round.binding.round_id(),
        discarded: 2,
    }
}

fn case(kind: &str, message: &impl Serialize) -> Result<Value> {
    let bytes = canonical::encode(message);
    let value: Cbor = serde_cbor::from_slice(&bytes)?;
    Ok(json!({
        "type": kind,
        "diagnostic": diagnostic(&value),
        "cbor": hex::encode(bytes),
    }))
}

fn diagnostic(value: &Cbor) -> String {
    let list = |parts: Vec<String>| parts.join(", ");
    match value {
        Cbor::Null => "null".to_owned(),
        Cbor::Bool(value) => value.to_string(),
        Cbor::Integer(value) => value.to_string(),
        Cbor::Text(text) => format!("{text:?}"),
        Cbor::Bytes(bytes) => format!("h'{}'", hex::encode(bytes)),
        Cbor::Array(items) => format!("[{}]", list(items.iter().map(diagnostic).collect())),
        Cbor::Map(entries) => {
            // In the bytes, fields keep the order of their declaration; here, of the map.
            let entry = |(key, value)| format!("{}: {}", diagnostic(key), diagnostic(value));
            format!("{{{}}}", list(entries.iter().map(entry).collect()))
        }
        // Floats and tags have no place in a message.
        other => format!("{other:?}"),
    }
}
