//! What holds of every page: its rows make a page again, packed in either form, and each is found.

use super::{Form, Packer, Page};

/// Whether bytes are a page.
pub(in super::super::super) fn page(packed: &[u8]) -> Option<()> {
    let page = Page::unpack(packed)?;
    let mut packer = Packer::default();
    let mut rows = page.rows();
    let mut last = None;
    while let Some((key, value)) = rows.next() {
        packer.push(key, value);
        last = Some((key.to_vec(), value));
    }
    if let Some((key, value)) = last {
        assert_eq!(page.get(&key), Some(value), "a row is not found");
    }
    for form in [Form::Shortest, Form::AsItIs] {
        let again = Page::unpack(&packer.pack(form));
        assert!(again.is_some_and(|again| are_alike(&page, &again)), "a page changes");
    }
    Some(())
}

fn are_alike(one: &Page, other: &Page) -> bool {
    let (mut one, mut other) = (one.rows(), other.rows());
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (row, other) if row != other => return false,
            _ => {}
        }
    }
}

/// These rows in a page of each form.
#[cfg(test)]
pub(in super::super::super) fn pages(rows: &[crate::db::Row]) -> Vec<Vec<u8>> {
    let mut packer = Packer::default();
    rows.iter().for_each(|(key, value)| packer.push(key, value));
    [Form::Shortest, Form::AsItIs]
        .map(|form| packer.pack(form).to_vec())
        .into()
}
