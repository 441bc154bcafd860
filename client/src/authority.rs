//! A registry authority's key file. Whoever reads it can vouch for registries that clients' policies
//! accept.

use std::path::Path;

use sealsum_protocol::{AuthorityKey, AuthoritySigner};

use crate::random;
use crate::secret_file::{self, KeyFileError};

/// Makes a new authority key in a new file, readable by its owner alone.
///
/// # Errors
/// [`KeyFileError`]; a file that is there already is left as it is.
pub fn create(path: &Path) -> Result<AuthorityKey, KeyFileError> {
    let seed = random::secret();
    secret_file::create(path, KIND, &[("seed", &seed)])?;
    Ok(AuthoritySigner::from_secret(&seed).key())
}

/// Reads an authority's key file.
///
/// # Errors
/// [`KeyFileError`] if it is none, or others could read it.
pub fn load(path: &Path) -> Result<AuthoritySigner, KeyFileError> {
    let [seed] = secret_file::read(path, KIND, ["seed"])?;
    Ok(AuthoritySigner::from_secret(&seed))
}

const KIND: &str = "sealsum-authority 1";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn an_authority_is_the_same_when_read_back_and_no_operator() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.key");
        let made = create(&path).unwrap();
        assert_eq!(load(&path).unwrap().key(), made);
        assert!(matches!(create(&path), Err(KeyFileError::Exists(_))));
        assert!(crate::operator::load(&path).is_err());
    }

    #[test]
    fn an_authoritys_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority.key");
        create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(&path), Err(KeyFileError::Readable { .. })));
    }
}
