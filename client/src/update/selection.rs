//! Which tensors of a file take part, by name: decides what an update and its base model are made
//! of. Both are read under one selection, and the operator's layout too, or the digests differ.

/// Patterns of tensor names: `*` stands for any run of characters, `?` for one, all else for
/// itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    select: Vec<String>,
    exclude: Vec<String>,
}

impl Selection {
    /// Takes what one of `select` matches (all, if there is none) and none of `exclude`.
    #[must_use]
    pub fn new(select: Vec<String>, exclude: Vec<String>) -> Self {
        Self { select, exclude }
    }

    /// Every tensor.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether it asks for names at all.
    pub(super) fn is_all(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }

    /// Whether a tensor of that name takes part.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
        (self.select.is_empty() || any(&self.select)) && !any(&self.exclude)
    }
}

/// Time is the product of both lengths at most: only the last star is ever tried again.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p + 1, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    p = after;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, wanted) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("?", "", false),
            ("*.lora_?.weight", "h.0.lora_A.weight", true),
            ("*.lora_?.weight", "h.0.lora_AB.weight", false),
            ("*ab*ab", "ababab", true),
            ("*ab*ab", "abb", false),
            ("a[0]", "a[0]", true),
            ("\u{e4}?", "\u{e4}\u{f6}", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn exclusion_outranks_selection() {
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let selection = Selection::new(texts(&["head.*", "norm"]), texts(&["*.bias"]));
        assert!(selection.takes("head.weight") && selection.takes("norm"));
        assert!(!selection.takes("head.bias") && !selection.takes("body"));
        assert!(Selection::all().takes("anything"));
    }
}
