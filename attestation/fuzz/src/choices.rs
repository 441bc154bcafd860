//! An input as a row of choices: what is not there is zero, so every input means something.

/// The bytes that were not used yet.
pub(crate) struct Choices<'i>(pub(crate) &'i [u8]);

impl<'i> Choices<'i> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub(crate) fn number<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.byte())
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of `among`.
    pub(crate) fn one<T: Clone>(&mut self, among: &[T]) -> T {
        among[usize::from(self.byte()) % among.len()].clone()
    }

    /// Up to 255 bytes, whose number stands before them.
    pub(crate) fn short(&mut self) -> &'i [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    pub(crate) fn rest(&mut self) -> &'i [u8] {
        core::mem::take(&mut self.0)
    }
}
