//! A folder with one of everything, in which `sealsum-attest` runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sealsum_attestation::{Endorsement, MeasuredBuild, PublisherSigner};
use sealsum_eif::{Architecture, EnclaveImage, ImageContents};
use sealsum_protocol::UnixMillis;
use sealsum_softnsm::{Faults, Measurement, RootAuthority, SoftNsm, SoftNsmConfig};
use serde_json::Value;
use tempfile::TempDir;

/// The real document that examples are about, and a time at which it is fresh.
pub(crate) const DOCUMENT: &str = "base-nitro-validator-20260103-prod-9e038c";
pub(crate) const SIGNED_MS: u64 = 1_767_472_867_402;

/// The policy that accepts [`DOCUMENT`], its registers as the build would have them.
pub(crate) const POLICY: &str =
    "root = \"aws-nitro\"\nmax_age_seconds = 300\nclock_skew_seconds = 10\n";

pub(crate) struct Desk {
    folder: TempDir,
}

/// What a run said to a script.
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) json: Value,
}

impl Said {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("{pointer}: {}", self.json))
    }

    /// Exit code and code of the refusal.
    pub(crate) fn refusal(&self) -> (i32, &str) {
        let code = ["/rejection/code", "/error/code"]
            .iter()
            .find_map(|pointer| self.json.pointer(pointer)?.as_str());
        (self.exit, code.unwrap_or("none"))
    }
}

impl Desk {
    pub(crate) fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Everything that the examples of `--help` speak of.
    pub(crate) fn furnished() -> Self {
        let desk = Self::empty();
        let document = real_document(DOCUMENT);
        desk.write("document.cbor", &document);
        let registers = registers(&document);
        desk.write(
            "policy.toml",
            POLICY.to_owned() + &measurement(DOCUMENT, &registers),
        );
        let key = signer().key();
        desk.write(
            "publishers.toml",
            format!("{POLICY}[[publisher]]\nlabel = \"releases\"\nkey = \"{key}\"\n"),
        );
        let build = MeasuredBuild::parse(&build("0.1.0", &registers)).unwrap();
        let end = UnixMillis(SIGNED_MS + 86_400_000);
        desk.write(
            "endorsement.json",
            Endorsement::sign(&signer(), build, end).to_json(),
        );
        desk.write("image.eif", image());
        let measured = image_registers();
        desk.write("measurements.json", build_json("0.2.0", &measured));
        desk.write_key("publisher.key");
        let mock = Mock::boot();
        desk.write("mock-root.pem", mock.root.root_pem());
        desk.write("mock.toml", mock_policy());
        desk.write("answer.cbor", mock.attest(Some(&[0x4e; 32]), None));
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The key of [`signer`], as `publisher new` writes one.
    pub(crate) fn write_key(&self, name: &str) {
        self.write(
            name,
            format!("sealsum-publisher 1\nseed {}\n", "07".repeat(32)),
        );
        self.allow(name, 0o600);
    }

    pub(crate) fn allow(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }

    /// Runs a command line of the shell, with `sealsum-attest` in its path.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_sealsum-attest"));
        let path = std::env::var("PATH").unwrap_or_default();
        let folder = program.parent().unwrap().display();
        Command::new("sh")
            .args(["-c", line])
            .env("PATH", format!("{folder}:{path}"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs `sealsum-attest` for people: exit code and everything that it printed.
    pub(crate) fn tell(&self, line: &str) -> (i32, String) {
        let output = self.shell(&format!("sealsum-attest {line}"));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (output.status.code().unwrap(), text)
    }

    /// The same for scripts: one JSON object on stdout, whatever happens.
    pub(crate) fn say(&self, line: &str) -> Said {
        let output = self.shell(&format!("sealsum-attest {line} --json"));
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.lines().count(), 1, "{line}: {stdout}");
        Said {
            exit: output.status.code().unwrap(),
            json: serde_json::from_str(&stdout).unwrap(),
        }
    }
}

pub(crate) fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

pub(crate) fn real_document(name: &str) -> Vec<u8> {
    std::fs::read(testdata().join(name).with_extension("cbor")).unwrap()
}

pub(crate) fn signer() -> PublisherSigner {
    PublisherSigner::from_secret(&[7; 32])
}

/// PCR0, 1 and 2 that a document reports.
pub(crate) fn registers(document: &[u8]) -> [String; 3] {
    let document = sealsum_attestation::UnverifiedDocument::parse(document).unwrap();
    [0, 1, 2].map(|index| {
        let index = sealsum_attestation::PcrIndex::new(index).unwrap();
        document.measurement().pcr(index).unwrap().to_string()
    })
}

/// A policy's table for an image.
pub(crate) fn measurement(label: &str, [pcr0, pcr1, pcr2]: &[String; 3]) -> String {
    format!(
        "[[measurement]]\nlabel = \"{label}\"\npcr0 = \"{pcr0}\"\npcr1 = \"{pcr1}\"\npcr2 = \"{pcr2}\"\n"
    )
}

fn build(version: &str, registers: &[String; 3]) -> String {
    build_json(version, registers)
}

/// measurements.json.
pub(crate) fn build_json(version: &str, [pcr0, pcr1, pcr2]: &[String; 3]) -> String {
    let digest = "e0".repeat(32);
    format!(
        r#"{{"version": "{version}", "commit": "{}", "PCR0": "{pcr0}", "PCR1": "{pcr1}", "PCR2": "{pcr2}",
            "eif_sha256": "{digest}", "lock_file_sha256": "{digest}", "kernel_sha256": "{digest}",
            "compilers": {{"rustc": "1.95.0"}}}}"#,
        "c0".repeat(20)
    )
}

