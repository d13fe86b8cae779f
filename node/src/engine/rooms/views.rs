//! Views that were never ours: of several operations at once that others knew before they knew more. Whoever gives what was written
//! under one is asked for the heads behind it, which the view itself proves.

use parlour_crypto::{Control, ConversationId, EventId, Frame, MAX_RECEIVED, MAX_ROOM_HEADS, membership_view};
use parlour_store::rooms;
use parlour_store::{ConversationNo, DeviceNo, StoreError, conversations, outbox};

use crate::engine::Engine;
use crate::engine::effects::Turn;

/// In the ext of `RoomHeads`: the view whose heads are asked for, 32 bytes.
const EXT_VIEW: u16 = 1;
/// Views that are remembered as unknown, or as asked for.
const MAX_UNKNOWN: usize = 256;
/// Questions and answers on their way to one device.
const MAX_WAITING: usize = 16;
/// Operations that are remembered as behind the views of others.
const MAX_WANTED: usize = 4_096;

impl Engine {
    /// Something was refused whose view is not known.
    pub(super) fn miss_view(&mut self, no: ConversationNo, view: [u8; 32]) {
        if self.rooms.unknown_views.len() < MAX_UNKNOWN {
            self.rooms.unknown_views.insert((no, view));
        }
    }

    /// Asks a device for the heads behind the views of what it gave us and we could not judge; each once, and so many at a time.
    pub(crate) fn ask_for_views(&mut self, turn: &mut Turn<'_, '_>, device: DeviceNo) -> Result<(), StoreError> {
        let unknown = std::mem::take(&mut self.rooms.unknown_views);
        if unknown.is_empty() {
            return Ok(());
        }
        let room = MAX_WAITING.saturating_sub(waiting(turn, device)?);
        for (no, view) in unknown.into_iter().take(room) {
            let Some(room) = conversations::id_of(turn.txn, no)? else {
                continue;
            };
            if self.rooms.asked_views.len() >= MAX_UNKNOWN {
                self.rooms.asked_views.clear();
            }
            if self.rooms.asked_views.insert((device, no, view)) {
                let question = Control::RoomHeads {
                    room,
                    heads: Vec::new(),
                    ext: vec![(EXT_VIEW, view.to_vec())],
                };
                self.post_control(turn, device, question)?;
            }
        }
        Ok(())
    }

    /// Heads of a room: those behind a view that is asked for, or those behind one that we asked for. `false`: too many answers are on
    /// their way, so that the question is not acknowledged and comes again.
    pub(crate) fn on_room_heads(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        room: &ConversationId,
        heads: &[EventId],
        ext: &parlour_crypto::Ext,
    ) -> Result<bool, StoreError> {
        let Some(no) = self.shared_number(turn, device, room)? else {
            return Ok(true);
        };
        let asked = ext.iter().find(|(number, _)| *number == EXT_VIEW);
        let asked = asked.and_then(|(_, view)| <[u8; 32]>::try_from(view.as_slice()).ok());
        if let Some(view) = asked {
            return self.answer_view(turn, device, (no, room), &view);
        }
        let view = membership_view(room, heads);
        if !self.rooms.asked_views.remove(&(device, no, view)) {
            return Ok(true);
        }
        let Some(folded) = self.folded(turn, no)? else {
            return Ok(true);
        };
        let missing: Vec<EventId> = heads.iter().filter(|head| !folded.contains(head)).copied().collect();
        if missing.is_empty() {
            rooms::put_view(turn.txn, no, &view, heads);
            return Ok(true);
        }
        // What stands beside something else in its place does not come by itself. The question comes again with the message, but not
        // before something that is wanted has come.
        if self.rooms.wanted.len().saturating_add(missing.len()) > MAX_WANTED {
            self.rooms.wanted.clear();
        }
        let known = self.rooms.wanted.len();
        self.rooms.wanted.extend(missing.iter().map(|head| (no, *head)));
        if self.rooms.wanted.len() == known {
            self.rooms.asked_views.insert((device, no, view));
        }
        if let Some((stream, _)) = self.link_to(device) {
            let ids = missing.into_iter().take(MAX_RECEIVED).collect();
            self.send_frame(
                turn,
                stream,
                &Frame::Want {
                    conversation: *room,
                    ids,
                },
            );
        }
        Ok(true)
    }

    /// Operations that are not here, and that others build on or knew when they wrote.
    pub(crate) fn missing_operations(
        &mut self,
        turn: &Turn<'_, '_>,
        no: ConversationNo,
    ) -> Result<Vec<EventId>, StoreError> {
        let mut ids = self
            .folded(turn, no)?
            .map(|folded| folded.missing())
            .unwrap_or_default();
        let of_room = (no, EventId::from_bytes([0; 32]))..=(no, EventId::from_bytes([u8::MAX; 32]));
        ids.extend(self.rooms.wanted.range(of_room).map(|(_, id)| *id));
        Ok(ids)
    }

    fn answer_view(
        &mut self,
        turn: &mut Turn<'_, '_>,
        device: DeviceNo,
        (no, room): (ConversationNo, &ConversationId),
        view: &[u8; 32],
    ) -> Result<bool, StoreError> {
        // More than can be told come to fewer with the next operations of others.
        let Some(heads) = self
            .heads_of(turn, no, view)?
            .filter(|heads| heads.len() <= MAX_ROOM_HEADS)
        else {
            return Ok(true);
        };
        if waiting(turn, device)? >= MAX_WAITING {
            return Ok(false);
        }
        let answer = Control::RoomHeads {
            room: *room,
            heads,
            ext: Vec::new(),
        };
        self.post_control(turn, device, answer)?;
        // What was not taken without it is offered again, behind it.
        if let Some((_, link)) = self.link_to(device) {
            link.offer_again(no);
        }
        Ok(true)
    }
}

/// How many questions and answers wait for a device.
fn waiting(turn: &Turn<'_, '_>, device: DeviceNo) -> Result<usize, StoreError> {
    let rows = outbox::of_device(turn.txn, device)?;
    let heads = rows
        .iter()
        .filter(|row| matches!(row.control, Control::RoomHeads { .. }));
    Ok(heads.count())
}
