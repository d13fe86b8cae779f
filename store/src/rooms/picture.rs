//! The picture of a room, as its operations say. Its bytes are a member's: what they are is looked at whenever they are shown.

use parlour_crypto::MAX_AVATAR;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::db::{Read, Txn};
use crate::keyspace::{ConversationNo, Key, Kind};
use crate::record::{self, Row, StoreError};

#[derive(Serialize, Deserialize)]
pub(crate) struct PictureRow(ByteBuf);

impl Row for PictureRow {
    const NOUN: &'static str = "picture of a room";
}

fn key(no: ConversationNo) -> Vec<u8> {
    Key::new(Kind::RoomPicture).conversation(no).done()
}

/// The picture of a room, at most 24 576 bytes of any kind; nothing if it has none.
///
/// # Errors
/// The database cannot be read, or the row is malformed.
pub fn picture(read: &impl Read, no: ConversationNo) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(record::get::<PictureRow>(read, &key(no))?.map(|PictureRow(bytes)| bytes.into_vec()))
}

/// Writes the picture of a room where it is another one than was there. Without bytes, or with more than a picture has, there is none.
///
/// # Errors
/// As [`picture`].
pub fn set_picture(txn: &mut Txn<'_>, no: ConversationNo, bytes: &[u8]) -> Result<(), StoreError> {
    let before = picture(txn, no)?;
    match bytes.is_empty() || bytes.len() > MAX_AVATAR {
        true if before.is_some() => txn.delete(key(no)),
        false if before.as_deref() != Some(bytes) => {
            record::put(txn, key(no), &PictureRow(ByteBuf::from(bytes)));
        }
        true | false => {}
    }
    Ok(())
}
