//! Every command in every state, as a snapshot: a change of behaviour is a change of this table.

use sealsum_enclave_core::RELEASE_TIMEOUT_MS;
use sealsum_protocol::messages::{
    Acknowledge, Attest, Close, Contribute, ContributeMany, Finish, ReleaseBlock, StageBlock,
    Status, Verdict,
};
use sealsum_protocol::{Command, Digest, Intake, Reply};
use sealsum_testkit::{
    Contribution, Link, LocalEnclave, ScriptedParent, UncheckedClient, open_round, sign, terms,
};

const STATES: [&str; 13] = [
    "unknown",
    "empty",
    "below minimum",
    "collecting",
    "staging",
    "closed",
    "one block out",
    "all out, receipt signed",
    "released",
    "aborted",
    "lost",
    "shut down while collecting",
    "shut down while staging",
];

const COMMANDS: [&str; 17] = [
    "open",
    "open: the same again",
    "attest",
    "contribute: new",
    "contribute: same",
    "contribute: other of same client",
    "contribute many: new, same, other",
    "stage: awaited",
    "stage: other",
    "close: honest",
    "close: other",
    "release: first",
    "release: no such",
    "finish",
    "acknowledge",
    "abort",
    "status",
];

struct Scene {
    enclave: LocalEnclave,
    open: Command,
    parent: ScriptedParent,
    newcomer: Contribution,
    other: Contribution,
}

/// d = 20,000 makes two blocks.
fn scene(state: &str, intake: Intake) -> Scene {
    let mut terms = terms(intake);
    terms.dimension = 20_000;
    let mut enclave = LocalEnclave::new(1);
    let open = open_round(sign(terms));
    let Reply::Opened(opened) = enclave.say(open.clone()) else {
        panic!("not opened")
    };
    let mut parent = ScriptedParent {
        binding: opened.binding,
        accepted: Vec::new(),
    };
    let make = |parent: &ScriptedParent, n: u64| {
        UncheckedClient::new(n).contribute(&parent.binding, &vec![0.25; 20_000])
    };
    let count = match state {
        "unknown" | "empty" => 0,
        "below minimum" => 1,
        _ => 3,
    };
    for n in 0..count {
        let contribution = make(&parent, n);
        parent.relay(&mut enclave, &contribution).unwrap();
    }
    let newcomer = make(&parent, 7);
    let other = {
        let mut client = UncheckedClient::new(0);
        client.contribute(&parent.binding, &vec![0.5; 20_000]);
        client.contribute(&parent.binding, &vec![0.75; 20_000])
    };
    match state {
        "staging" | "shut down while staging" if intake == Intake::Stream => {
            let header = newcomer.header.clone();
            enclave.say(Command::Contribute(Box::new(Contribute { header })));
        }
        "closed" | "one block out" | "all out, receipt signed" | "released" | "lost" => {
            parent.close(&mut enclave).unwrap();
        }
        "aborted" => drop(parent.abort(&mut enclave)),
        _ => {}
    }
    if state.starts_with("shut down") {
        enclave.shutdown();
    }
    match state {
        "one block out" => drop(parent.release_block(&mut enclave, 0).unwrap()),
        "all out, receipt signed" => {
            (0..2).for_each(|j| drop(parent.release_block(&mut enclave, j).unwrap()));
            parent.finish(&mut enclave).unwrap();
        }
        "released" => drop(parent.release(&mut enclave)),
        "lost" => {
            parent.release_block(&mut enclave, 0).unwrap();
            enclave.clock.advance(RELEASE_TIMEOUT_MS + 1);
        }
        "unknown" => enclave = LocalEnclave::new(2),
        _ => {}
    }
    Scene {
        enclave,
        open,
        parent,
        newcomer,
        other,
    }
}

