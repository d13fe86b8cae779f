//! Invites and contact addresses: what one user hands to another, as a link (PROTOCOL.md section 10).
//!
//! `parlour:` || base64url of TLV || HASH("invite checksum", TLV)[0..4]. The checksum is looked at first, so that a typo is
//! told from everything else.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::codec::{ByteReader, TlvError, TlvReader, TlvWriter};
use crate::ids::{ConversationId, UserId};
use crate::kdf::{Purpose, hash};
use data_encoding::BASE64URL_NOPAD;
use std::fmt;
use thiserror::Error;

/// What a link starts with.
pub const INVITE_PREFIX: &str = "parlour:";
/// Longest link, characters.
pub const MAX_INVITE: usize = 400;
/// Most addresses of an invite.
pub const MAX_INVITE_ADDRESSES: usize = 4;
/// Longest name, bytes of UTF-8.
pub const MAX_INVITE_NAME: usize = 32;
const MAX_PEER: usize = 64;
const CHECKSUM_LEN: usize = 4;
const VERSION: u8 = 1;

/// An invite.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// Who invites.
    pub user: UserId,
    /// libp2p peer id of a device, at most 64 bytes.
    pub peer: Vec<u8>,
    /// Multiaddresses of that device, the best first, at most 4.
    pub addresses: Vec<Vec<u8>>,
    /// Hash of the prekey bundle to start from.
    pub bundle_hash: [u8; 32],
    /// Shows that its holder was invited.
    pub token: [u8; 16],
    /// When it ends, ms.
    pub expires: u64,
    /// How the inviting user calls themselves, at most 32 bytes.
    pub name: Option<String>,
}

impl Invite {
    /// The link, at most 400 characters.
    ///
    /// Addresses behind the fourth, and from the first one on that does not fit, are left out; a name is cut to 32 bytes.
    #[must_use]
    pub fn to_link(&self) -> String {
        shortened(self.addresses.len(), |count| self.link_with(count, None))
    }

    fn link_with(&self, count: usize, room: Option<&ConversationId>) -> String {
        let mut writer = TlvWriter::new();
        begin(&mut writer, &self.user, &self.peer, &self.addresses, count);
        writer
            .field(5, &self.bundle_hash)
            .field(6, &self.token)
            .field(7, &self.expires.to_be_bytes());
        end(writer, self.name.as_deref(), room)
    }

    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    /// See [`InviteError`]. Expiry is not an error here.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        Self::decode(&unwrap(text)?)
    }

    fn decode(tlv: &[u8]) -> Result<Self, InviteError> {
        let mut reader = TlvReader::new(tlv);
        let invite = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(invite)
    }

    fn read(reader: &mut TlvReader<'_>) -> Result<Self, InviteError> {
        let (user, peer, addresses) = read_begin(reader)?;
        let bundle_hash = reader.array(5)?;
        let token = reader.array(6)?;
        let expires = reader.u64(7)?;
        let name = read_name(reader)?;
        Ok(Self {
            user,
            peer,
            addresses,
            bundle_hash,
            token,
            expires,
            name,
        })
    }

    /// Whether it has ended at `now` (ms).
    #[must_use]
    pub fn is_expired(&self, now: u64) -> bool {
        now >= self.expires
    }
}

impl fmt::Debug for Invite {
    /// Leaves out the token and the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invite")
            .field("user", &self.user)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Where a user can be asked to become a contact: an invite that invites nobody in particular, and never ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactAddress {
    /// Who.
    pub user: UserId,
    /// libp2p peer id of a device, at most 64 bytes.
    pub peer: Vec<u8>,
    /// Multiaddresses of that device, the best first, at most 4.
    pub addresses: Vec<Vec<u8>>,
    /// How the user calls themselves, at most 32 bytes.
    pub name: Option<String>,
}

impl ContactAddress {
    /// The link, as [`Invite::to_link`].
    #[must_use]
    pub fn to_link(&self) -> String {
        shortened(self.addresses.len(), |count| {
            let mut writer = TlvWriter::new();
            begin(&mut writer, &self.user, &self.peer, &self.addresses, count);
            end(writer, self.name.as_deref(), None)
        })
    }

    fn decode(tlv: &[u8]) -> Result<Self, InviteError> {
        let mut reader = TlvReader::new(tlv);
        let (user, peer, addresses) = read_begin(&mut reader)?;
        let name = read_name(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            user,
            peer,
            addresses,
            name,
        })
    }
}

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Its holder was invited.
    Invite(Invite),
    /// Its holder may ask.
    Address(ContactAddress),
}

