//! The two ramdisks, as cpio archives (format newc, the kernel's early user space).
//!
//! Written here and not by a library, since they are measured: a new version of a library could
//! order or pad otherwise. They are not compressed for the same reason. Owners, times and inode
//! numbers are fixed; entries stand in the order in which they are written.

/// What must be there before anything runs: places to mount on, the console that the kernel opens
/// for its first process, and the device's driver if it is a module.
pub(super) fn boot(module: Option<&[u8]>) -> Vec<u8> {
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys"] {
        archive.entry(folder, FOLDER, NO_DEVICE, &[]);
    }
    archive.entry("dev/console", CHARACTER_DEVICE, CONSOLE, &[]);
    if let Some(module) = module {
        archive.entry("nsm.ko", FILE, NO_DEVICE, module);
    }
    archive.end()
}

/// The program, as the kernel's first process.
pub(super) fn application(program: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.entry("init", PROGRAM, NO_DEVICE, program);
    archive.end()
}

#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries += 1;
        let links = if mode == 0 { 0 } else { 1 };
        let size = u32::try_from(content.len()).expect("an enclave's file is below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("names are short");
        let (major, minor) = device;
        let fields = [
            self.entries,
            mode,
            // Owner and group: root.
            0,
            0,
            links,
            // Modified: never.
            0,
            size,
            // The device that the file is on.
            0,
            0,
            major,
            minor,
            name_size,
            // The checksum, which this format has no use for.
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad(4);
        self.bytes.extend_from_slice(content);
        self.pad(4);
    }

    fn end(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, NO_DEVICE, &[]);
        // The next archive follows at once, and the kernel looks for it at a word.
        self.pad(512);
        self.bytes
    }

    fn pad(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }
}

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_444;
const PROGRAM: u32 = 0o100_555;
const CHARACTER_DEVICE: u32 = 0o020_600;
const NO_DEVICE: (u32, u32) = (0, 0);
/// Major and minor, from the kernel's list of devices.
const CONSOLE: (u32, u32) = (5, 1);

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, mode, device and content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// The entries, read back by the format's own description.
    fn read(archive: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut at = 0;
        loop {
            let header = std::str::from_utf8(&archive[at..at + 110]).unwrap();
            assert_eq!(&header[..6], "070701");
            let field = |n: usize| u32::from_str_radix(&header[6 + 8 * n..14 + 8 * n], 16).unwrap();
            assert_eq!(
                (field(2), field(3), field(5)),
                (0, 0, 0),
                "owner, group, time"
            );
            let name_size = usize::try_from(field(11)).unwrap();
            let name = &archive[at + 110..at + 110 + name_size];
            let (end, name) = name.split_last().unwrap();
            assert_eq!(*end, 0);
            let content = (at + 110 + name_size).next_multiple_of(4);
            let size = usize::try_from(field(6)).unwrap();
            let bytes = archive[content..content + size].to_vec();
            at = (content + size).next_multiple_of(4);
            let name = String::from_utf8(name.to_vec()).unwrap();
            if name == "TRAILER!!!" {
                assert!(archive[at..].iter().all(|byte| *byte == 0));
                return entries;
            }
            entries.push((name, field(1), (field(9), field(10)), bytes));
        }
    }

    #[test]
    fn the_first_ramdisk_has_mount_points_console_and_driver() {
        let boot = read(&boot(Some(b"driver")));
        let names: Vec<_> = boot.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["dev", "proc", "sys", "dev/console", "nsm.ko"]);
        assert_eq!(
            boot[3],
            ("dev/console".into(), 0o020_600, (5, 1), Vec::new())
        );
        assert_eq!(
            boot[4],
            ("nsm.ko".into(), 0o100_444, (0, 0), b"driver".to_vec())
        );
    }

    #[test]
    fn the_second_ramdisk_has_the_program_alone() {
        for length in 0..9 {
            let program = vec![7; length];
            let archive = application(&program);
            assert_eq!(archive.len() % 512, 0);
            assert_eq!(
                read(&archive),
                [("init".into(), 0o100_555, (0, 0), program)]
            );
        }
    }
}
