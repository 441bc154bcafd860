//! The operator's key file. Whoever reads it can sign parameters that clients' policies accept.

use std::path::Path;

use sealsum_protocol::{OperatorKey, OperatorSigner};

use crate::random;
use crate::secret_file::{self, KeyFileError};

/// Makes a new operator key in a new file, readable by its owner alone.
///
/// # Errors
/// [`KeyFileError`]; a file that is there already is left as it is.
pub fn create(path: &Path) -> Result<OperatorKey, KeyFileError> {
    let seed = random::secret();
    secret_file::create(path, KIND, &[("seed", &seed)])?;
    Ok(OperatorSigner::from_secret(&seed).key())
}

/// Reads an operator's key file.
///
/// # Errors
/// [`KeyFileError`] if it is none, or others could read it.
pub fn load(path: &Path) -> Result<OperatorSigner, KeyFileError> {
    let [seed] = secret_file::read(path, KIND, ["seed"])?;
    Ok(OperatorSigner::from_secret(&seed))
}

const KIND: &str = "sealsum-operator 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_the_same_when_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("operator.key");
        let made = create(&path).unwrap();
        assert_eq!(load(&path).unwrap().key(), made);
        assert!(matches!(create(&path), Err(KeyFileError::Exists(_))));
    }

    #[test]
    fn an_identity_is_not_an_operator() {
        let folder = tempfile::tempdir().unwrap();
        crate::Identity::create(folder.path()).unwrap();
        let key_file = folder.path().join("identity.key");
        assert!(matches!(load(&key_file), Err(KeyFileError::Form { .. })));
    }
}