fn carry_out(scene: &mut Scene, command: &str) -> Reply {
    let round_id = scene.parent.round_id();
    let contribute = |contribution: &Contribution| {
        Command::Contribute(Box::new(Contribute {
            header: contribution.header.clone(),
        }))
    };
    let layout = scene.parent.layout();
    let block = scene.newcomer.blocks(layout).next().unwrap().to_vec();
    let stage = |index| {
        Command::StageBlock(StageBlock {
            round_id,
            client: scene.newcomer.header.client,
            index,
        })
    };
    let presum = scene.parent.terms().intake == Intake::Presum;
    let (command, body) = match command {
        "open" => (open_round(scene.parent.binding.params.clone()), vec![]),
        "open: the same again" => (scene.open.clone(), vec![]),
        "attest" => (
            Command::Attest(Attest {
                round_id,
                nonce: Digest::new([1; 32]),
            }),
            vec![],
        ),
        "contribute: new" => (contribute(&scene.newcomer), vec![]),
        "contribute: same" => (
            contribute(scene.parent.accepted.first().unwrap_or(&scene.newcomer)),
            vec![],
        ),
        "contribute: other of same client" => (contribute(&scene.other), vec![]),
        "contribute many: new, same, other" => {
            let same = scene.parent.accepted.first().unwrap_or(&scene.newcomer);
            let headers = [&scene.newcomer, same, &scene.other];
            let many = ContributeMany {
                round_id,
                headers: headers.map(|one| one.header.clone().into()).into(),
            };
            (Command::ContributeMany(Box::new(many)), vec![])
        }
        "stage: awaited" => (stage(0), block),
        "stage: other" => (stage(1), block),
        "close: honest" => (Command::Close(scene.parent.honest_close()), vec![]),
        "close: other" => (
            Command::Close(Close {
                cohort_root: Digest::new([9; 32]),
                ..scene.parent.honest_close()
            }),
            vec![],
        ),
        "release: first" => {
            let (path, body) = if presum && !scene.parent.accepted.is_empty() {
                let sum = sealsum_protocol::pack::pack(&scene.parent.masked_sum()[0]);
                (scene.parent.sum_commitment().path(0).unwrap(), sum)
            } else {
                (vec![], vec![])
            };
            (
                Command::ReleaseBlock(ReleaseBlock {
                    round_id,
                    index: 0,
                    path,
                }),
                body,
            )
        }
        "release: no such" => (
            Command::ReleaseBlock(ReleaseBlock {
                round_id,
                index: 2,
                path: vec![],
            }),
            vec![],
        ),
        "finish" => (Command::Finish(Finish { round_id }), vec![]),
        "acknowledge" => (Command::Acknowledge(Acknowledge { round_id }), vec![]),
        "abort" => (
            Command::Abort(sealsum_protocol::messages::Abort { round_id }),
            vec![],
        ),
        "status" => (Command::Status(Status { round_id }), vec![]),
        other => panic!("{other}"),
    };
    scene.enclave.call(command, &body).0
}

fn name(reply: &Reply, scene: &Scene) -> String {
    match reply {
        Reply::Refused(refusal) => format!("refused: {}", refusal.code()),
        Reply::Status(status) => format!("{} with {}", status.phase, status.contributions),
        Reply::Staging(staging) => format!("staging, next {}", staging.next),
        Reply::Closed(closed) => format!("closed with {}", closed.cohort_size),
        Reply::Opened(opened) if opened.binding == scene.parent.binding => "the same round".into(),
        Reply::Opened(_) => "opened".into(),
        Reply::Evidence(_) => "evidence".into(),
        Reply::Accepted(_) => "accepted".into(),
        Reply::Verdicts(verdicts) => {
            let each = verdicts.iter().map(|verdict| match verdict {
                Verdict::Accepted(_) => "accepted",
                Verdict::Refused(refusal) => refusal.code(),
            });
            each.collect::<Vec<_>>().join(", ")
        }
        Reply::Released(block) => format!("block {}", block.index),
        Reply::Receipt(_) => "receipt".into(),
        Reply::Acknowledged => "acknowledged".into(),
        Reply::Aborted(receipt) => format!("aborted, {} discarded", receipt.unverified().discarded),
        other => format!("{other:?}"),
    }
}

fn table(intake: Intake) -> String {
    let mut table = String::new();
    for state in STATES {
        table.push_str(&format!("{state}\n"));
        for command in COMMANDS {
            let mut scene = scene(state, intake);
            let reply = carry_out(&mut scene, command);
            let reply = name(&reply, &scene);
            table.push_str(&format!("    {command:<34}{reply}\n"));
        }
    }
    table
}

#[test]
fn every_command_in_every_state_of_a_stream_round() {
    insta::assert_snapshot!(table(Intake::Stream));
}

#[test]
fn every_command_in_every_state_of_a_presum_round() {
    insta::assert_snapshot!(table(Intake::Presum));
}