/// [`image`]'s, around its ramdisks.
pub(crate) fn contents<'c>(ramdisks: &'c [&'c [u8]]) -> ImageContents<'c> {
    ImageContents {
        architecture: Architecture::X86_64,
        default_memory: 1 << 28,
        default_cpus: 2,
        kernel: b"kernel",
        command_line: b"reboot=k panic=30",
        ramdisks,
        metadata: Some(br#"{"ImageName":"sealsum-enclave"}"#),
        signature: None,
    }
}

pub(crate) fn image() -> Vec<u8> {
    contents(&[b"boot", b"application"]).write().unwrap()
}

pub(crate) fn image_registers() -> [String; 3] {
    let image = image();
    let measured = EnclaveImage::parse(&image).unwrap().measure();
    [measured.pcr0, measured.pcr1, measured.pcr2].map(hex_of)
}

pub(crate) fn hex_of(bytes: impl AsRef<[u8]>) -> String {
    let digits = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

/// A software NSM that signs at [`SIGNED_MS`].
pub(crate) struct Mock {
    pub(crate) root: RootAuthority,
    nsm: SoftNsm,
}

impl Mock {
    pub(crate) fn boot() -> Self {
        let root = RootAuthority::generate(SIGNED_MS).unwrap();
        let config = SoftNsmConfig {
            measurement: Measurement {
                pcr0: [0xa0; 48],
                pcr1: [0xa1; 48],
                pcr2: [0xa2; 48],
            },
            module_id: "i-0368fa67e156d6d23-enc019b8596b1a9dad6".parse().unwrap(),
            faults: Faults::default(),
            clock: Box::new(|| SIGNED_MS),
            definite: false,
        };
        let nsm = SoftNsm::new(&root, config).unwrap();
        Self { root, nsm }
    }

    pub(crate) fn attest(&self, nonce: Option<&[u8]>, user_data: Option<&[u8]>) -> Vec<u8> {
        self.nsm.attest(user_data, nonce, None).unwrap()
    }
}

pub(crate) fn mock_policy() -> String {
    let registers = ["a0", "a1", "a2"].map(|byte| byte.repeat(48));
    POLICY.replace("aws-nitro", "mock-root.pem")
        + "mock = true\n"
        + &measurement("this build", &registers)
}
