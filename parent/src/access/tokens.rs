//! Bearer tokens. The parent keeps their digests alone: whoever reads its files can't use them.
//!
//! A line of the file is a name, a role and a digest: `night-job operator 9f86...`. Empty lines
//! and those that begin with `#` are left out.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::reload::Reread;

/// What the bearer of a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Everything that the listener serves.
    Operator,
    /// Reading: metrics and summaries, no change.
    Observer,
    /// What the clients' listener serves.
    Client,
}

impl FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "operator" => Ok(Self::Operator),
            "observer" => Ok(Self::Observer),
            "client" => Ok(Self::Client),
            _ => Err(()),
        }
    }
}

/// The tokens that are let in.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Vec<Known>);

#[derive(Debug)]
struct Known {
    name: String,
    role: Role,
    digest: [u8; 32],
}

impl Tokens {
    pub(crate) fn read(path: &Path) -> Result<Self, TokenError> {
        Self::of(path, &text_of(path)?)
    }

    fn of(path: &Path, text: &str) -> Result<Self, TokenError> {
        let known = lines(text).map(|(line, number)| {
            parse(line).ok_or_else(|| TokenError::Line {
                path: path.to_owned(),
                number,
            })
        });
        let known: Vec<_> = known.collect::<Result<_, _>>()?;
        if known.is_empty() {
            return Err(TokenError::Empty(path.to_owned()));
        }
        Ok(Self(known))
    }

    /// Reads the file while the parent runs. Whoever changes it most likely withdraws a token, so that no
    /// earlier one stays in force: a line that is none lets nobody in, and a file that is gone nobody at all.
    pub(crate) fn read_again(path: &Path) -> Reread<Self> {
        let text = text_of(path);
        let known = text.as_ref().map(|text| {
            let known = lines(text).filter_map(|(line, _)| parse(line));
            Self(known.collect())
        });
        let value = Some(known.unwrap_or_default());
        // What a start would say of it.
        let fault = text.and_then(|text| Self::of(path, &text)).err();
        let fault = fault.map(|error| error.to_string());
        Reread { value, fault }
    }

    /// Whether somebody of that name has a token.
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|known| known.name == name)
    }

    /// Whose token this is. Compared by digest: how long it takes tells nothing of the token.
    pub(crate) fn bearer(&self, token: &str) -> Option<(&str, Role)> {
        let shown = digest(&SHA256, token.as_bytes());
        let found = self.0.iter().find(|known| shown.as_ref() == known.digest)?;
        Some((&found.name, found.role))
    }
}

