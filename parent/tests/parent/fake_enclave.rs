//! An enclave for tests that has the protocol's states and none of its secrets: masks
//! are not removed, so its "aggregate" is the masked sum. Faults can be put in front
//! of, or behind, any command.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use sealsum_protocol::commitment::is_block_of_sum;
use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::{
    Close, Closed, Contribute, Evidence, HEADERS_LIMIT, Message as _, OpenRound, Opened, Phase,
    ReleasedBlock, RoundStatus, Staging, Verdict,
};
use sealsum_protocol::pack::{pack, unpack};
use sealsum_protocol::{
    AbortReceipt, Acceptance, ClientId, Cohort, Command, CommitmentBuilder, ContributionHeader,
    Digest, Intake, KemPrivateKey, Noise, OpeningId, Receipt, ReceiptSigner, Refusal, Reply,
    RingVector, RoundBinding, RoundId,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What goes wrong with a command.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Refuse(Refusal),
    /// The connection ends before the command took effect.
    HangUpBefore,
    /// The connection ends after it took effect, before the reply.
    HangUpAfter,
}

type Script = Box<dyn FnMut(&Command) -> Option<Fault> + Send>;

#[derive(Default)]
pub(crate) struct Enclave {
    rounds: HashMap<RoundId, FakeRound>,
    pub(crate) seen: Vec<&'static str>,
    script: Option<Script>,
    pub(crate) opened: u8,
}

struct FakeRound {
    opening: OpeningId,
    binding: RoundBinding,
    signer: ReceiptSigner,
    phase: Phase,
    accepted: BTreeMap<ClientId, Digest>,
    sum: Vec<RingVector>,
    close: Option<Close>,
    released: BTreeMap<u64, (u32, Vec<u8>)>,
}

/// A listening enclave. Dropped, it is gone with all it knew.
pub(crate) struct FakeEnclave {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<Mutex<Enclave>>,
    task: JoinHandle<()>,
}

impl FakeEnclave {
    pub(crate) async fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<Enclave>>::default();
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            state,
            task,
        }
    }

    pub(crate) fn script(&self, script: impl FnMut(&Command) -> Option<Fault> + Send + 'static) {
        self.state.lock().unwrap().script = Some(Box::new(script));
    }

    /// How often a command was seen.
    pub(crate) fn count(&self, name: &str) -> usize {
        let state = self.state.lock().unwrap();
        state.seen.iter().filter(|seen| **seen == name).count()
    }

    /// Rounds that are not over.
    pub(crate) fn open_rounds(&self) -> u32 {
        self.state.lock().unwrap().open_rounds()
    }

    /// As an enclave that shuts down: it aborts what collects, and waits to be asked.
    pub(crate) fn abort_all(&self) {
        for round in self.state.lock().unwrap().rounds.values_mut() {
            round.phase = Phase::Aborted;
        }
    }

    /// As an enclave that released its rounds to a parent whose storage was put back since.
    pub(crate) fn has_released_all(&self) {
        for round in self.state.lock().unwrap().rounds.values_mut() {
            round.phase = Phase::Released;
        }
    }

    /// As an enclave that is gone: nobody listens, and what was connected ends.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }

    /// As a restart of the enclave: its rounds are gone.
    pub(crate) fn forget(&self) {
        self.state.lock().unwrap().rounds.clear();
    }
}

impl Drop for FakeEnclave {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<Enclave>>) {
    let mut decoder = FrameDecoder::default();
    let mut staged = None;
    let mut piece = vec![0; 64 * 1024];
    loop {
        while let Some(Frame { head, body }) = decoder.next_frame().unwrap() {
            let command = Command::from_head(&head).unwrap();
            let reply = state.lock().unwrap().answer(command, body, &mut staged);
            let Some((reply, body)) = reply else { return };
            let frame = reply.to_frame(body).encode().unwrap();
            if stream.write_all(&frame).await.is_err() {
                return;
            }
        }
        match stream.read(&mut piece).await {
            Ok(read) if read > 0 => decoder.push(&piece[..read]),
            _ => return,
        }
    }
}

