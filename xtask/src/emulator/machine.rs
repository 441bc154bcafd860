//! One emulated machine that boots an enclave image, and the ways to it.
//!
//! The host reaches the guest's port P through the Unix socket [`Machine::vsock`]: it says
//! `CONNECT P\n` and reads `OK <number>\n`; then the stream is the guest's. A connection to a port
//! where nobody listens, or whose backlog is full, is closed before `OK`. The guest reaches the
//! host as context 2: a connection to port P arrives at [`Machine::host_socket`]. Where nobody
//! listens it is not refused but dropped, as is all that goes to context 3, where the parent
//! instance is on Nitro: the guest waits for its kernel's two seconds.
//!
//! The processor is emulated with all that QEMU can (AVX2, BMI2, FMA, MOVBE, LZCNT: x86-64-v3, not
//! v4). Its clock is the right time in steps of 4 ms, since a machine without KVM has no better one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use super::Emulator;

/// A machine and its vsock device; both end when this is dropped.
pub(crate) struct Machine {
    qemu: Child,
    /// Never ends by itself.
    device: Child,
    console: PathBuf,
    logs: [PathBuf; 2],
    /// Short paths, wherever the logs are: a socket's has room for 107 bytes.
    sockets: TempDir,
}

impl Machine {
    /// Boots an image with so much memory; console and logs are written to `folder`.
    pub(crate) fn boot(
        emulator: &Emulator,
        image: &Path,
        memory_mib: u32,
        folder: &Path,
    ) -> Result<Self> {
        ensure!(image.is_file(), "{} is no file", image.display());
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = fs::canonicalize(folder)?;
        let console = folder.join("console.log");
        let logs = ["qemu.log", "vsock.log"].map(|name| folder.join(name));
        // A console of an earlier boot would answer questions about this one.
        fs::write(&console, "")?;
        let sockets = tempfile::Builder::new().prefix("sealsum-").tempdir()?;

        let mut device = logged(&device_command(emulator, sockets.path()), &logs[1])?;
        if let Err(error) = appears(&sockets.path().join(DEVICE), &mut device, &logs[1]) {
            end(&mut device);
            return Err(error);
        }
        let command = qemu_command(emulator, image, memory_mib, &console, sockets.path());
        let qemu = match logged(&command, &logs[0]) {
            Ok(qemu) => qemu,
            Err(error) => {
                end(&mut device);
                return Err(error);
            }
        };
        Ok(Self {
            qemu,
            device,
            console,
            logs,
            sockets,
        })
    }

    /// The Unix socket that leads to the guest's ports: `hybrid:PATH:PORT` for a parent.
    pub(crate) fn vsock(&self) -> PathBuf {
        self.sockets.path().join(HOST)
    }

    /// Where a listener receives what the guest connects to port `port` of context 2.
    pub(crate) fn host_socket(&self, port: u32) -> PathBuf {
        self.sockets.path().join(format!("{HOST}_{port}"))
    }

    /// What the guest has written to its console so far.
    pub(crate) fn console(&self) -> Result<String> {
        let bytes = fs::read(&self.console)
            .with_context(|| format!("reading {}", self.console.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until the console has this text.
    pub(crate) fn says(&mut self, text: &str, patience: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            if self.console()?.contains(text) {
                return Ok(());
            }
            // Ended, and then said nothing more between the two looks.
            if let Some(status) = self.qemu.try_wait()? {
                ensure!(
                    self.console()?.contains(text),
                    "the machine ended ({status}) before it said {text:?}; {}",
                    self.account()
                );
                return Ok(());
            }
            ensure!(
                begun.elapsed() < patience,
                "the machine has not said {text:?} after {patience:?}; {}",
                self.account()
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// Waits for the machine to end by itself: none if it still runs after this time.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            let status = self.qemu.try_wait()?;
            if status.is_some() || begun.elapsed() >= patience {
                return Ok(status);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends it at once, as a power cut would; connections break.
    pub(crate) fn kill(&mut self) {
        end(&mut self.qemu);
        end(&mut self.device);
    }

    /// What it left, for whoever asks why.
    fn account(&self) -> String {
        let mut account = String::new();
        for file in [&self.console, &self.logs[0], &self.logs[1]] {
            let bytes = fs::read(file).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            account += &format!("{}:\n{}\n", file.display(), super::last_lines(&text));
        }
        account
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn device_command(emulator: &Emulator, sockets: &Path) -> Command {
    let mut command = Command::new(&emulator.vhost_device_vsock);
    command
        .args(["--guest-cid", GUEST, "--tx-buffer-size", BUFFER])
        .arg("--socket")
        .arg(sockets.join(DEVICE))
        .arg("--uds-path")
        .arg(sockets.join(HOST));
    command
}

fn qemu_command(
    emulator: &Emulator,
    image: &Path,
    memory_mib: u32,
    console: &Path,
    sockets: &Path,
) -> Command {
    let mut command = Command::new(&emulator.qemu);
    for folder in &emulator.firmware {
        command.arg("-L").arg(folder);
    }
    // The processor must have what the image is compiled for (x86-64-v3).
    command.args(["-accel", "tcg", "-cpu", "max"]);
    command.args(["-M", "nitro-enclave,vsock=c,id=sealsum"]);
    command.arg("-chardev");
    command.arg(format!(
        "socket,id=c,path={}",
        sockets.join(DEVICE).display()
    ));
    command.arg("-kernel").arg(image);
    // The kernel gives its timer tens of milliseconds to tick, or panics. On Nitro it does not ask, as under any
    // KVM; on a busy host an emulator can be late. It is not part of the image and not measured.
    command.args(["-append", "no_timer_check"]);
    command.args(["-m", &format!("{memory_mib}M")]);
    command.args([
        "-display",
        "none",
        "-monitor",
        "none",
        "-no-reboot",
        "-serial",
    ]);
    // A comma would end the file's name.
    command.arg(format!(
        "file:{}",
        console.display().to_string().replace(',', ",,")
    ));
    command
}

fn logged(command: &Command, log: &Path) -> Result<Child> {
    let log = fs::File::create(log).with_context(|| format!("writing {}", log.display()))?;
    let mut started = Command::new(command.get_program());
    started
        .args(command.get_args())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{command:?} did not start"))
}

fn appears(socket: &Path, device: &mut Child, log: &Path) -> Result<()> {
    let begun = Instant::now();
    while !socket.exists() {
        if let Some(status) = device.try_wait()? {
            bail!(
                "vhost-device-vsock ended ({status}): {}",
                fs::read_to_string(log).unwrap_or_default()
            );
        }
        ensure!(
            begun.elapsed() < START,
            "vhost-device-vsock made no socket within {START:?}"
        );
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// It is our child and not yet waited for, so the number is still its own.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

const DEVICE: &str = "device";
const HOST: &str = "host";
/// The guest's own context; the host never needs it.
const GUEST: &str = "4";
/// With the default of 65536, packets of the guest over about 32 KB are lost, and their connection
/// hangs.
const BUFFER: &str = "16384";
const START: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);
