//! An enclave image, booted by an emulator: QEMU's `nitro-enclave` machine, which has the security
//! module and measures as the hypervisor does, and a device that leads the guest's vsock to a Unix
//! socket.
//!
//! `cargo xtask e2e-nitro` builds all that is needed and says by the environment where it is.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sealsum_testkit::SocketLink;

/// A running machine. Dropping it ends it.
pub struct Machine {
    qemu: Process,
    vsock: Process,
    folder: PathBuf,
    heard: Vec<(u32, Receiver<Vec<u8>>)>,
}

/// Ends when this is dropped, and when this process dies.
struct Process(Child);

/// How the machine's host takes a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// As nitro-cli does.
    Answers,
    /// It takes the connection, and says nothing.
    IsSilent,
    /// Nobody listens.
    IsAbsent,
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
        let usual = (Board::NitroEnclave, Host::Answers);
        Self::boot_as(usual, image, memory_mib, folder)
    }

    /// Boots it on a board and before a host of choice.
    #[must_use]
    pub fn boot_as(
        (board, host): (Board, Host),
        image: &Path,
        memory_mib: u32,
        folder: &Path,
    ) -> Self {
        fs::create_dir_all(folder).unwrap();
        let at = |name: &str| folder.join(name);
        for stale in ["device.sock", "guest.sock"] {
            let _ = fs::remove_file(at(stale));
        }
        let mut heard = vec![(STATUS_PORT, listen(folder, STATUS_PORT, false))];
        if host != Host::IsAbsent {
            let answers = host == Host::Answers;
            heard.push((HEARTBEAT_PORT, listen(folder, HEARTBEAT_PORT, answers)));
        }
        let mut vsock = Command::new(prepared("SEALSUM_VHOST_DEVICE_VSOCK"));
        vsock
            .args(["--guest-cid", "4", "--tx-buffer-size", TX_BUFFER])
            .arg("--socket")
            .arg(at("device.sock"))
            .arg("--uds-path")
            .arg(at("guest.sock"));
        let vsock = spawn(&vsock, &at("vsock.log"));
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
        let qemu = spawn(&qemu, &at("console.log"));
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

    /// A connection to the enclave, with no one between. Waits for a guest that boots: one that is
    /// asked for connections before it has a driver for them was seen to answer none ever.
    #[must_use]
    pub fn link(&self) -> SocketLink {
        let deadline = Instant::now() + HEARING;
        while !self.console().contains(FIRST_PROCESS) {
            assert!(Instant::now() < deadline, "no first process in {HEARING:?}");
            thread::sleep(Duration::from_millis(10));
        }
        SocketLink::connect(&self.address())
    }

    /// What the guest has written to its console.
    #[must_use]
    pub fn console(&self) -> String {
        let bytes = fs::read(self.folder.join("console.log")).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What the guest sent, unasked, to a port of its host.
    #[must_use]
    pub fn heard(&self, port: u32) -> Vec<u8> {
        let (_, heard) = self.heard.iter().find(|(at, _)| *at == port).unwrap();
        heard
            .recv_timeout(HEARING)
            .unwrap_or_else(|_| panic!("nothing came to port {port} within {HEARING:?}"))
    }

    /// Waits for the machine to end by itself; none if it still runs when the time is over.
    #[must_use]
    pub fn ended(&mut self, limit: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            let status = self.qemu.0.try_wait().unwrap();
            if status.is_some() || Instant::now() > deadline {
                return status;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Pulls the plug.
    pub fn kill(&mut self) {
        self.qemu.end();
        self.vsock.end();
    }

    /// Stops the machine's processor for a while: its clock jumps when it goes on.
    pub fn freeze(&self, time: Duration) {
        let pid = Pid::from_raw(self.qemu.0.id().try_into().unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        thread::sleep(time);
        kill(pid, Signal::SIGCONT).unwrap();
    }

    /// The most memory that the emulator ever had resident, the guest's and its own, in bytes.
    #[must_use]
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.qemu.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Process {
    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
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

/// Takes one connection that the guest makes to this port of its host, and hears one byte if it is
/// the heartbeat's, all that is said otherwise.
fn listen(folder: &Path, port: u32, answers: bool) -> Receiver<Vec<u8>> {
    let path = folder.join(format!("guest.sock_{port}"));
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(path).unwrap();
    let (say, heard) = channel();
    thread::spawn(move || {
        let (mut guest, _) = listener.accept().unwrap();
        let mut said = Vec::new();
        let limit = if port == HEARTBEAT_PORT { 1 } else { 1024 };
        (&guest).take(limit).read_to_end(&mut said).unwrap();
        if answers {
            guest.write_all(&said).unwrap();
        }
        // Nobody may want to know.
        let _ = say.send(said);
        if port == HEARTBEAT_PORT {
            // Not to hang up is what a silent host is about.
            thread::sleep(HEARING);
        }
    });
    heard
}

/// What `cargo xtask e2e-nitro` prepared.
#[must_use]
pub fn prepared(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run these tests by `cargo xtask e2e-nitro`"))
}

/// With a leash: a test that is killed leaves no machine behind.
fn spawn(command: &Command, log: &Path) -> Process {
    let log = File::create(log).unwrap();
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Process(child.unwrap_or_else(|error| panic!("{command:?} did not start: {error}")))
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
/// The kernel says so when it has started the enclave.
const FIRST_PROCESS: &str = "Run /init as init process";
/// How long a guest may take to boot and say something.
const HEARING: Duration = Duration::from_secs(60);
/// The kernel tests its timer against the processor's speed, and a busy host fails that. Under KVM,
/// so on Nitro, it skips the test by itself.
const NO_TIMER_CHECK: &str = "no_timer_check";
/// With the device's default, packets of the guest above 32 KB are lost.
const TX_BUFFER: &str = "16384";
