//! What lies between a client and the parent: a wire that listens, breaks or lies.
//!
//! To the client this is the parent. Whatever it does is what a hostile parent can do.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::Result;
use sealsum_protocol::{AbortReceipt, ReceiptSigner, RoundId, RoundOffer, Signed, canonical};
use serde_json::Value;

use crate::http::Message;

/// How the wire misbehaves.
pub(super) enum Behaviour {
    /// Keeps each upload and passes everything on.
    Listens(Arc<Mutex<Vec<Vec<u8>>>>),
    /// Breaks off in the middle of each upload.
    BreaksUploads,
    /// Flips one bit of the evidence in each offer.
    FlipsABitOfTheEvidence,
    /// Says that this round was aborted, with an abort receipt signed by a key of its own.
    AnnouncesAnAbort(RoundId),
}

/// A proxy on a port of its own; it ends when dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one in front of `parent`.
    pub(super) fn start(parent: SocketAddr, behaviour: Behaviour) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::Acquire) {
                    break;
                }
                // A client that leaves early is no concern of the wire's.
                if let Ok(client) = client {
                    let _ = serve(client, parent, &behaviour);
                }
            }
        });
        Ok(Self {
            address,
            stopping,
            thread: Some(thread),
        })
    }

    /// The parent's URL, as the client is told it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        // Wakes the loop, which then sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One request after the other: the demo's clients come singly.
fn serve(mut client: TcpStream, parent: SocketAddr, behaviour: &Behaviour) -> Result<()> {
    let request = Message::read(&mut client)?;
    let is_upload = request.first_line.starts_with("PUT ");
    let path = request.path().to_owned();
    let response = match behaviour {
        Behaviour::BreaksUploads if is_upload => {
            let mut connection = TcpStream::connect(parent)?;
            return request.write(&mut connection, request.body.len() / 2);
        }
        Behaviour::AnnouncesAnAbort(round_id)
            if path.ends_with(&format!("/{round_id}/abort-receipt")) =>
        {
            Message::response("200 OK", "application/cbor", forged_abort(*round_id))
        }
        Behaviour::AnnouncesAnAbort(round_id)
            if path.ends_with(&format!("/{round_id}/receipt")) =>
        {
            let problem = br#"{"title":"not released","status":404,"code":"not_released"}"#;
            Message::response(
                "404 Not Found",
                "application/problem+json",
                problem.to_vec(),
            )
        }
        _ => {
            if let (true, Behaviour::Listens(uploads)) = (is_upload, behaviour)
                && let Ok(mut uploads) = uploads.lock()
            {
                uploads.push(request.body.clone());
            }
            let mut response = request.send(parent)?;
            match behaviour {
                Behaviour::FlipsABitOfTheEvidence if path.contains("/offer") => {
                    response.body = with_a_bit_flipped(&response.body)?;
                }
                Behaviour::AnnouncesAnAbort(round_id) if path.ends_with(&round_id.to_string()) => {
                    response.body = said_to_be_aborted(&response.body)?;
                }
                _ => {}
            }
            response
        }
    };
    response.write(&mut client, response.body.len())
}

/// The offer with one bit of its evidence flipped, and well-formed otherwise.
fn with_a_bit_flipped(offer: &[u8]) -> Result<Vec<u8>> {
    let mut offer: RoundOffer = canonical::decode(offer)?;
    let middle = offer.evidence.len() / 2;
    if let Some(byte) = offer.evidence.get_mut(middle) {
        *byte ^= 1;
    }
    Ok(canonical::encode(&offer))
}

/// The best that a parent can do: everything right but the key.
fn forged_abort(round_id: RoundId) -> Vec<u8> {
    let signer = ReceiptSigner::from_secret(&[0x66; 32]);
    let receipt: Signed<AbortReceipt> = signer.sign(AbortReceipt {
        round_id,
        discarded: 0,
    });
    canonical::encode(&receipt)
}

fn said_to_be_aborted(summary: &[u8]) -> Result<Vec<u8>> {
    let mut summary: Value = serde_json::from_slice(summary)?;
    summary["phase"] = "aborted".into();
    Ok(serde_json::to_vec(&summary)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forged_abort_is_well_formed_and_signed_by_nobody_the_round_knows() {
        let round_id = RoundId::new([1; 32]);
        let forged: Signed<AbortReceipt> =
            canonical::decode(&forged_abort(round_id)).expect("well-formed");
        let own = ReceiptSigner::from_secret(&[0x66; 32]).key();
        assert!(forged.verify(&own, &round_id).is_ok());
        let rounds = ReceiptSigner::from_secret(&[0x67; 32]).key();
        assert!(forged.verify(&rounds, &round_id).is_err());
    }
}
