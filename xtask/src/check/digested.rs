//! Types whose encoding is digested or signed have one encoding of each value.
//!
//! So they hold no floats, no hash maps, nothing flattened, untagged or skipped,
//! no option in an option; bytes are byte strings, not arrays of numbers.

use names::type_names;
use syn::visit::{self, Visit};

use super::{Findings, Source};

pub(super) fn check(sources: &[Source]) -> Findings {
    let mut findings = Findings::new();
    for source in sources {
        if !source.path.starts_with("protocol/src/") || source.is_test() {
            continue;
        }
        let mut types = DigestedTypes {
            path: &source.path,
            findings: &mut findings,
        };
        types.visit_file(&source.syntax);
    }
    findings
}

struct DigestedTypes<'a> {
    path: &'a str,
    findings: &'a mut Findings,
}

impl<'a> Visit<'a> for DigestedTypes<'_> {
    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        if derives(&item.attrs, "Serialize") {
            self.judge_attributes(&item.ident, &item.attrs);
            self.judge_fields(&item.ident, &item.fields);
        }
    }

    fn visit_item_enum(&mut self, item: &'a syn::ItemEnum) {
        if derives(&item.attrs, "Serialize") {
            self.judge_attributes(&item.ident, &item.attrs);
            for variant in &item.variants {
                self.judge_attributes(&item.ident, &variant.attrs);
                self.judge_fields(&item.ident, &variant.fields);
            }
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }
}

impl DigestedTypes<'_> {
    fn judge_attributes(&mut self, of: &syn::Ident, attributes: &[syn::Attribute]) {
        for word in serde_words(attributes) {
            if matches!(word.as_str(), "flatten" | "untagged") || word.starts_with("skip") {
                self.find(of, &format!("serde({word})"));
            }
        }
    }

    fn judge_fields(&mut self, of: &syn::Ident, fields: &syn::Fields) {
        for field in fields {
            self.judge_attributes(of, &field.attrs);
            let names = type_names(&field.ty);
            for name in &names {
                if matches!(name.as_str(), "f32" | "f64" | "HashMap" | "HashSet") {
                    self.find(of, name);
                }
            }
            if names.windows(2).any(|pair| pair == ["Option", "Option"]) {
                self.find(of, "an option in an option");
            }
            let as_bytes = serde_words(&field.attrs).iter().any(|word| word == "with");
            if !as_bytes && is_sequence_of_bytes(&field.ty) {
                self.find(of, "bytes without serde_bytes");
            }
        }
    }

    fn find(&mut self, of: &syn::Ident, what: &str) {
        self.findings.push(format!(
            "{}:{}: {of} is digested or signed and has {what}",
            self.path,
            of.span().start().line
        ));
    }
}

/// Whether `derive` names `what`.
pub(super) fn derives(attributes: &[syn::Attribute], what: &str) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("derive"))
        .any(|attribute| {
            let mut found = false;
            // Each entry is a path; its last segment is the trait.
            let _ = attribute.parse_nested_meta(|meta| {
                found |= meta
                    .path
                    .segments
                    .last()
                    .is_some_and(|last| last.ident == what);
                Ok(())
            });
            found
        })
}

/// The words of `#[serde(...)]`, values left out.
fn serde_words(attributes: &[syn::Attribute]) -> Vec<String> {
    let mut words = Vec::new();
    for attribute in attributes {
        if let (true, syn::Meta::List(list)) = (attribute.path().is_ident("serde"), &attribute.meta)
        {
            words.extend(
                list.tokens
                    .clone()
                    .into_iter()
                    .filter_map(|token| match token {
                        proc_macro2::TokenTree::Ident(word) => Some(word.to_string()),
                        _ => None,
                    }),
            );
        }
    }
    words
}

/// `Vec<u8>`, `Box<[u8]>`, `[u8; N]`, `&[u8]`, at any depth.
fn is_sequence_of_bytes(ty: &syn::Type) -> bool {
    struct Bytes(bool);
    impl<'a> Visit<'a> for Bytes {
        fn visit_type_array(&mut self, array: &'a syn::TypeArray) {
            self.0 |= type_names(&array.elem) == ["u8"];
            visit::visit_type_array(self, array);
        }

        fn visit_type_slice(&mut self, slice: &'a syn::TypeSlice) {
            self.0 |= type_names(&slice.elem) == ["u8"];
            visit::visit_type_slice(self, slice);
        }

        fn visit_path_segment(&mut self, segment: &'a syn::PathSegment) {
            if (segment.ident == "Vec" || segment.ident == "VecDeque")
                && let syn::PathArguments::AngleBracketed(of) = &segment.arguments
            {
                self.0 |= of.args.iter().any(|argument| {
                    matches!(argument, syn::GenericArgument::Type(ty) if type_names(ty) == ["u8"])
                });
            }
            visit::visit_path_segment(self, segment);
        }
    }
    let mut bytes = Bytes(false);
    bytes.visit_type(ty);
    bytes.0
}

mod names {
    //! The names in a type, outermost first.

    use syn::visit::{self, Visit};

    pub(super) fn type_names(ty: &syn::Type) -> Vec<String> {
        struct Names(Vec<String>);
        impl<'a> Visit<'a> for Names {
            fn visit_path(&mut self, path: &'a syn::Path) {
                if let Some(last) = path.segments.last() {
                    self.0.push(last.ident.to_string());
                }
                visit::visit_path(self, path);
            }
        }
        let mut names = Names(Vec::new());
        names.visit_type(ty);
        names.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::sources::example;
    use super::*;

    fn findings(fields: &str) -> usize {
        let text = format!("#[derive(Clone, serde::Serialize)]\npub struct A {{ {fields} }}");
        check(&example("protocol/src/a.rs", &text)).len()
    }

    #[test]
    fn each_forbidden_shape_is_found() {
        assert_eq!(
            findings("a: u64, b: Option<Digest>, c: ByteBuf, d: Vec<Digest>"),
            0
        );
        assert_eq!(findings("a: Vec<Option<f64>>"), 1);
        assert_eq!(findings("a: std::collections::HashMap<u8, u8>"), 1);
        assert_eq!(findings("a: Option<Option<u8>>"), 1);
        assert_eq!(findings("a: Vec<u8>, b: [u8; 32], c: Option<Box<[u8]>>"), 3);
        assert_eq!(findings("#[serde(with = \"serde_bytes\")] a: Vec<u8>"), 0);
        assert_eq!(findings("#[serde(flatten)] a: B"), 1);
        assert_eq!(findings("#[serde(skip_serializing_if = \"x\")] a: u8"), 1);
    }

    #[test]
    fn types_that_are_not_encoded_may_hold_what_they_like() {
        assert!(
            check(&example(
                "protocol/src/a.rs",
                "#[derive(Debug)] struct A(f64);"
            ))
            .is_empty()
        );
        assert!(
            check(&example(
                "client/src/a.rs",
                "#[derive(Serialize)] struct A(f64);"
            ))
            .is_empty()
        );
        let untagged = "#[derive(Serialize)] #[serde(untagged)] enum A { B(u8) }";
        assert_eq!(check(&example("protocol/src/a.rs", untagged)).len(), 1);
    }
}