type Staged = Option<(ContributionHeader, Vec<Vec<u8>>)>;

impl Enclave {
    fn answer(
        &mut self,
        command: Command,
        body: Vec<u8>,
        staged: &mut Staged,
    ) -> Option<(Reply, Vec<u8>)> {
        self.seen.push(name(&command));
        let fault = self.script.as_mut().and_then(|script| script(&command));
        match fault {
            Some(Fault::Refuse(refusal)) => return Some((Reply::Refused(refusal), vec![])),
            Some(Fault::HangUpBefore) => return None,
            _ => {}
        }
        let reply = self
            .obey(command, body, staged)
            .unwrap_or_else(|refusal| (Reply::Refused(refusal), vec![]));
        (!matches!(fault, Some(Fault::HangUpAfter))).then_some(reply)
    }

    fn obey(
        &mut self,
        command: Command,
        body: Vec<u8>,
        staged: &mut Staged,
    ) -> Result<(Reply, Vec<u8>), Refusal> {
        let plain = |reply| Ok((reply, Vec::new()));
        match command {
            Command::Describe => plain(Reply::Description(
                sealsum_protocol::messages::Description {
                    version: 1,
                    memory_ceiling: 1 << 30,
                    memory_reserved: 0,
                    open_rounds: self.open_rounds(),
                },
            )),
            Command::OpenRound(open) => plain(self.open(*open)?),
            Command::Attest(attest) => {
                self.round(attest.round_id, &[Phase::Collecting])?;
                let document = [b"document for ".as_slice(), attest.nonce.as_bytes()].concat();
                plain(Reply::Evidence(Evidence {
                    document: document.into(),
                }))
            }
            Command::Contribute(contribute) => {
                let header = contribute.header;
                let round = self.round(header.round_id, &[Phase::Collecting])?;
                match round.accepted.get(&header.client) {
                    Some(found) if *found == header.digest() => plain(round.accept(&header)),
                    Some(_) => Err(Refusal::SecondContribution),
                    None if round.intake() == Intake::Presum => plain(round.accept(&header)),
                    None => {
                        *staged = Some((header, Vec::new()));
                        plain(Reply::Staging(Staging { next: 0 }))
                    }
                }
            }
            Command::ContributeMany(many) => {
                let mut each = |header| {
                    let one = Command::Contribute(Box::new(Contribute { header }));
                    // A script may refuse one of many.
                    if let Some(Fault::Refuse(refusal)) =
                        self.script.as_mut().and_then(|script| script(&one))
                    {
                        return Verdict::Refused(refusal);
                    }
                    match self.obey(one, Vec::new(), staged) {
                        Ok((Reply::Accepted(acceptance), _)) => {
                            Verdict::Accepted(acceptance.signature())
                        }
                        Err(refusal) => Verdict::Refused(refusal),
                        Ok(_) => panic!("many in a stream round"),
                    }
                };
                assert!((1..=HEADERS_LIMIT).contains(&many.headers.len()));
                let headers = many.headers.into_iter();
                let headers = headers.map(|header| header.in_round(many.round_id));
                let verdicts = headers.map(&mut each).collect();
                plain(Reply::Verdicts(verdicts))
            }
            Command::StageBlock(block) => {
                let round = self.round(block.round_id, &[Phase::Collecting])?;
                let Some((header, blocks)) = staged.as_mut() else {
                    return Err(Refusal::NotStaging { next: 0 });
                };
                assert_eq!(block.index, blocks.len() as u64);
                blocks.push(body);
                if (blocks.len() as u64) < round.binding.params.params.layout().blocks() {
                    let next = blocks.len() as u64;
                    return plain(Reply::Staging(Staging { next }));
                }
                let mut commitment = CommitmentBuilder::masked_update();
                blocks.iter().for_each(|block| commitment.push(block));
                assert_eq!(commitment.root(), header.commitment.0);
                round.add(blocks);
                let reply = round.accept(header);
                *staged = None;
                plain(reply)
            }
            Command::Close(close) => plain(
                self.round(close.round_id, &[Phase::Collecting, Phase::Releasing])?
                    .close(close)?,
            ),
            Command::ReleaseBlock(release) => {
                let round = self.round(release.round_id, &[Phase::Releasing])?;
                let block = round.release(release.index, &release.path, body)?;
                let index = release.index;
                Ok((Reply::Released(ReleasedBlock { index }), block))
            }
            Command::Finish(finish) => plain(
                self.round(finish.round_id, &[Phase::Releasing, Phase::Released])?
                    .finish()?,
            ),
            Command::Acknowledge(acknowledge) => {
                self.rounds.remove(&acknowledge.round_id);
                plain(Reply::Acknowledged)
            }
            Command::Abort(abort) => {
                let before_blocks = [Phase::Collecting, Phase::Releasing, Phase::Aborted];
                let round = self.round(abort.round_id, &before_blocks)?;
                if !round.released.is_empty() {
                    return Err(Refusal::WrongPhase { phase: round.phase });
                }
                round.phase = Phase::Aborted;
                plain(Reply::Aborted(round.signer.sign(AbortReceipt {
                    round_id: abort.round_id,
                    discarded: round.accepted.len() as u32,
                })))
            }
            Command::Status(status) => {
                let round = self
                    .rounds
                    .get(&status.round_id)
                    .ok_or(Refusal::UnknownRound)?;
                plain(Reply::Status(RoundStatus {
                    phase: round.phase,
                    contributions: round.accepted.len() as u32,
                }))
            }
        }
    }