impl Link {
    /// Reads a link; white space around it does not matter.
    ///
    /// # Errors
    /// See [`InviteError`]. Expiry is not an error here.
    pub fn parse(text: &str) -> Result<Self, InviteError> {
        let tlv = unwrap(text)?;
        match ContactAddress::decode(&tlv) {
            Ok(address) => Ok(Self::Address(address)),
            // What it has more than an address are the fields of an invite.
            Err(InviteError::Form(TlvError::Trailing { .. })) => Invite::decode(&tlv).map(Self::Invite),
            Err(error) => Err(error),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        match self {
            Self::Invite(invite) => &invite.user,
            Self::Address(address) => &address.user,
        }
    }

    /// libp2p peer id of their device.
    #[must_use]
    pub fn peer(&self) -> &[u8] {
        match self {
            Self::Invite(invite) => &invite.peer,
            Self::Address(address) => &address.peer,
        }
    }
}

/// The link into `room` that `invite` opens.
pub(crate) fn encode_room(invite: &Invite, room: &ConversationId) -> String {
    shortened(invite.addresses.len(), |count| invite.link_with(count, Some(room)))
}

/// What [`encode_room`] wrote.
pub(crate) fn decode_room(text: &str) -> Result<(Invite, ConversationId), InviteError> {
    let tlv = unwrap(text)?;
    let mut reader = TlvReader::new(&tlv);
    let invite = Invite::read(&mut reader)?;
    let room = ConversationId::from_bytes(reader.array(9)?);
    reader.finish()?;
    Ok((invite, room))
}

/// The link with as many addresses as fit.
fn shortened(addresses: usize, link_with: impl Fn(usize) -> String) -> String {
    let mut count = addresses.min(MAX_INVITE_ADDRESSES);
    loop {
        let link = link_with(count);
        match count.checked_sub(1) {
            Some(fewer) if link.len() > MAX_INVITE => count = fewer,
            _ => return link,
        }
    }
}

fn begin(writer: &mut TlvWriter, user: &UserId, peer: &[u8], addresses: &[Vec<u8>], count: usize) {
    let mut listed = Vec::new();
    for address in addresses.iter().take(count) {
        let Ok(len) = u8::try_from(address.len()) else {
            break;
        };
        listed.push(len);
        listed.extend_from_slice(address);
    }
    writer
        .field(1, &[VERSION])
        .field(2, user.as_bytes())
        .field(3, peer.get(..peer.len().min(MAX_PEER)).unwrap_or_default())
        .field(4, &listed);
}

fn end(mut writer: TlvWriter, name: Option<&str>, room: Option<&ConversationId>) -> String {
    if let Some(name) = name {
        writer.field(8, cut(name).as_bytes());
    }
    if let Some(room) = room {
        writer.field(9, room.as_bytes());
    }
    let mut bytes = writer.finish();
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    format!("{INVITE_PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
}

/// The TLV of a link.
fn unwrap(text: &str) -> Result<Vec<u8>, InviteError> {
    let text = text.trim();
    let encoded = text.strip_prefix(INVITE_PREFIX).ok_or(InviteError::NotAnInvite)?;
    if text.len() > MAX_INVITE {
        return Err(InviteError::TooLong { got: text.len() });
    }
    let mut bytes = BASE64URL_NOPAD
        .decode(encoded.as_bytes())
        .map_err(|_| InviteError::Typo)?;
    let split = bytes.len().checked_sub(CHECKSUM_LEN).ok_or(InviteError::Typo)?;
    let sum = bytes.split_off(split);
    if checksum(&bytes) != *sum {
        return Err(InviteError::Typo);
    }
    Ok(bytes)
}

type Begin = (UserId, Vec<u8>, Vec<Vec<u8>>);

/// User, peer, addresses.
fn read_begin(reader: &mut TlvReader<'_>) -> Result<Begin, InviteError> {
    let version = reader.u8(1)?;
    if version != VERSION {
        return Err(InviteError::Version { got: version });
    }
    let user = UserId::from_bytes(reader.array(2)?);
    let peer = reader.required(3)?;
    if peer.len() > MAX_PEER {
        return Err(too_wide(3, peer));
    }
    Ok((user, peer.to_vec(), decode_addresses(reader.required(4)?)?))
}

fn read_name(reader: &mut TlvReader<'_>) -> Result<Option<String>, InviteError> {
    match reader.optional(8)? {
        Some(name) if name.len() > MAX_INVITE_NAME => Err(too_wide(8, name)),
        Some(name) => Ok(Some(
            std::str::from_utf8(name).map_err(|_| InviteError::Name)?.to_owned(),
        )),
        None => Ok(None),
    }
}

fn too_wide(tag: u8, value: &[u8]) -> InviteError {
    TlvError::Width { tag, got: value.len() }.into()
}

fn checksum(tlv: &[u8]) -> [u8; CHECKSUM_LEN] {
    let [c0, c1, c2, c3, ..] = hash(Purpose::INVITE_CHECKSUM, &[tlv]);
    [c0, c1, c2, c3]
}

/// The longest start of `name` that ends between two characters and fits.
fn cut(name: &str) -> &str {
    let fits = (0..=name.len().min(MAX_INVITE_NAME))
        .rev()
        .find_map(|len| name.get(..len));
    fits.unwrap_or_default()
}

fn decode_addresses(bytes: &[u8]) -> Result<Vec<Vec<u8>>, InviteError> {
    let mut reader = ByteReader::new(bytes);
    let mut addresses = Vec::new();
    while let Some(len) = reader.u8() {
        if addresses.len() == MAX_INVITE_ADDRESSES {
            return Err(InviteError::Addresses);
        }
        addresses.push(reader.take(usize::from(len)).ok_or(TlvError::Truncated)?.to_vec());
    }
    Ok(addresses)
}

/// Why a text is not an invite.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InviteError {
    /// It does not start as one.
    #[error("this is not an invite: it does not start with \"parlour:\"")]
    NotAnInvite,
    /// Over 400 characters.
    #[error("the invite has {got} characters, over the limit of 400")]
    TooLong {
        /// Characters found.
        got: usize,
    },
    /// A character is wrong, missing or too much.
    #[error("the invite has a typo or was cut short")]
    Typo,
    /// Made by a newer version.
    #[error("the invite has the unknown version {got}")]
    Version {
        /// Version found.
        got: u8,
    },
    /// Not of the fixed form, though its checksum is right.
    #[error("the invite is not of its form")]
    Form(#[from] TlvError),
    /// More than 4 addresses.
    #[error("the invite names too many addresses")]
    Addresses,
    /// The name is not UTF-8.
    #[error("the name in the invite cannot be read")]
    Name,
}

#[cfg(test)]
mod tests;
