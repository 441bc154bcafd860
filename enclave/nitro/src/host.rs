//! The few bytes that we send the host unasked: a heartbeat when we serve, and the last
//! status when we can't. Neither waits for the host longer than its time, and nothing
//! that it answers changes what we do.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use vsock::{VMADDR_CID_HOST, VsockStream};

use crate::crew::worker;

/// Tells the host's tools that we are up, beside whatever goes on: they give a booting
/// enclave up if they hear nothing (E36).
pub(crate) fn send_heartbeat() {
    // Without a thread there is no heartbeat, and the tools say so.
    let _ = worker().spawn(|| {
        for cid in HOSTS {
            if connected(cid, HEARTBEAT_PORT).is_ok_and(|host| exchange(host).is_ok()) {
                return;
            }
        }
    });
}

fn exchange(mut host: impl Read + Write) -> io::Result<()> {
    host.write_all(&[HEARTBEAT])?;
    let mut answer = [0];
    host.read_exact(&mut answer)?;
    if answer == [HEARTBEAT] {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Sends one line about why we end to whoever on the host listens for it.
pub(crate) fn send_last_status(line: &str) {
    for cid in HOSTS {
        if connected(cid, STATUS_PORT).is_ok_and(|host| say(host, line).is_ok()) {
            return;
        }
    }
}

/// Says the line and waits until the host has hung up: what was only queued is lost with
/// the machine.
fn say(mut host: VsockStream, line: &str) -> io::Result<()> {
    host.write_all(line.as_bytes())?;
    host.shutdown(Shutdown::Write)?;
    let mut nothing = [0];
    // Its end or its time-out; a host that talks instead is not listened to.
    let _ = host.read(&mut nothing);
    Ok(())
}

/// The kernel gives a connection two seconds to come about.
fn connected(cid: u32, port: u32) -> io::Result<VsockStream> {
    let host = VsockStream::connect_with_cid_port(cid, port)?;
    host.set_read_timeout(Some(PATIENCE))?;
    host.set_write_timeout(Some(PATIENCE))?;
    Ok(host)
}

/// Where the host is: the parent instance's address on Nitro, and the host's in every
/// other hypervisor, such as an emulator.
const HOSTS: [u32; 2] = [3, VMADDR_CID_HOST];
/// Where nitro-cli and its like wait for the heartbeat.
const HEARTBEAT_PORT: u32 = 9000;
const HEARTBEAT: u8 = 0xb7;
/// Where a host may listen for the last status.
const STATUS_PORT: u32 = 9001;
/// For one read or write.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    /// A host that answers `answer` and hangs up.
    fn answered(answer: &'static [u8]) -> (io::Result<()>, Vec<u8>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let host = thread::spawn(move || {
            let mut heard = vec![0];
            theirs.read_exact(&mut heard).unwrap();
            theirs.write_all(answer).unwrap();
            heard
        });
        (exchange(ours), host.join().unwrap())
    }

    #[test]
    fn a_heartbeat_is_one_byte_each_way() {
        let (done, heard) = answered(&[0xb7]);
        assert!(done.is_ok());
        assert_eq!(heard, [0xb7]);
    }

    #[test]
    fn a_host_that_answers_otherwise_has_not_heard_it() {
        assert!(answered(&[0xb8]).0.is_err());
        assert!(answered(&[]).0.is_err());
    }
}