    fn open_rounds(&self) -> u32 {
        let open = |round: &&FakeRound| matches!(round.phase, Phase::Collecting | Phase::Releasing);
        self.rounds.values().filter(open).count() as u32
    }

    pub(crate) fn open(&mut self, open: OpenRound) -> Result<Reply, Refusal> {
        let OpenRound { opening, params } = open;
        let before = self.rounds.values().find(|round| round.opening == opening);
        if let Some(FakeRound { phase, binding, .. }) = before {
            let binding = binding.clone();
            return match phase {
                Phase::Collecting if binding.params == params => {
                    Ok(Reply::Opened(Box::new(Opened { binding })))
                }
                Phase::Collecting => Err(Refusal::Malformed),
                phase => Err(Refusal::WrongPhase { phase: *phase }),
            };
        }
        self.opened += 1;
        let signer = ReceiptSigner::from_secret(&[self.opened; 32]);
        let suite = params.params.terms().kem;
        let (_, key) = KemPrivateKey::derive(suite, &[self.opened; 32]);
        let binding = RoundBinding {
            version: 1,
            params,
            kem_key: key.into(),
            receipt_key: signer.key(),
        };
        let layout = binding.params.params.layout();
        let zeros = |index| RingVector::zeros(layout.bits(), layout.elements(index).unwrap());
        let round = FakeRound {
            opening,
            binding: binding.clone(),
            signer,
            phase: Phase::Collecting,
            accepted: BTreeMap::new(),
            sum: layout.indices().map(zeros).collect(),
            close: None,
            released: BTreeMap::new(),
        };
        self.rounds.insert(binding.round_id(), round);
        Ok(Reply::Opened(Box::new(Opened { binding })))
    }

    fn round(&mut self, id: RoundId, phases: &[Phase]) -> Result<&mut FakeRound, Refusal> {
        let round = self.rounds.get_mut(&id).ok_or(Refusal::UnknownRound)?;
        if phases.contains(&round.phase) {
            Ok(round)
        } else {
            Err(Refusal::WrongPhase { phase: round.phase })
        }
    }
}

impl FakeRound {
    fn intake(&self) -> Intake {
        self.binding.params.params.terms().intake
    }

