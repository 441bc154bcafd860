//! Images from the outside: written, read, measured, damaged, forged.

mod contents;
mod malformed;
mod measured;
mod properties;
mod signed;
