//! A client that only sends: its thread's time is known, so that it can be taken off.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::cpu;

/// Sends `head`, then `body`, and waits for an answer. Gives that and the CPU time it took.
pub(crate) fn send(address: SocketAddr, head: Vec<u8>, body: &Arc<Vec<u8>>) -> (Vec<u8>, f64) {
    let body = Arc::clone(body);
    let sender = thread::spawn(move || {
        let start = cpu::of_thread();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&head).unwrap();
        for piece in body.chunks(PIECE) {
            stream.write_all(piece).unwrap();
        }
        let mut answer = vec![0; 64 * 1024];
        let read = stream.read(&mut answer).unwrap();
        answer.truncate(read);
        (answer, cpu::of_thread() - start)
    });
    sender.join().unwrap()
}

const PIECE: usize = 256 * 1024;
