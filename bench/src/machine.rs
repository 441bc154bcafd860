//! The machine that figures are of: they mean little without it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

/// What a reader has to know of a machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// As the CPU names itself.
    pub cpu: String,
    /// Family, model and stepping: names may be general.
    pub cpu_version: String,
    /// Whether its AES works on several blocks at once.
    pub vaes: bool,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The file system of what rounds store: kind, and what it lies on.
    pub disk: String,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
}

impl Machine {
    /// This one, with rounds stored in `scratch`.
    #[must_use]
    pub fn here(scratch: &Path) -> Self {
        let cpu = read("/proc/cpuinfo");
        let field = |name: &str| field(&cpu, name).unwrap_or("unknown").to_owned();
        Self {
            cpu: field("model name"),
            cpu_version: format!(
                "family {}, model {}, stepping {}",
                field("cpu family"),
                field("model"),
                field("stepping")
            ),
            vaes: has_vaes(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory_bytes(),
            disk: disk(&read("/proc/mounts"), scratch),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: said("rustc", &["--version"]),
        }
    }
}

/// Whether the CPU has VAES. On another architecture it has none.
#[must_use]
pub fn has_vaes() -> bool {
    field(&read("/proc/cpuinfo"), "flags")
        .is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "vaes"))
}

/// How many processes wanted a core over the last 1, 5 and 15 minutes.
#[must_use]
pub fn load_average() -> [f64; 3] {
    let text = read("/proc/loadavg");
    let mut numbers = text
        .split_whitespace()
        .map(|word| word.parse().unwrap_or(f64::NAN));
    [(); 3].map(|()| numbers.next().unwrap_or(f64::NAN))
}

/// The time in UTC, to the second.
#[must_use]
pub fn date() -> String {
    said("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])
}

/// The commit that is checked out here, with `-dirty` behind it if files differ from it.
#[must_use]
pub fn commit() -> String {
    let source = env!("CARGO_MANIFEST_DIR");
    let describe = [
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ];
    said("git", &[&["-C", source][..], &describe].concat())
}

fn memory_bytes() -> u64 {
    let text = read("/proc/meminfo");
    let kib = field(&text, "MemTotal").and_then(|size| size.split(' ').next());
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// The mount that is nearest above a folder: the later one, if two are as near.
fn disk(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (device, place, kind) = (words.next()?, words.next()?, words.next()?);
            folder
                .starts_with(place)
                .then_some((place.len(), kind, device))
        })
        .max_by_key(|(length, ..)| *length)
        .map_or("unknown".to_owned(), |(_, kind, device)| {
            format!("{kind} on {device}")
        })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim())
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    match output {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "model\t\t: 2\nmodel name\t: Some CPU\n";
        assert_eq!(field(text, "model name"), Some("Some CPU"));
        assert_eq!(field(text, "model"), Some("2"));
        assert_eq!(field(text, "mod"), None);
    }

    #[test]
    fn a_folder_lies_on_the_nearest_mount_above_it() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /var/tmp tmpfs rw 0 0\n";
        let on = |folder: &str| disk(mounts, Path::new(folder));
        assert_eq!(on("/var/tmp/not-there"), "tmpfs on tmpfs");
        assert_eq!(on("/var/tmp-not-there"), "ext4 on /dev/a");
    }
}
