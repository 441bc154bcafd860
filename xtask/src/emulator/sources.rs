//! The machine's list of package sources, in both of apt's formats (sources.list(5)).
//!
//! Only what leads to Debian 12's archive is read; options that we don't know don't matter.

/// One source: where packages are, for which suites, and who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    uri: String,
    suites: Vec<String>,
    signed_by: Option<String>,
}

/// What we fetch from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    Backports,
    Security,
}

impl Release {
    const fn suite(self) -> &'static str {
        match self {
            Self::Backports => "bookworm-backports",
            Self::Security => "bookworm-security",
        }
    }

    /// The suite whose mirror has it too.
    pub(super) const fn found_beside(self) -> &'static str {
        match self {
            Self::Backports => "bookworm",
            Self::Security => "bookworm-security",
        }
    }
}

impl Entry {
    pub(super) fn leads_to(&self, release: Release) -> bool {
        self.suites
            .iter()
            .any(|suite| suite == release.found_beside())
    }

    /// The same mirror for another suite, sources included.
    pub(super) fn stanza(&self, release: Release) -> String {
        let signed_by = match &self.signed_by {
            Some(key) => format!("Signed-By: {key}\n"),
            None => String::new(),
        };
        format!(
            "Types: deb deb-src\nURIs: {}\nSuites: {}\nComponents: main\n{signed_by}\n",
            self.uri,
            release.suite()
        )
    }
}

/// The entries of one file; apt tells the formats apart by the file's name.
pub(super) fn parse(file: &str, text: &str) -> Vec<Entry> {
    if file.ends_with(".sources") {
        // A comment may stand in the middle of a stanza, so it goes first.
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let stanzas = lines.split(|line| line.trim().is_empty());
        stanzas.filter_map(stanza).collect()
    } else if file.ends_with(".list") {
        text.lines().filter_map(line).collect()
    } else {
        Vec::new()
    }
}

fn stanza(lines: &[&str]) -> Option<Entry> {
    let field = |name: &str| {
        lines.iter().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    };
    if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
        return None;
    }
    let binaries = field("Types")?.split_whitespace().any(|kind| kind == "deb");
    binaries.then_some(Entry {
        uri: field("URIs")?.split_whitespace().next()?.to_owned(),
        suites: field("Suites")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        // An embedded key follows on lines of its own: then the field itself is empty.
        signed_by: field("Signed-By")
            .filter(|key| key.starts_with('/'))
            .map(str::to_owned),
    })
}

fn line(text: &str) -> Option<Entry> {
    let rest = text.trim().strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options
        .split_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="));
    let mut words = rest.split('#').next()?.split_whitespace();
    Some(Entry {
        uri: words.next()?.to_owned(),
        suites: vec![words.next()?.to_owned()],
        signed_by: signed_by.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uri: &str, suites: &[&str], signed_by: Option<&str>) -> Entry {
        Entry {
            uri: uri.to_owned(),
            suites: suites.iter().map(|&suite| suite.to_owned()).collect(),
            signed_by: signed_by.map(str::to_owned),
        }
    }

    #[test]
    fn one_line_entries_are_read_with_and_without_options() {
        let text = "# deb http://old.example/debian bookworm main\n\
            deb http://mirror.example/debian bookworm main contrib # ours\n\
            deb-src http://mirror.example/debian bookworm main\n\
            deb [arch=amd64 signed-by=/k.gpg] https://other.example/debian bookworm-security main\n";
        assert_eq!(
            parse("/etc/apt/sources.list", text),
            [
                entry("http://mirror.example/debian", &["bookworm"], None),
                entry(
                    "https://other.example/debian",
                    &["bookworm-security"],
                    Some("/k.gpg")
                ),
            ]
        );
    }

    #[test]
    fn stanzas_are_read_through_their_comments() {
        let text = "Types: deb\n# in the middle\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n\
            Types: deb-src\nURIs: http://mirror.example/sources\nSuites: bookworm\n\n\
            Enabled: no\nTypes: deb\nURIs: http://mirror.example/off\nSuites: bookworm\n";
        assert_eq!(
            parse("debian.sources", text),
            [entry(
                "http://mirror.example/debian",
                &["bookworm", "bookworm-updates"],
                None
            )]
        );
    }

    #[test]
    fn files_that_apt_would_not_read_are_not_read() {
        let text = "deb http://mirror.example/debian bookworm main\n";
        assert_eq!(parse("debian.list.disabled", text), []);
    }
}
