//! What holds of everything that is read from files, once it is opened: it is whole or nothing, and is written as it was read.

use super::batch::{Batch, decode_marks, encode_marks};
use super::bytes::Fields;
use super::engine::Note;
use super::head::Head;
use super::state::{Place, page};

/// Offers what stands in a file: which of them, then its bytes. Whether it was taken.
pub fn file(bytes: &[u8]) -> bool {
    let Some((which, plain)) = bytes.split_first() else {
        return false;
    };
    let taken = match which {
        0 => batch(plain),
        1 => marks(plain),
        2 => Head::decode(plain).map(|head| assert_eq!(head.encode(), plain, "a head changes")),
        3 => Place::decode(plain).map(|place| assert_eq!(place.encode(), plain, "a place changes")),
        // The sum came later; the rest is as it was.
        4 => Note::decode(plain).map(|note| assert!(note.encode().starts_with(plain), "a note changes")),
        5 => page(plain),
        _ => None,
    };
    taken.is_some()
}

fn batch(plain: &[u8]) -> Option<()> {
    let batch = Batch::decode(plain)?;
    let mut written = Vec::new();
    assert!(batch.encode(&mut written).is_ok(), "a batch that was read is too long");
    assert_eq!(written, plain, "a batch changes");
    Some(())
}

fn marks(plain: &[u8]) -> Option<()> {
    let mut fields = Fields::new(plain);
    let marks = decode_marks(&mut fields)?;
    let mut written = Vec::new();
    encode_marks(&marks, &mut written);
    written.extend_from_slice(fields.rest());
    assert_eq!(written, plain, "marks change");
    Some(())
}

/// One of each, of these rows.
#[cfg(test)]
pub(crate) fn files(rows: &[super::Row]) -> Vec<Vec<u8>> {
    let mut batch = Batch::new();
    for (key, value) in rows {
        batch.put(key.clone(), value.clone());
        batch.mark(key.clone(), 1 << 40);
    }
    batch.delete(b"gone".to_vec());
    let (mut whole, mut marks) = (Vec::new(), Vec::new());
    batch.encode(&mut whole).unwrap();
    encode_marks(batch.marks(), &mut marks);
    let head = Head {
        number: 3,
        index: 70_000,
        marks: batch.marks().clone(),
    };
    let note = Note {
        applied: 9,
        sum: u128::MAX / 3,
    };
    let plain = [
        whole,
        marks,
        head.encode(),
        Place::NOWHERE.encode().to_vec(),
        note.encode(),
    ];
    let pages = super::state::pages(rows).into_iter().map(|page| (5, page));
    let files = (0..).zip(plain).chain(pages);
    files.map(|(which, plain)| [vec![which], plain].concat()).collect()
}
