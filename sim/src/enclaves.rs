//! Real cores whose evidence verifies: a software NSM under one root signs their documents, while
//! entropy and time come from the simulation.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealsum_attestation::{AppraisalPolicy, PolicyFile};
use sealsum_enclave_core::{Clock as _, ConnectionId, DeviceFault, Enclave, MEMORY_CEILING, Nsm};
use sealsum_protocol::{Command, Digest, Reply, RoundId, UnixMillis};
use sealsum_softnsm::{Faults, Measurement, RootAuthority, SoftNsm, SoftNsmConfig};
use sealsum_testkit::{Link, SeededRng, TestClock};

use crate::world::text;

/// Who makes enclaves, and what clients are told to trust.
pub(crate) struct Maker {
    root: RootAuthority,
    pub(crate) clock: TestClock,
}

impl Maker {
    pub(crate) fn new() -> Result<Self, String> {
        let clock = TestClock::default();
        let root = RootAuthority::generate(unix_time(&clock).0).map_err(text)?;
        Ok(Self { root, clock })
    }

    /// Boots an enclave with entropy that `seed` names.
    pub(crate) fn boot(&self, seed: u64) -> Result<LiveEnclave, String> {
        let clock = self.clock.clone();
        let config = SoftNsmConfig {
            measurement: MEASURED,
            module_id: "i-0368fa67e156d6d23-enc019b8596b1a9dad6"
                .parse()
                .map_err(text)?,
            faults: Faults::default(),
            clock: Box::new(move || unix_time(&clock).0),
            definite: false,
        };
        let nsm = SimNsm {
            documents: SoftNsm::new(&self.root, config).map_err(text)?,
            entropy: SeededRng::new(seed),
        };
        let enclave = Enclave::new(nsm, self.clock.clone(), MEMORY_CEILING);
        Ok(LiveEnclave {
            enclave: Arc::new(Mutex::new(enclave)),
            connection: ConnectionId(0),
        })
    }

    /// Trusts the root and the one image.
    pub(crate) fn appraisal(&self) -> Result<AppraisalPolicy, String> {
        let hex = |byte: &str| byte.repeat(48);
        let text_of = format!(
            "root = \"root.pem\"\nmock = true\nmax_age_seconds = 300\nclock_skew_seconds = 10\n\
             [[measurement]]\nlabel = \"the simulation's\"\npcr0 = \"{}\"\npcr1 = \"{}\"\npcr2 = \"{}\"\n",
            hex("a0"),
            hex("a1"),
            hex("a2")
        );
        let file = PolicyFile::parse(&text_of).map_err(text)?;
        file.into_policy(Some(&self.root.root_pem())).map_err(text)
    }
}

/// One connection to an enclave that several share.
#[derive(Clone)]
pub(crate) struct LiveEnclave {
    enclave: Arc<Mutex<Enclave<SimNsm, TestClock>>>,
    connection: ConnectionId,
}

impl LiveEnclave {
    /// Another connection.
    pub(crate) fn connect(&self, connection: u64) -> Self {
        Self {
            enclave: Arc::clone(&self.enclave),
            connection: ConnectionId(connection),
        }
    }

    /// This connection ends.
    pub(crate) fn disconnect(&self) {
        self.core().disconnect(self.connection);
    }

    pub(crate) fn shutdown(&self) {
        self.core().shutdown();
    }

    /// The core itself. A panic within it ends the simulation anyway.
    pub(crate) fn core(&self) -> MutexGuard<'_, Enclave<SimNsm, TestClock>> {
        self.enclave.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link for LiveEnclave {
    fn call(&mut self, command: Command, body: &[u8]) -> (Reply, Vec<u8>) {
        let answer = self.core().handle(self.connection, command, body);
        (answer.reply, answer.body)
    }
}

/// Documents that verify, and entropy that repeats.
pub(crate) struct SimNsm {
    documents: SoftNsm,
    entropy: SeededRng,
}

impl Nsm for SimNsm {
    fn attest(&mut self, nonce: &Digest, user_data: &RoundId) -> Result<Vec<u8>, DeviceFault> {
        let (user_data, nonce) = (Some(&user_data.as_bytes()[..]), Some(&nonce.as_bytes()[..]));
        let document = self.documents.attest(user_data, nonce, None);
        document.map_err(|_| DeviceFault)
    }

    fn random(&mut self, secret: &mut [u8]) -> Result<(), DeviceFault> {
        secret
            .iter_mut()
            .for_each(|byte| [*byte] = self.entropy.bytes());
        Ok(())
    }
}

/// The simulation's time of day.
pub(crate) fn unix_time(clock: &TestClock) -> UnixMillis {
    UnixMillis(MORNING.0 + clock.monotonic_millis())
}

/// When every episode begins.
const MORNING: UnixMillis = UnixMillis(1_767_472_867_402);
const MEASURED: Measurement = Measurement {
    pcr0: [0xa0; 48],
    pcr1: [0xa1; 48],
    pcr2: [0xa2; 48],
};
