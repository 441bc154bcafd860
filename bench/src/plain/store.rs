//! What the plain server keeps: one file for each update, and the sum.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

pub(super) struct Store {
    folder: PathBuf,
    dimension: usize,
}

impl Store {
    pub(super) fn open(folder: &Path, dimension: usize) -> Result<Self> {
        fs::create_dir_all(folder.join(UPDATES))?;
        Ok(Self {
            folder: folder.to_owned(),
            dimension,
        })
    }

    /// An update that arrives.
    pub(super) fn update(&self, client: u64) -> Result<Arriving> {
        let path = self.folder.join(UPDATES).join(client.to_string());
        let temporary = path.with_extension("part");
        Ok(Arriving {
            file: File::create(&temporary)?,
            temporary,
            path,
            bytes: 0,
            expected: self.dimension * 4,
        })
    }

    /// Adds all updates up and keeps the sum; the updates go, for the next round.
    pub(super) fn sum(&self) -> Result<()> {
        let mut sum = vec![0_f32; self.dimension];
        let mut bytes = vec![0; CHUNK];
        let mut summed = Vec::new();
        for entry in fs::read_dir(self.folder.join(UPDATES))? {
            let path = entry?.path();
            let mut file = File::open(&path)?;
            for part in sum.chunks_mut(CHUNK / 4) {
                let bytes = &mut bytes[..part.len() * 4];
                file.read_exact(bytes)?;
                for (sum, value) in part.iter_mut().zip(bytes.as_chunks().0) {
                    *sum += f32::from_le_bytes(*value);
                }
            }
            summed.push(path);
        }
        let temporary = self.folder.join("sum.part");
        let mut file = File::create(&temporary)?;
        for part in sum.chunks(CHUNK / 4) {
            let bytes: Vec<u8> = part.iter().flat_map(|value| value.to_le_bytes()).collect();
            file.write_all(&bytes)?;
        }
        file.sync_all()?;
        fs::rename(&temporary, self.folder.join(SUM))?;
        sync_folder(&self.folder)?;
        summed.iter().try_for_each(fs::remove_file)?;
        Ok(())
    }

    pub(super) fn aggregate(&self) -> Result<Vec<u8>> {
        Ok(fs::read(self.folder.join(SUM))?)
    }
}

/// An update under its temporary name.
pub(super) struct Arriving {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    bytes: usize,
    expected: usize,
}

impl Arriving {
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<()> {
        self.bytes += piece.len();
        Ok(self.file.write_all(piece)?)
    }

    /// From here on it is there, whatever happens.
    pub(super) fn keep(self) -> Result<()> {
        ensure!(
            self.bytes == self.expected,
            "an update has {} bytes, not {}",
            self.expected,
            self.bytes
        );
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        sync_folder(self.path.parent().unwrap_or(&self.path))
    }
}

/// A rename is no more durable than the folder that it is in.
fn sync_folder(folder: &Path) -> Result<()> {
    Ok(File::open(folder)?.sync_all()?)
}

const UPDATES: &str = "updates";
const SUM: &str = "sum";
/// Read at a time.
const CHUNK: usize = 1 << 20;
