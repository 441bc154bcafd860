//! What nothing that receives uploads beats: one thread that reads them from TCP, and does
//! the asked for part of the work on them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use sealsum_protocol::BlockTree;

use crate::cpu;

/// What is done with what was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    Nothing,
    Hash,
    Write,
    HashAndWrite,
}

/// A listening server for connections of `bytes` each.
pub(crate) struct PlainServer {
    pub(crate) address: SocketAddr,
    times: Receiver<f64>,
}

impl PlainServer {
    pub(crate) fn start(work: Work, bytes: usize, folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, times) = channel();
        thread::spawn(move || {
            // One file of each work, replaced each time: as the parent's, it is new.
            let path = folder.join(format!("{work:?}"));
            loop {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = fs::remove_file(&path);
                let start = cpu::of_thread();
                let mut piece = vec![0; PIECE];
                let mut file = File::create(&path).unwrap();
                let mut root = BlockTree::MASKED_UPDATE.frontier();
                let mut rest = bytes;
                while rest > 0 {
                    let filled = fill(&mut stream, &mut piece[..rest.min(PIECE)]);
                    rest -= filled.len();
                    if matches!(work, Work::Hash | Work::HashAndWrite) {
                        for block in filled.chunks(BLOCK) {
                            root.push(BlockTree::MASKED_UPDATE.leaf(block));
                        }
                    }
                    if matches!(work, Work::Write | Work::HashAndWrite) {
                        file.write_all(filled).unwrap();
                    }
                }
                file.sync_all().unwrap();
                std::hint::black_box(root.root());
                if send.send(cpu::of_thread() - start).is_err() {
                    return;
                }
                stream.write_all(b"done").unwrap();
            }
        });
        Self { address, times }
    }

    /// The CPU time that the last connection took.
    pub(crate) fn time(&self) -> f64 {
        self.times.recv().unwrap()
    }
}

fn fill<'a>(stream: &mut std::net::TcpStream, piece: &'a mut [u8]) -> &'a [u8] {
    let mut filled = 0;
    while filled < piece.len() {
        let read = stream.read(&mut piece[filled..]).unwrap();
        assert!(read > 0);
        filled += read;
    }
    piece
}

/// Of 64 KiB to 1 MiB, the one that costs least.
const PIECE: usize = 256 * 1024;
/// At 32 bits.
const BLOCK: usize = 64 * 1024;
