//! What holds of every decoder of rows, keys and files, whatever bytes it is given: it answers, and what it took is written and read as
//! the same again. Built for tests and for fuzzing alone.

mod keys;
mod rows;
#[cfg(test)]
mod tests;

pub use crate::db::file;

/// Offers a row: the number of its table, then its value. After a 0, which no table has: the length of a key, the key, the value.
/// Whether any decoder of the table took it.
pub fn row(bytes: &[u8]) -> bool {
    match bytes.split_first() {
        Some((0, rest)) => keys::offer(rest).is_some(),
        Some((table, value)) => rows::offer(*table, value),
        None => false,
    }
}
