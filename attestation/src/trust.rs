//! How far evidence may be trusted: AWS's hardware, or a mock that guards nothing.

use core::fmt;

/// Whose word a verdict rests on. It stands in every verdict, receipt and JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The AWS Nitro root, no debug mode.
    AwsNitro,
    /// A policy with `mock = true`: nothing is protected.
    Mock,
}

impl Trust {
    /// `"aws-nitro"` or `"mock"`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwsNitro => "aws-nitro",
            Self::Mock => "mock",
        }
    }

    /// Whether a caller must have said `--mock`.
    #[must_use]
    pub const fn is_mock(self) -> bool {
        matches!(self, Self::Mock)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_has_one_name_in_messages_and_in_json() {
        for (trust, name) in [(Trust::AwsNitro, "aws-nitro"), (Trust::Mock, "mock")] {
            assert_eq!(trust.as_str(), name);
            assert_eq!(trust.to_string(), name);
            assert_eq!(serde_json::to_value(trust).unwrap(), name);
        }
    }
}