    fn accept(&mut self, header: &ContributionHeader) -> Reply {
        self.accepted.insert(header.client, header.digest());
        Reply::Accepted(self.signer.sign(Acceptance {
            round_id: header.round_id,
            client: header.client,
            contribution: header.digest(),
        }))
    }

    fn add(&mut self, blocks: &[Vec<u8>]) {
        for (sum, block) in self.sum.iter_mut().zip(blocks) {
            let block = unpack(block, sum.bits(), sum.len()).unwrap();
            sum.wrapping_add(&block).unwrap();
        }
    }

    fn cohort(&self, excluded: &[ClientId]) -> Cohort {
        let kept = self
            .accepted
            .iter()
            .map(|(client, digest)| (*client, *digest));
        kept.filter(|(client, _)| !excluded.contains(client))
            .collect()
    }

    fn close(&mut self, close: Close) -> Result<Reply, Refusal> {
        let cohort = self.cohort(&close.excluded);
        match &self.close {
            Some(earlier) if *earlier == close => {}
            Some(_) => return Err(Refusal::OtherClose),
            None => {
                if cohort.root() != close.cohort_root {
                    return Err(Refusal::CohortMismatch);
                }
                let (size, minimum) = (
                    cohort.size() as u32,
                    self.binding.params.params.terms().min_cohort,
                );
                if size < minimum {
                    return Err(Refusal::CohortTooSmall { size, minimum });
                }
                if close.sum_root.is_some() != (self.intake() == Intake::Presum) {
                    return Err(Refusal::WrongIntake);
                }
            }
        }
        self.phase = Phase::Releasing;
        self.close = Some(close);
        Ok(Reply::Closed(Closed {
            cohort_size: cohort.size() as u32,
            blocks: self.binding.params.params.layout().blocks(),
        }))
    }

    fn release(&mut self, index: u64, path: &[Digest], body: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let blocks = self.binding.params.params.layout().blocks();
        let block = match self.close.as_ref().and_then(|close| close.sum_root) {
            None => {
                assert!(path.is_empty() && body.is_empty());
                pack(&self.sum[index as usize])
            }
            Some(root) if is_block_of_sum(&body, index, blocks, path, &root) => body,
            Some(_) => return Err(Refusal::NotOfTheSum),
        };
        let (times, released) = self.released.entry(index).or_default();
        *times += 1;
        *released = block.clone();
        if *times > 3 {
            return Err(Refusal::NoMoreOfThisBlock);
        }
        Ok(block)
    }

    fn finish(&mut self) -> Result<Reply, Refusal> {
        let close = self.close.clone().unwrap();
        let blocks = self.binding.params.params.layout().blocks();
        let missing = blocks - self.released.len() as u64;
        if missing > 0 {
            return Err(Refusal::Unreleased { missing });
        }
        let mut aggregate = CommitmentBuilder::aggregate();
        let out = self.released.values();
        out.for_each(|(_, block)| aggregate.push(block));
        let cohort = self.cohort(&close.excluded);
        self.phase = Phase::Released;
        Ok(Reply::Receipt(Box::new(self.signer.sign(Receipt {
            round_id: close.round_id,
            cohort_size: cohort.size() as u32,
            cohort_root: cohort.root(),
            total_weight: cohort.size(),
            aggregate: aggregate.root(),
            noise: Noise::None,
            excluded: close.excluded,
            previous_receipt: None,
        }))))
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Describe => "describe",
        Command::OpenRound(_) => "open_round",
        Command::Attest(_) => "attest",
        Command::Contribute(_) => "contribute",
        Command::ContributeMany(_) => "contribute_many",
        Command::StageBlock(_) => "stage_block",
        Command::Close(_) => "close",
        Command::ReleaseBlock(_) => "release_block",
        Command::Finish(_) => "finish",
        Command::Acknowledge(_) => "acknowledge",
        Command::Abort(_) => "abort",
        Command::Status(_) => "status",
    }
}
