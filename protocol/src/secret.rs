//! I10, by the compiler: a type that is declared a secret and can be printed, copied,
//! compared or encoded does not compile, whether by derive, by hand or through a
//! blanket implementation.

/// Declares that a type never implements `Debug`, `Display`, `Clone`, `PartialEq`,
/// `Serialize` or `Deserialize`.
///
/// ```
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// #[derive(Debug)]
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// struct Seed([u8; 32]);
/// impl core::fmt::Display for Seed {
///     fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
///         Ok(())
///     }
/// }
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// #[derive(Clone)]
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// #[derive(PartialEq)]
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// #[derive(serde::Serialize)]
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
/// ```compile_fail,E0283
/// #[derive(serde::Deserialize)]
/// struct Seed([u8; 32]);
/// sealsum_protocol::secret!(Seed);
/// ```
#[macro_export]
macro_rules! secret {
    ($($secret:ty),+ $(,)?) => {$(
        const _: fn() = || {
            // Every type has the first; one that has a forbidden trait has two, and
            // which of them is meant can't be inferred.
            trait Allowed<Because> {
                fn judge() {}
            }
            impl<T: ?Sized> Allowed<()> for T {}

            struct Printed;
            impl<T: ?Sized + ::core::fmt::Debug> Allowed<Printed> for T {}
            struct Shown;
            impl<T: ?Sized + ::core::fmt::Display> Allowed<Shown> for T {}
            struct Copied;
            impl<T: ?Sized + ::core::clone::Clone> Allowed<Copied> for T {}
            struct Compared;
            impl<T: ?Sized + ::core::cmp::PartialEq> Allowed<Compared> for T {}
            struct Encoded;
            impl<T: ?Sized + $crate::secret::Serialize> Allowed<Encoded> for T {}
            struct Decoded;
            impl<T: $crate::secret::DeserializeOwned> Allowed<Decoded> for T {}

            let _ = <$secret as Allowed<_>>::judge;
        };
    )+};
}

#[doc(hidden)]
pub use serde::{Serialize, de::DeserializeOwned};
