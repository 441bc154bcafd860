//! An enclave image, booted by an emulator: QEMU's `nitro-enclave` machine, which has the security
//! module and measures as the hypervisor does, and a device that leads the guest's vsock to a Unix
//! socket.
//!
//! `cargo xtask e2e-nitro` builds all that is needed and says by the environment where it is.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sealsum_testkit::SocketLink;

/// A running machine. Dropping it ends it.
pub struct Machine {
    qemu: Child,
    vsock: Child,
    folder: PathBuf,
    heard: Vec<(u32, Option<JoinHandle<Vec<u8>>>)>,
}

/// How the machine is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Board {
    /// With the security module.
    NitroEnclave,
    /// Without one: the image's own kernel and ramdisks on a plain board.
    WithoutModule,
}

impl Machine {
    /// Boots an image with `memory_mib`, its files in `folder`.
    #[must_use]
    pub fn boot(image: &Path, memory_mib: u32, folder: &Path) -> Self {
        Self::boot_on(Board::NitroEnclave, image, memory_mib, folder)
    }

    /// Boots it on a board of choice.
    #[must_use]
    pub fn boot_on(board: Board, image: &Path, memory_mib: u32, folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let at = |name: &str| folder.join(name);
        for stale in ["device.sock", "guest.sock"] {
            let _ = fs::remove_file(at(stale));
        }
        let heard = [HEARTBEAT_PORT, STATUS_PORT]
            .map(|port| (port, Some(listen(folder, port))))
            .into();
        let mut vsock = Command::new(prepared("SEALSUM_VHOST_DEVICE_VSOCK"));
        vsock
            .args(["--guest-cid", "4", "--tx-buffer-size", TX_BUFFER])
            .arg("--socket")
            .arg(at("device.sock"))
            .arg("--uds-path")
            .arg(at("guest.sock"));
        let vsock = spawn(vsock, &at("vsock.log"));
        wait_for(&at("device.sock"));

        let mut qemu = Command::new(prepared("SEALSUM_QEMU"));
        for folder in prepared("SEALSUM_FIRMWARE").split(':') {
            qemu.args(["-L", folder]);
        }
        let device = at("device.sock");
        qemu.arg("-chardev")
            .arg(format!("socket,id=c,path={}", device.display()));
        match board {
            Board::NitroEnclave => {
                qemu.args(["-M", "nitro-enclave,vsock=c,id=sealsum"]);
                qemu.arg("-kernel").arg(image);
                // Added behind the image's own line, and not measured.
                qemu.args(["-append", NO_TIMER_CHECK]);
            }
            Board::WithoutModule => without_module(&mut qemu, image, folder, memory_mib),
        }
        qemu.args(["-cpu", "max", "--accel", "tcg", "-nographic", "-no-reboot"])
            .args(["-m", &format!("{memory_mib}M")]);
        let qemu = spawn(qemu, &at("console.log"));
        Self {
            qemu,
            vsock,
            folder: folder.to_owned(),
            heard,
        }
    }

    /// The Unix socket in front of the guest's vsock.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join("guest.sock")
    }

    /// The enclave's address, with no one between.
    #[must_use]
    pub fn address(&self) -> String {
        format!("hybrid:{}:{PORT}", self.socket().display())
    }

    /// A connection to the enclave, with no one between.
    #[must_use]
    pub fn link(&self) -> SocketLink {
        SocketLink::connect(&self.address())
    }

    /// What the guest has written to its console.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console.log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What the guest sent, unasked, to a port of its host: waits until it hangs up.
    #[must_use]
    pub fn heard(&mut self, port: u32) -> Vec<u8> {
        let listener = self.heard.iter_mut().find(|(at, _)| *at == port);
        let handle = listener.and_then(|(_, handle)| handle.take()).unwrap();
        handle.join().unwrap()
    }

    /// Waits for the machine to end by itself; none if it still runs when the time is over.
    #[must_use]
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.qemu.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Pulls the plug.
    pub fn kill(&mut self) {
        for child in [&mut self.qemu, &mut self.vsock] {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops the machine's processor for a while: its clock jumps when it goes on.
    pub fn freeze(&self, time: Duration) {
        let pid = Pid::from_raw(self.qemu.id().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        thread::sleep(time);
        kill(pid, Signal::SIGCONT).unwrap();
    }

    /// The most memory that the emulator ever had resident, the guest's and its own, in bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.qemu.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("--- the guest's console:\n{}", self.console());
        }
    }
}

/// The image's parts, taken apart, on a board with the same vsock and no security module.
fn without_module(qemu: &mut Command, image: &Path, folder: &Path, memory_mib: u32) {
    let bytes = fs::read(image).unwrap();
    let image = sealsum_eif::EnclaveImage::parse(&bytes).unwrap();
    let of = |kind: sealsum_eif::SectionKind| {
        let sections = image
            .sections()
            .iter()
            .filter(move |section| section.kind == kind);
        sections
            .flat_map(|section| section.data.to_vec())
            .collect::<Vec<u8>>()
    };
    fs::write(folder.join("kernel"), of(sealsum_eif::SectionKind::Kernel)).unwrap();
    fs::write(
        folder.join("ramdisk"),
        of(sealsum_eif::SectionKind::Ramdisk),
    )
    .unwrap();
    let line = String::from_utf8(of(sealsum_eif::SectionKind::CommandLine)).unwrap();
    qemu.arg("-object")
        .arg(format!(
            "memory-backend-memfd,id=m,size={memory_mib}M,share=on"
        ))
        .args([
            "-M",
            "microvm,memory-backend=m,x-option-roms=off,acpi=off,rtc=on",
        ])
        .args(["-device", "vhost-user-vsock-device,chardev=c"])
        .arg("-kernel")
        .arg(folder.join("kernel"))
        .arg("-initrd")
        .arg(folder.join("ramdisk"))
        .args(["-append", &format!("{line} {NO_TIMER_CHECK}")]);
}

/// Takes one connection that the guest makes to this port of its host, and whatever it says. A
/// heartbeat is answered as nitro-cli answers it.
fn listen(folder: &Path, port: u32) -> JoinHandle<Vec<u8>> {
    let path = folder.join(format!("guest.sock_{port}"));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        let (mut guest, _) = listener.accept().unwrap();
        let mut said = vec![0];
        if port == HEARTBEAT_PORT {
            guest.read_exact(&mut said).unwrap();
            std::io::Write::write_all(&mut guest, &said).unwrap();
        } else {
            said.clear();
            guest.read_to_end(&mut said).unwrap();
        }
        said
    })
}

/// What `cargo xtask e2e-nitro` prepared.
#[must_use]
pub fn prepared(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run these tests by `cargo xtask e2e-nitro`"))
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let log = File::create(log).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} did not start: {error}"))
}

fn wait_for(socket: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        assert!(
            Instant::now() < deadline,
            "{} did not appear",
            socket.display()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Where the enclave serves.
pub const PORT: u32 = 5005;
/// Where it says that it is up.
pub const HEARTBEAT_PORT: u32 = 9000;
/// Where it says why it ends.
pub const STATUS_PORT: u32 = 9001;
/// The kernel tests its timer against the processor's speed, and a busy host fails that. Under KVM,
/// so on Nitro, it skips the test by itself.
const NO_TIMER_CHECK: &str = "no_timer_check";
/// With the device's default, packets of the guest above 32 KB are lost.
const TX_BUFFER: &str = "16384";