fn text_of(path: &Path) -> Result<String, TokenError> {
    fs::read_to_string(path).map_err(|source| TokenError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// Lines that are to be tokens, by their number from 1.
fn lines(text: &str) -> impl Iterator<Item = (&str, u32)> {
    let says_something =
        |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    text.lines()
        .zip(1..)
        .filter(move |(line, _)| says_something(line))
}

fn parse(line: &str) -> Option<Known> {
    let mut words = line.split_whitespace();
    let (name, role, hex_digest) = (words.next()?, words.next()?, words.next()?);
    let mut digest = [0; 32];
    hex::decode_to_slice(hex_digest, &mut digest).ok()?;
    (words.next().is_none()).then_some(())?;
    Some(Known {
        name: name.to_owned(),
        role: role.parse().ok()?,
        digest,
    })
}

/// A new token, shown once. It can't be printed by accident.
pub struct Token {
    /// What its bearer sends: `Authorization: Bearer` and this.
    pub token: String,
    /// The line for the file of tokens.
    pub line: String,
}

impl Token {
    /// Draws a token for `name`, who has this role: `operator`, `observer` or `client`, and none in that
    /// file yet.
    ///
    /// # Errors
    /// [`TokenError::Name`], [`TokenError::Taken`], [`TokenError::Role`], [`TokenError::NoRandomness`];
    /// [`TokenError::Line`] and [`TokenError::Unreadable`] of a file that is no file of tokens.
    pub fn draw(name: &str, role: &str, in_file: Option<&Path>) -> Result<Self, TokenError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(TokenError::Name(name.to_owned()));
        }
        if let Some(path) = in_file {
            match Tokens::read(path) {
                // Who withdraws a token is to know which line it is.
                Ok(known) if known.has(name) => return Err(TokenError::Taken(name.to_owned())),
                Ok(_) | Err(TokenError::Empty(_)) => {}
                Err(TokenError::Unreadable { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                // Not a file of tokens, perhaps: nothing is added to a key or a certificate.
                Err(error) => return Err(error),
            }
        }
        if Role::from_str(role).is_err() {
            return Err(TokenError::Role(role.to_owned()));
        }
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| TokenError::NoRandomness)?;
        // The beginning lets scanners of leaked secrets know what they have found.
        let token = format!("sealsum_{}", hex::encode(secret));
        let digest = hex::encode(digest(&SHA256, token.as_bytes()));
        Ok(Self {
            line: format!("{name} {role} {digest}"),
            token,
        })
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file can't be read.
    #[error("can't read the tokens in {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that can't be written.
    #[error("can't write {path}: {source}")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line that is no token's.
    #[error(
        "line {number} of {path} is no token's: it has a name, a role (operator, observer or client) and 64 hexadecimal characters, as `sealsum-parent token NAME` prints"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        number: u32,
    },
    /// Nobody could ever come in.
    #[error("{0} has no token: `sealsum-parent token NAME` prints a line for it")]
    Empty(PathBuf),
    /// A name that would not stay one word.
    #[error("{0:?} is no name for a token: up to 64 letters, digits and -_.@")]
    Name(String),
    /// Two tokens of one name could not be told apart.
    #[error(
        "{0:?} has a token in that file already: remove its line to withdraw it, or take another name"
    )]
    Taken(String),
    /// No such role.
    #[error("{0:?} is no role: operator, observer or client")]
    Role(String),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    NoRandomness,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_drawn_token_is_let_in_by_its_line_and_no_other_is() {
        let (one, other) = (
            Token::draw("night-job", "operator", None).unwrap(),
            Token::draw("grafana", "observer", None).unwrap(),
        );
        assert_ne!(one.token, other.token);
        let text = format!("# tokens\n\n{}\n  {}\n", one.line, other.line);
        assert!(
            !text.contains(&one.token),
            "the file must not hold the token"
        );
        let tokens = Tokens::read(file(&text).path()).unwrap();
        assert_eq!(
            tokens.bearer(&one.token),
            Some(("night-job", Role::Operator))
        );
        assert_eq!(
            tokens.bearer(&other.token),
            Some(("grafana", Role::Observer))
        );
        let digest = one.line.split(' ').nth(2).unwrap();
        for stranger in [
            "",
            "sealsum_",
            &one.token[1..],
            &format!("{} ", one.token),
            digest,
        ] {
            assert_eq!(tokens.bearer(stranger), None, "{stranger}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_named_by_its_number() {
        let whole = Token::draw("a", "client", None).unwrap().line;
        for (spoilt, line) in [
            (format!("{whole}\nonly-a-name\n"), 2),
            (format!("{whole} more\n"), 1),
            (whole.replace("client", "root"), 1),
            (whole[..whole.len() - 1].to_owned(), 1),
        ] {
            let file = file(&spoilt);
            let error = Tokens::read(file.path()).unwrap_err();
            let TokenError::Line { number, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(number, line, "{spoilt}");
        }
    }

    #[test]
    fn a_file_without_tokens_is_no_open_door() {
        let file = file("# none yet\n");
        assert!(matches!(
            Tokens::read(file.path()),
            Err(TokenError::Empty(_))
        ));
    }

    #[test]
    fn while_it_runs_a_withdrawn_token_is_out_whatever_else_the_file_says() {
        let (kept, withdrawn) = (
            Token::draw("kept", "operator", None).unwrap(),
            Token::draw("withdrawn", "operator", None).unwrap(),
        );
        for (text, kept_is_in) in [
            (kept.line.clone(), true),
            (format!("a typo\n{}\n", kept.line), true),
            ("# nobody\n".to_owned(), false),
            (String::new(), false),
        ] {
            let file = file(&text);
            let Reread { value, fault } = Tokens::read_again(file.path());
            let tokens = value.unwrap();
            assert_eq!(tokens.bearer(&kept.token).is_some(), kept_is_in, "{text}");
            assert!(tokens.bearer(&withdrawn.token).is_none());
            // What a start would refuse is told, whoever is let in meanwhile.
            assert_eq!(fault.is_some(), text != kept.line, "{text}: {fault:?}");
        }
        let gone = Tokens::read_again(Path::new("/nowhere/tokens"));
        assert!(gone.value.unwrap().bearer(&kept.token).is_none());
        assert!(gone.fault.unwrap().contains("/nowhere/tokens"));
    }

    #[test]
    fn a_name_has_one_token_in_a_file() {
        let first = Token::draw("night-job", "operator", None).unwrap();
        let file = file(&first.line);
        let second = Token::draw("night-job", "observer", Some(file.path()));
        assert!(matches!(second, Err(TokenError::Taken(_))));
        assert!(Token::draw("other", "observer", Some(file.path())).is_ok());
        let new = Path::new("/nowhere/tokens");
        assert!(Token::draw("night-job", "operator", Some(new)).is_ok());
    }

    #[test]
    fn nothing_is_added_to_a_file_of_something_else() {
        for contents in ["-----BEGIN CERTIFICATE-----\nMIIB\n", "spoilt line\n"] {
            let file = file(contents);
            let drawn = Token::draw("other", "observer", Some(file.path()));
            assert!(matches!(drawn, Err(TokenError::Line { number: 1, .. })));
        }
        let folder = tempfile::tempdir().unwrap();
        let drawn = Token::draw("other", "observer", Some(folder.path()));
        assert!(matches!(drawn, Err(TokenError::Unreadable { .. })));
    }

    #[test]
    fn names_stay_one_word_and_roles_are_known() {
        for name in ["", "two words", "line\nbreak", &"x".repeat(65)] {
            assert!(matches!(
                Token::draw(name, "client", None),
                Err(TokenError::Name(_))
            ));
        }
        assert!(matches!(
            Token::draw("a", "admin", None),
            Err(TokenError::Role(_))
        ));
    }
}
