//! Loopback TCP with nothing on top: a server that reads and forgets, or reads and writes to a file.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use crate::clock::Clock;

/// The CPU time of the receiving thread for `bodies` connections with so many bytes each, one after
/// the other. With a folder, each body becomes a file in it, which is removed again afterwards.
pub(crate) fn receive(bodies: usize, bytes: usize, into: Option<&Path>) -> Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let sender = std::thread::spawn(move || -> Result<()> {
        let body = vec![1; bytes];
        for _ in 0..bodies {
            TcpStream::connect(address)?.write_all(&body)?;
        }
        Ok(())
    });
    let paths: Vec<_> = (0..bodies)
        .filter_map(|n| Some(into?.join(format!("tcp-probe-{n}"))))
        .collect();
    let mut buffer = vec![0; BUFFER];
    let begun = Clock::Thread.now();
    for body in 0..bodies {
        let (mut stream, _) = listener.accept()?;
        let mut file = match paths.get(body) {
            Some(path) => Some(File::create(path).context("the probe's file")?),
            None => None,
        };
        loop {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            if let Some(file) = &mut file {
                file.write_all(&buffer[..read])?;
            }
        }
        if let Some(file) = file {
            file.sync_all()?;
        }
    }
    let spent = Clock::Thread.now() - begun;
    sender
        .join()
        .map_err(|_| anyhow!("the sender panicked"))??;
    paths.iter().try_for_each(std::fs::remove_file)?;
    Ok(spent)
}

/// Larger ones are no faster.
const BUFFER: usize = 256 * 1024;
