//! Variables of the environment that are meant for this program and stand for nothing: a misspelt
//! limit is no limit, wherever it is written.
//!
//! What begins with `SEALSUM__` is meant for nothing else. Of other names that begin with `SEALSUM_`
//! many belong to others (the client's, a container platform's for a service of that name), so only
//! those are refused that are nearly one of this program's.

use strsim::damerau_levenshtein;

use super::SettingsError;
use super::keys::Names;

/// Errs at a variable that was meant to be another one. `flags` are those that stand for flags.
///
/// # Errors
/// [`SettingsError::Variable`], with the name that is nearest.
pub fn check_variables(
    names: impl IntoIterator<Item = String>,
    flags: &[String],
) -> Result<(), SettingsError> {
    let Names { keys, sections } = Names::all();
    let keys = keys.iter().map(|key| variable(key));
    let known: Vec<String> = flags.iter().cloned().chain(keys).collect();
    let sections: Vec<String> = sections.iter().map(|name| variable(name)).collect();
    for name in names {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let is_ours_alone = rest.starts_with('_');
        let upper = name.to_ascii_uppercase();
        // It would take the place of all that the file says there, tokens and certificates too.
        if is_ours_alone && sections.contains(&upper) {
            return Err(SettingsError::SectionVariable(name));
        }
        if known.contains(if is_ours_alone { &upper } else { &name }) {
            continue;
        }
        let distance = |known: &String| damerau_levenshtein(&words(&name), &words(known));
        let nearest = known.iter().min_by_key(|known| distance(known));
        let nearest = nearest.filter(|nearest| distance(nearest) <= slips(words(&name).len()));
        if is_ours_alone || nearest.is_some() {
            return Err(SettingsError::Variable {
                nearest: nearest.cloned(),
                name,
            });
        }
    }
    Ok(())
}

/// `clients.listen` as a variable.
fn variable(key: &str) -> String {
    format!("{PREFIX}_{}", key.replace('.', "__").to_ascii_uppercase())
}

/// What is behind the prefix, with one underscore where there are more: which of them there are two
/// of is the first thing to go wrong.
fn words(name: &str) -> String {
    let words = name.split('_').skip(1).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_").to_ascii_uppercase()
}

/// How many slips of the keyboard are likelier than another word.
const fn slips(letters: usize) -> usize {
    match letters {
        0..=6 => 1,
        7..=20 => 2,
        _ => 3,
    }
}

const PREFIX: &str = "SEALSUM_";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<(), SettingsError> {
        let flags = ["SEALSUM_LISTEN", "SEALSUM_DATA", "SEALSUM_OPERATOR_KEY"];
        check_variables([name.to_owned()], &flags.map(str::to_owned))
    }

    #[test]
    fn a_misspelt_variable_is_refused_with_the_one_that_was_meant() {
        for (name, meant) in [
            ("SEALSUM_LISTENN", "SEALSUM_LISTEN"),
            ("SEALSUM_LISTNE", "SEALSUM_LISTEN"),
            ("SEALSUM_listen", "SEALSUM_LISTEN"),
            ("SEALSUM_DAT", "SEALSUM_DATA"),
            ("SEALSUM_OPERATOR_KEYS", "SEALSUM__OPERATOR__KEYS"),
            ("SEALSUM__LISTEN", "SEALSUM_LISTEN"),
            ("SEALSUM_CLIENTS_LISTEN", "SEALSUM__CLIENTS__LISTEN"),
            ("SEALSUM__CLIENTS_LISTEN", "SEALSUM__CLIENTS__LISTEN"),
            ("SEALSUM__CLIENTS__LISTENS", "SEALSUM__CLIENTS__LISTEN"),
            ("SEALSUM_LIMITS_CONECTIONS", "SEALSUM__LIMITS__CONNECTIONS"),
            ("SEALSUM__OPERATOR__TLS_KEY", "SEALSUM__OPERATOR__TLS__KEY"),
            ("SEALSUM__CLIENT__TOKENS", "SEALSUM__CLIENTS__TOKENS"),
        ] {
            match check(name) {
                Err(SettingsError::Variable { name: at, nearest }) => {
                    assert_eq!((&*at, nearest.as_deref()), (name, Some(meant)));
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        // There is nothing like it, and still it is meant for nobody else.
        for name in ["SEALSUM__", "SEALSUM__X__Y__Z", "SEALSUM__ACESS__TOKENS"] {
            let refused = check(name);
            assert!(
                matches!(refused, Err(SettingsError::Variable { nearest: None, .. })),
                "{name}: {refused:?}"
            );
        }
    }

    #[test]
    fn no_variable_takes_the_place_of_a_whole_section() {
        for name in [
            "SEALSUM__CLIENTS",
            "SEALSUM__clients__tls",
            "SEALSUM__STORAGE",
        ] {
            let refused = check(name);
            assert!(
                matches!(refused, Err(SettingsError::SectionVariable(_))),
                "{name}: {refused:?}"
            );
        }
    }

    #[test]
    fn what_there_is_and_what_is_others_stops_nothing() {
        for name in [
            "SEALSUM_LISTEN",
            "SEALSUM__CLIENTS__LISTEN",
            "SEALSUM__clients__listen",
            "SEALSUM__OPERATOR__TLS__CLIENT_AUTHORITY",
            "SEALSUM__STORAGE__DATABASE",
            "SEALSUM__ON_SHUTDOWN",
            // Words of their own.
            "SEALSUM_DELTA",
            // The client's.
            "SEALSUM_PARENT_AUTHORITY",
            "SEALSUM_PARENT_CERTIFICATE",
            "SEALSUM_PARENT_KEY",
            "SEALSUM_PARENT_TOKEN_FILE",
            // Tests' and builds'.
            "SEALSUM_CUT_SEEDS",
            "SEALSUM_EVERY_FLOAT",
            "SEALSUM_FIGURES",
            "SEALSUM_FIRMWARE",
            "SEALSUM_IMAGE",
            "SEALSUM_IMAGE_CACHE",
            "SEALSUM_IMAGE_WITH_BAD_DRIVER",
            "SEALSUM_QEMU",
            "SEALSUM_TEST_AUTHORITY",
            "SEALSUM_TEST_DATABASE",
            "SEALSUM_TEST_DATABASE_TLS",
            "SEALSUM_TEST_S3",
            "SEALSUM_VHOST_DEVICE_VSOCK",
            // A container platform's, for a service of that name.
            "SEALSUM_PORT",
            "SEALSUM_PORT_8480_TCP_ADDR",
            "SEALSUM_SERVICE_HOST",
            "SEALSUM_SERVICE_PORT",
            "SEALSUM_PARENT_SERVICE_HOST",
            "SEALSUM",
            "PATH",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
    }
}
