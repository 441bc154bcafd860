//! The words of a policy's terms, as they stand in the file and in messages.

use core::fmt;
use core::str::FromStr;

use sealsum_protocol::{AggregationRule, AuthorityKey, Digest, Intake, KemSuite, OperatorKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whose signature on the parameters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorTerm {
    /// This key's.
    Key(OperatorKey),
    /// Anybody's; needs a consent.
    Any,
}

/// Who else may contribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionTerm {
    /// Anyone; without noise it needs a consent.
    Open,
    /// Holders of the keys under this root.
    Registry(Digest),
    /// Holders of the keys of a registry that this authority grants, whatever its root.
    Authority(AuthorityKey),
}

/// The least noise that must be added before release.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseFloor {
    /// None.
    None,
    /// Standard deviation on each element of the sum, in the update's own units; above 0. In these
    /// units the operator's choice of scale can't lower it.
    Sigma(f64),
}

/// A KEM suite: `x-wing` or `x25519`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KemTerm(pub KemSuite);

/// An intake: `stream` or `presum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntakeTerm(pub Intake);

/// A rule: `sum`, `mean` or `weighted-mean`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleTerm(pub AggregationRule);

impl FromStr for OperatorTerm {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        match text {
            "any" => Ok(Self::Any),
            hex => hex.parse().map(Self::Key).map_err(|_| TermError::Operator),
        }
    }
}

impl fmt::Display for OperatorTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Any => f.write_str("any"),
        }
    }
}

impl FromStr for AdmissionTerm {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let parsed = match text.split_once(':') {
            None if text == "open" => Some(Self::Open),
            Some(("registry", root)) => root.parse().map(Self::Registry).ok(),
            Some(("authority", key)) => key.parse().map(Self::Authority).ok(),
            _ => None,
        };
        parsed.ok_or(TermError::Admission)
    }
}

impl fmt::Display for AdmissionTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Registry(root) => write!(f, "registry:{root}"),
            Self::Authority(key) => write!(f, "authority:{key}"),
        }
    }
}

impl FromStr for NoiseFloor {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        if text == "none" {
            return Ok(Self::None);
        }
        text.parse()
            .map_err(|_| TermError::Noise)
            .and_then(Self::sigma)
    }
}

impl NoiseFloor {
    fn sigma(sigma: f64) -> Result<Self, TermError> {
        if sigma.is_finite() && sigma > 0.0 {
            Ok(Self::Sigma(sigma))
        } else {
            Err(TermError::Noise)
        }
    }
}

impl fmt::Display for NoiseFloor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Sigma(sigma) => write!(f, "{sigma:?}"),
        }
    }
}

impl FromStr for KemTerm {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        match text {
            "x-wing" => Ok(Self(KemSuite::XWing)),
            "x25519" => Ok(Self(KemSuite::X25519)),
            _ => Err(TermError::Kem),
        }
    }
}

impl fmt::Display for KemTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for IntakeTerm {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        match text {
            "stream" => Ok(Self(Intake::Stream)),
            "presum" => Ok(Self(Intake::Presum)),
            _ => Err(TermError::Intake),
        }
    }
}

impl fmt::Display for IntakeTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Intake::Stream => "stream",
            Intake::Presum => "presum",
        })
    }
}

impl FromStr for RuleTerm {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        match text {
            "sum" => Ok(Self(AggregationRule::Sum)),
            "mean" => Ok(Self(AggregationRule::Mean)),
            "weighted-mean" => Ok(Self(AggregationRule::WeightedMean)),
            _ => Err(TermError::Rule),
        }
    }
}

impl fmt::Display for RuleTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            AggregationRule::Sum => "sum",
            AggregationRule::Mean => "mean",
            AggregationRule::WeightedMean => "weighted-mean",
        })
    }
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

as_text!(OperatorTerm, AdmissionTerm, KemTerm, IntakeTerm, RuleTerm);

impl<'de> Deserialize<'de> for NoiseFloor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer) {
            Ok(Written::Number(sigma)) => Self::sigma(sigma),
            Ok(Written::Text(text)) if text == "none" => Ok(Self::None),
            _ => Err(TermError::Noise),
        }
        .map_err(serde::de::Error::custom)
    }
}

impl Serialize for NoiseFloor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_str("none"),
            Self::Sigma(sigma) => serializer.serialize_f64(*sigma),
        }
    }
}

/// A term that no policy has. Whoever wrote it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermError {
    /// Not an operator.
    #[error(
        "operator_key is the operator's public key in 64 hexadecimal characters (`sealsum operator show FILE`), or \"any\""
    )]
    Operator,
    /// Not an admission.
    #[error(
        "admission is \"open\", or \"registry:\" and a root (`sealsum registry root FILE`), or \"authority:\" and an authority's key (`sealsum registry authority show FILE`), each in 64 hexadecimal characters"
    )]
    Admission,
    /// Not a noise floor.
    #[error(
        "noise_floor is \"none\", or a standard deviation above 0 in the update's own units, without quotes"
    )]
    Noise,
    /// Not a KEM suite.
    #[error("a KEM suite is \"x-wing\" or \"x25519\"")]
    Kem,
    /// Not an intake.
    #[error("an intake is \"stream\" or \"presum\"")]
    Intake,
    /// Not a rule.
    #[error("a rule is \"sum\", \"mean\" or \"weighted-mean\"")]
    Rule,
}
