//! I10: secrets can't be printed, copied, compared or encoded.
//!
//! By derive or by hand, no secret type has `Debug`, `Display`, `Clone`, `PartialEq`,
//! `Serialize` or `Deserialize`. What holds a secret then can't derive them either.
//! `sealsum_protocol::secret!` has the compiler say so; this finds a secret without it.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};

use super::digested::derives;
use super::{Findings, Source};

pub(super) fn check(sources: &[Source]) -> Findings {
    let mut seen = Secrets::default();
    for source in sources.iter().filter(|source| !source.is_test()) {
        seen.path = source.path.clone();
        seen.visit_file(&source.syntax);
    }
    let mut findings = seen.findings;
    for (folder, name) in SECRETS {
        if !seen.declared.contains(&(folder, name)) {
            findings.push(format!(
                "{folder} has no type {name}: if it was renamed, name it in xtask/src/check/secrets.rs"
            ));
        } else if *folder != WITHOUT_PROTOCOL && !seen.asserted.contains(&(folder, name)) {
            findings.push(format!(
                "{folder}: nothing keeps {name} from being printed or copied: add `secret!({name});` below it"
            ));
        }
    }
    findings
}

#[derive(Default)]
struct Secrets {
    path: String,
    declared: BTreeSet<(&'static str, &'static str)>,
    asserted: BTreeSet<(&'static str, &'static str)>,
    findings: Findings,
}

impl Secrets {
    fn secret(&self, name: &syn::Ident) -> Option<(&'static str, &'static str)> {
        let matches = |(folder, secret): &&(&'static str, &'static str)| {
            name == secret && self.path.starts_with(&format!("{folder}/src/"))
        };
        SECRETS.iter().find(matches).copied()
    }

    fn declared(&mut self, name: &syn::Ident, attributes: &[syn::Attribute]) {
        if let Some(secret) = self.secret(name) {
            self.declared.insert(secret);
            for forbidden in FORBIDDEN {
                if derives(attributes, forbidden) {
                    self.find(name, forbidden);
                }
            }
        }
    }

    fn find(&mut self, name: &syn::Ident, has: &str) {
        let line = name.span().start().line;
        self.findings
            .push(format!("{}:{line}: the secret {name} has {has}", self.path));
    }
}

impl<'a> Visit<'a> for Secrets {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        self.declared(&item.ident, &item.attrs);
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        self.declared(&item.ident, &item.attrs);
    }

    fn visit_item_macro(&mut self, item: &'a syn::ItemMacro) {
        let named = item.mac.path.segments.last();
        if named.is_some_and(|last| last.ident == "secret") {
            for token in item.mac.tokens.clone() {
                if let proc_macro2::TokenTree::Ident(name) = token {
                    self.asserted.extend(self.secret(&name));
                }
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'a syn::ItemImpl) {
        if let (Some((_, implemented, _)), syn::Type::Path(of)) = (&item.trait_, &*item.self_ty)
            && let (Some(implemented), Some(of)) =
                (implemented.segments.last(), of.path.segments.last())
            && self.secret(&of.ident).is_some()
            && FORBIDDEN
                .iter()
                .any(|forbidden| implemented.ident == forbidden)
        {
            self.find(&of.ident, &implemented.ident.to_string());
        }
        visit::visit_item_impl(self, item);
    }
}

/// Folder and type. Whatever is made of these is secret by construction.
const SECRETS: &[(&str, &str)] = &[
    ("protocol", "KemPrivateKey"),
    ("protocol", "MaskSeed"),
    ("protocol", "Mask"),
    ("protocol", "Keystream"),
    ("protocol", "RoundingSeed"),
    ("protocol", "Encoding"),
    ("protocol", "RingVector"),
    ("protocol", "Elements"),
    ("protocol", "Staged"),
    ("protocol", "Encapsulation"),
    ("protocol", "OperatorSigner"),
    ("protocol", "AuthoritySigner"),
    ("protocol", "ReceiptSigner"),
    ("protocol", "ClientSigner"),
    ("enclave/core", "RoundKeys"),
    ("enclave/core", "SecretBlocks"),
    ("enclave/core", "OpenedContribution"),
    ("enclave/core", "AcceptedContribution"),
    ("enclave/core", "StagedContribution"),
    ("enclave/core", "CheckedContribution"),
    ("enclave/core", "BoundsCheck"),
    ("client", "Identity"),
    ("client", "Update"),
    ("client", "Values"),
    ("client", "FingerprintKey"),
    ("client", "Fingerprint"),
    ("attestation", "PublisherSigner"),
    ("enclave/softnsm", "CertifyingKey"),
    ("enclave/softnsm", "EvidenceKey"),
    ("enclave/softnsm", "RootKey"),
];
/// The mock's keys, in a crate that knows nothing of the protocol.
const WITHOUT_PROTOCOL: &str = "enclave/softnsm";
const FORBIDDEN: [&str; 6] = [
    "Debug",
    "Display",
    "Clone",
    "PartialEq",
    "Serialize",
    "Deserialize",
];

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    fn about_mask_seed(text: &str) -> Vec<String> {
        let all = check(&example("protocol/src/mask.rs", text));
        all.into_iter()
            .filter(|finding| finding.contains("MaskSeed"))
            .collect()
    }

    #[test]
    fn a_secret_that_can_be_printed_or_copied_is_found() {
        let kept =
            "#[derive(Zeroize)] pub struct MaskSeed([u8; 32]); crate::secret!(Mask, MaskSeed);";
        assert!(about_mask_seed(kept).is_empty());
        let derived = format!("#[derive(Clone, Debug)] {}", &kept[18..]);
        assert_eq!(about_mask_seed(&derived).len(), 2, "{derived:?}");
        let by_hand = format!("{kept} impl core::fmt::Debug for MaskSeed {{}}");
        assert_eq!(about_mask_seed(&by_hand).len(), 1);
    }

    #[test]
    fn a_secret_that_the_compiler_does_not_watch_is_found() {
        let unwatched = about_mask_seed("pub struct MaskSeed([u8; 32]); crate::secret!(Mask);");
        assert!(
            unwatched[0].contains("add `secret!(MaskSeed);`"),
            "{unwatched:?}"
        );
    }

    #[test]
    fn a_secret_that_is_gone_is_found() {
        assert_eq!(about_mask_seed("pub struct SeedOfMask([u8; 32]);").len(), 1);
    }
}
