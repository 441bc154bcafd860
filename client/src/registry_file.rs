//! A registry as a text file: decides which keys it names.
//!
//! One key a line, in 64 hexadecimal characters; `#` begins a comment, empty lines count for
//! nothing. A key that stands there twice, or that no signature could ever verify under, is refused:
//! it would count as an admitted party that does not exist. The file is public and trusted as far as
//! its root is: a policy pins that, or the authority that signs it.

use core::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;
use sealsum_protocol::{ClientId, Registry};

/// A registry with the text that it stands in.
#[derive(Clone, Debug)]
pub struct RegistryFile {
    text: String,
    registry: Registry,
}

impl RegistryFile {
    /// An empty one, with a comment on its form.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            text: HEADER.to_owned(),
            registry: Registry::default(),
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`RegistryFileError`] with the line at fault.
    pub fn read(path: &Path) -> Result<Self, RegistryFileError> {
        let text = fs::read_to_string(path).map_err(|error| RegistryFileError::Io {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(text)
    }

    /// Reads a registry's text.
    ///
    /// # Errors
    /// [`RegistryFileError`] with the line at fault, counted from 1.
    pub fn parse(text: String) -> Result<Self, RegistryFileError> {
        let mut registry = Registry::default();
        for (line, content) in (1..).zip(text.lines()) {
            let Some(word) = key_of(content) else {
                continue;
            };
            let key = word
                .parse()
                .map_err(|_| RegistryFileError::Form { line })
                .and_then(|key| usable(key).ok_or(RegistryFileError::NoKey { line }))?;
            if !registry.add(key) {
                return Err(RegistryFileError::Twice { line, key });
            }
        }
        Ok(Self { text, registry })
    }

    /// The keys.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The text, comments included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds a key on a line of its own; false if it was there.
    ///
    /// # Errors
    /// [`RegistryFileError::NotAKey`] if no signature could verify under it.
    pub fn add(&mut self, key: ClientId) -> Result<bool, RegistryFileError> {
        let key = usable(key).ok_or(RegistryFileError::NotAKey(key))?;
        if !self.registry.add(key) {
            return Ok(false);
        }
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        let _ = writeln!(self.text, "{key}");
        Ok(true)
    }

    /// Removes a key with its line; false if it was not there.
    pub fn remove(&mut self, key: &ClientId) -> bool {
        if !self.registry.remove(key) {
            return false;
        }
        let is_other = |line: &&str| key_of(line).and_then(|word| word.parse().ok()) != Some(*key);
        let kept: Vec<_> = self.text.lines().filter(is_other).collect();
        self.text = kept.join("\n");
        self.text.push('\n');
        true
    }
}

/// What stands on a line before its comment; `None` if nothing does.
fn key_of(line: &str) -> Option<&str> {
    let word = line.split('#').next().unwrap_or_default().trim();
    (!word.is_empty()).then_some(word)
}

/// A point of the curve, and not one of the few under which forgeries verify.
fn usable(key: ClientId) -> Option<ClientId> {
    let point = VerifyingKey::from_bytes(key.as_bytes()).ok()?;
    (!point.is_weak()).then_some(key)
}

/// Why a text is no registry. Whoever keeps the file is at fault; nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryFileError {
    /// The file can't be read.
    #[error("the registry {}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Not a key.
    #[error(
        "line {line} of the registry is not one key in 64 hexadecimal characters (`sealsum identity show` prints a client's); a comment begins with #"
    )]
    Form {
        /// Counted from 1.
        line: u64,
    },
    /// 32 bytes under which nothing verifies.
    #[error(
        "line {line} of the registry is no Ed25519 public key: was it copied in full and right?"
    )]
    NoKey {
        /// Counted from 1.
        line: u64,
    },
    /// The same, for a key to be added.
    #[error("{0} is no Ed25519 public key: was it copied in full and right?")]
    NotAKey(ClientId),
    /// The same key again.
    #[error("line {line} of the registry names {key} a second time: remove one of the two")]
    Twice {
        /// The second line, counted from 1.
        line: u64,
        /// The key.
        key: ClientId,
    },
}

const HEADER: &str =
    "# The keys that rounds under this registry admit, one a line (`sealsum identity show`).\n";

#[cfg(test)]
mod tests {
    use super::*;
    use sealsum_protocol::ClientSigner;

    fn key(n: u8) -> ClientId {
        ClientSigner::from_secret(&[n; 32]).key()
    }

    fn parse(text: &str) -> Result<RegistryFile, RegistryFileError> {
        RegistryFile::parse(text.to_owned())
    }

    #[test]
    fn keys_are_added_and_removed_and_comments_stay() {
        let mut file = parse(&format!("# two sites\n{}  # north\n\n", key(1))).unwrap();
        assert!(file.add(key(2)).unwrap());
        assert!(!file.add(key(2)).unwrap());
        let both: Registry = [key(1), key(2)].into_iter().collect();
        assert_eq!(file.registry().root(), both.root());
        assert!(file.remove(&key(2)) && !file.remove(&key(2)));
        assert!(file.text().contains("# north"), "{}", file.text());
        let read = parse(file.text()).unwrap();
        assert_eq!(read.registry(), file.registry());
        assert_eq!(read.registry().size(), 1);
    }

    #[test]
    fn a_file_without_a_last_newline_is_added_to_on_a_line_of_its_own() {
        let mut file = parse(&key(1).to_string()).unwrap();
        file.add(key(2)).unwrap();
        assert_eq!(parse(file.text()).unwrap().registry().size(), 2);
    }

    #[test]
    fn a_line_at_fault_is_named() {
        let good = key(1);
        for bad in ["abc", &format!("{good} {good}"), &format!("{good}0")] {
            let refused = parse(&format!("# first\n{good}\n{bad}\n"));
            assert!(
                matches!(refused, Err(RegistryFileError::Form { line: 3 })),
                "{bad}"
            );
        }
        let twice = parse(&format!("{good}\n{good}\n"));
        assert!(matches!(
            twice,
            Err(RegistryFileError::Twice { line: 2, .. })
        ));
    }

    #[test]
    fn a_key_that_nothing_verifies_under_admits_nobody() {
        // The neutral element is a point of small order.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let weak = ClientId::new(neutral);
        assert!(matches!(
            parse(&weak.to_string()),
            Err(RegistryFileError::NoKey { line: 1 })
        ));
        let mut file = RegistryFile::empty();
        assert!(matches!(file.add(weak), Err(RegistryFileError::NotAKey(_))));
        assert_eq!(file.registry().size(), 0);
    }
}
