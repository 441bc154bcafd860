//! Layouts compared: decides whether an update has the round's, and says what differs.

use core::fmt;

use sealsum_protocol::{Digest, Schema, TensorSpec};

use super::{BaseModel, Update};

/// Checks that an update has the layout of the round's schema digest. The digest alone can't say
/// what differs; a base model of that layout can.
pub(crate) fn check_layout(
    update: &Update,
    base: &BaseModel,
    wanted: &Digest,
) -> Result<(), LayoutRefused> {
    let found = update.schema.digest();
    if found == *wanted {
        return Ok(());
    }
    let difference = (base.schema.digest() == *wanted)
        .then(|| difference(&update.schema, &base.schema))
        .flatten()
        .map(Box::new);
    Err(LayoutRefused {
        wanted: *wanted,
        found,
        difference,
    })
}

pub(super) fn difference(update: &Schema, model: &Schema) -> Option<LayoutDifference> {
    let find = |schema: &Schema, name: &str| {
        let tensors = schema.tensors.iter();
        tensors.clone().find(|tensor| tensor.name == name).cloned()
    };
    let missing_or_other = model.tensors.iter().find_map(|wanted| {
        let found = find(update, &wanted.name);
        (found.as_ref() != Some(wanted)).then(|| LayoutDifference {
            wanted: Some(wanted.clone()),
            found,
        })
    });
    missing_or_other.or_else(|| {
        let more = update.tensors.iter();
        more.clone()
            .find(|tensor| find(model, &tensor.name).is_none())
            .map(|tensor| LayoutDifference {
                wanted: None,
                found: Some(tensor.clone()),
            })
    })
}

/// An element of an update, as its file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The tensor; empty for an array without a name.
    pub tensor: String,
    /// The element in it, from 0, in row-major order.
    pub index: u64,
}

impl Place {
    /// Where the element `index` of all is; `None` beyond the last.
    pub(crate) fn of(schema: &Schema, index: u64) -> Option<Self> {
        let mut index = index;
        for spec in &schema.tensors {
            let elements: u64 = spec.shape.iter().product();
            if index < elements {
                let tensor = spec.name.clone();
                return Some(Self { tensor, index });
            }
            index -= elements;
        }
        None
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "element {}", self.index)?;
        if self.tensor.is_empty() {
            return Ok(());
        }
        write!(f, " of tensor {:?}", self.tensor)
    }
}

/// An update of another layout than the round's. Nothing was recorded or sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the update is laid out otherwise than the round's updates: {}",
    LayoutWords(self)
)]
pub struct LayoutRefused {
    /// The round's schema digest.
    pub wanted: Digest,
    /// The update's.
    pub found: Digest,
    /// The first tensor that differs, if the base model has the round's layout.
    pub difference: Option<Box<LayoutDifference>>,
}

/// A tensor that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutDifference {
    /// In the base model.
    pub wanted: Option<TensorSpec>,
    /// In the update.
    pub found: Option<TensorSpec>,
}

struct LayoutWords<'a>(&'a LayoutRefused);

impl fmt::Display for LayoutWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(difference) = &self.0.difference else {
            return write!(
                f,
                "its schema digest is {}, the round's is {}; ask the operator which file the round was opened for",
                self.0.found, self.0.wanted
            );
        };
        difference.fmt(f)
    }
}

impl fmt::Display for LayoutDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.wanted, &self.found) {
            (Some(wanted), Some(found)) => write!(
                f,
                "{} is {}, the base model has {}",
                TensorWords(found),
                Form(found),
                Form(wanted)
            ),
            (Some(wanted), None) => write!(
                f,
                "{} ({}) of the base model is missing",
                TensorWords(wanted),
                Form(wanted)
            ),
            (None, Some(found)) => write!(
                f,
                "{} ({}) is not in the base model",
                TensorWords(found),
                Form(found)
            ),
            (None, None) => f.write_str("in the order of its tensors"),
        }
    }
}

struct TensorWords<'a>(&'a TensorSpec);

impl fmt::Display for TensorWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.name.is_empty() {
            f.write_str("its array")
        } else {
            write!(f, "tensor {:?}", self.0.name)
        }
    }
}

struct Form<'a>(&'a TensorSpec);

impl fmt::Display for Form<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.0.dtype, self.0.shape)
    }
}
