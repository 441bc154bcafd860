//! `cargo xtask emulator --boot IMAGE`: an image by hand, with its console here.
//!
//! The host's side is played as far as an enclave asks for it unbidden: the heartbeat is answered
//! as `nitro-cli` does, and the last status is shown.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::Emulator;
use super::machine::Machine;

/// Boots the image and shows its console until it ends, has said `until`, or the time is over.
/// True if it did what was waited for.
pub(super) fn run(
    emulator: &Emulator,
    image: &Path,
    memory_mib: u32,
    until: Option<&str>,
    patience: Duration,
) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    let mut machine = Machine::boot(emulator, image, memory_mib, folder.path())?;
    println!("vsock   {}", machine.vsock().display());
    let heartbeats = listen(&machine, HEARTBEAT_PORT)?;
    thread::spawn(move || answer_heartbeats(&heartbeats));
    let statuses = listen(&machine, STATUS_PORT)?;
    thread::spawn(move || show_statuses(&statuses));

    if let Some(text) = until {
        let said = machine.says(text, patience);
        print!("{}", machine.console()?);
        said?;
        println!(
            "\nsaid {text:?} after {:.1} s",
            begun.elapsed().as_secs_f64()
        );
        return Ok(true);
    }
    let mut shown = 0;
    loop {
        let ended = machine.wait(Duration::from_millis(100))?;
        let console = machine.console()?;
        print!("{}", console.get(shown..).unwrap_or_default());
        shown = console.len();
        if let Some(status) = ended {
            println!("\nthe machine ended ({status})");
            return Ok(status.success());
        }
        ensure!(
            begun.elapsed() < patience,
            "it still ran after {patience:?}"
        );
    }
}

fn listen(machine: &Machine, port: u32) -> Result<UnixListener> {
    let path = machine.host_socket(port);
    UnixListener::bind(&path).with_context(|| format!("listening at {}", path.display()))
}

fn answer_heartbeats(listener: &UnixListener) {
    for stream in listener.incoming() {
        let mut beat = [0];
        let answered = stream.and_then(|mut stream| {
            stream.read_exact(&mut beat)?;
            stream.write_all(&beat)
        });
        if answered.is_ok() {
            println!("heartbeat {:#04x}", beat[0]);
        }
    }
}

fn show_statuses(listener: &UnixListener) {
    for stream in listener.incoming() {
        let mut line = Vec::new();
        if stream
            .and_then(|stream| stream.take(STATUS_LIMIT).read_to_end(&mut line))
            .is_ok()
        {
            println!("last status: {}", String::from_utf8_lossy(&line));
        }
    }
}

const HEARTBEAT_PORT: u32 = 9000;
const STATUS_PORT: u32 = 9001;
/// It is one line.
const STATUS_LIMIT: u64 = 4096;
