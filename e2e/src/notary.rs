//! A notary in front of an emulated enclave: it passes frames on, and signs the evidence that
//! passes under a mock's root.
//!
//! An emulator measures and binds as hardware does, but signs nothing. The notary keeps what it
//! says (registers, nonce, user data, time, module) and adds what it lacks: certificates and a
//! signature. The programs on both sides are those that ship, and know nothing of it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use sealsum_protocol::Reply;
use sealsum_protocol::frame::{Frame, FrameDecoder};
use sealsum_protocol::messages::{Evidence, Message as _};
use sealsum_softnsm::{ModuleId, Notary, RootAuthority, system_clock};
use sealsum_testkit::guest;
use serde_cbor::Value;

use crate::machine::PORT;

/// Where it listens, in a thread of its own until the test ends.
pub struct NotaryProxy {
    /// Wants `CONNECT PORT`, as the socket behind it does.
    socket: PathBuf,
    root_pem: String,
}

impl NotaryProxy {
    /// Starts one in `folder`, before the Unix socket of an emulator's vsock.
    #[must_use]
    pub fn before(emulator: &Path, folder: &Path) -> Self {
        let now = system_clock()();
        let root = RootAuthority::generate(now).unwrap();
        let module = ModuleId::generate(now).unwrap();
        let notary = Arc::new(Notary::new(&root, &module, now).unwrap());
        let socket = folder.join("notary.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let upstream = emulator.to_owned();
        thread::spawn(move || {
            for parent in listener.incoming() {
                let (notary, upstream) = (Arc::clone(&notary), upstream.clone());
                thread::spawn(move || {
                    // Either side may hang up in the middle: so does this one then.
                    let _ = pass(parent?, &upstream, &notary);
                    io::Result::Ok(())
                });
            }
        });
        Self {
            socket,
            root_pem: root.root_pem(),
        }
    }

    /// Its address, as the parent's enclave.
    #[must_use]
    pub fn address(&self) -> String {
        format!("hybrid:{}:{PORT}", self.socket.display())
    }

    /// Writes the policy that accepts an image of these registers under this root.
    pub fn write_policy(&self, path: &Path, registers: &BTreeMap<String, String>) {
        let root = path.with_extension("root.pem");
        fs::write(&root, &self.root_pem).unwrap();
        let root = root.file_name().unwrap().to_str().unwrap();
        let mut text = format!(
            "root = {root:?}\nmock = true\nmax_age_seconds = 300\nclock_skew_seconds = 10\n\
             [[measurement]]\nlabel = \"the emulated image\"\n"
        );
        for (name, value) in registers {
            text.push_str(&format!("{} = {value:?}\n", name.to_lowercase()));
        }
        fs::write(path, text).unwrap();
    }
}

fn pass(mut parent: UnixStream, upstream: &Path, notary: &Notary) -> io::Result<()> {
    let port = asked_port(&mut parent)?;
    let mut enclave = guest(upstream, port)?;
    parent.write_all(b"OK 1024\n")?;
    let (mut commands, mut to_enclave) = (parent.try_clone()?, enclave.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut commands, &mut to_enclave);
        let _ = to_enclave.shutdown(Shutdown::Write);
    });
    let outcome = pass_replies(&mut enclave, &mut parent, notary);
    let _ = parent.shutdown(Shutdown::Both);
    let _ = enclave.shutdown(Shutdown::Both);
    outcome
}

fn pass_replies(
    enclave: &mut UnixStream,
    parent: &mut UnixStream,
    notary: &Notary,
) -> io::Result<()> {
    let mut decoder = FrameDecoder::default();
    loop {
        let mut bytes = vec![0; decoder.wanted().unwrap()];
        let read = enclave.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        decoder.push(&bytes[..read]);
        while let Some(frame) = decoder.next_frame().unwrap() {
            parent.write_all(&signed(frame, notary).encode().unwrap())?;
        }
    }
}

/// The frame, its evidence signed if it has any.
fn signed(frame: Frame, notary: &Notary) -> Frame {
    match Reply::from_head(&frame.head) {
        Ok(Reply::Evidence(evidence)) => {
            let document = notarized(&evidence.document, notary).into();
            Reply::Evidence(Evidence { document }).to_frame(frame.body)
        }
        _ => frame,
    }
}

/// The document with the notary's certificates and signature, and nothing else changed.
fn notarized(document: &[u8], notary: &Notary) -> Vec<u8> {
    let Value::Array(envelope) = serde_cbor::from_slice(document).unwrap() else {
        panic!("the emulator's document is no array");
    };
    let Some(Value::Bytes(payload)) = envelope.get(2) else {
        panic!("the emulator's document has no payload");
    };
    let Value::Map(mut fields) = serde_cbor::from_slice(payload).unwrap() else {
        panic!("the emulator's payload is no map");
    };
    let certificates = notary.certificates();
    let mut set = |name: &str, value| fields.insert(Value::Text(name.to_owned()), value);
    set("certificate", Value::Bytes(certificates.leaf));
    let bundle = certificates.cabundle.into_iter().map(Value::Bytes);
    set("cabundle", Value::Array(bundle.collect()));
    let payload = serde_cbor::to_vec(&Value::Map(fields)).unwrap();
    notary.sign_payload(&payload).unwrap()
}

fn asked_port(parent: &mut UnixStream) -> io::Result<u32> {
    let mut line = String::new();
    while !line.ends_with('\n') {
        let mut byte = [0];
        parent.read_exact(&mut byte)?;
        line.push(char::from(byte[0]));
    }
    let port = line.trim().strip_prefix("CONNECT ");
    port.and_then(|port| port.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}
