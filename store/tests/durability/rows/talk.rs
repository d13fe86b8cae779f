//! Conversations, logs, and what stands in them.

use super::*;

pub(super) fn conversation() -> ConversationRow {
    ConversationRow {
        id: ConversationId::from_bytes([9; 32]),
        kind: ConversationKind::Room,
        created: 1,
        heads: vec![(2, event(3)), (4, event(5))],
        last_seq: 6,
        read_seq: 5,
        unread: 1,
        missing: 2,
        last: Some((7, event(8), AT)),
        mentions: 3,
    }
}

fn feed_rows() -> Vec<FeedRow> {
    let (conversation, log, device) = (ROOM, 2, DEVICE);
    vec![
        FeedRow::Message { event: AT, room_seq: 5 },
        FeedRow::Sent {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Delivered {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Contact { user: user(1) },
        FeedRow::Conversation { conversation },
        FeedRow::Changed { event: AT },
        FeedRow::Read {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Request { user: user(2) },
        FeedRow::System { event: AT },
        FeedRow::Report {
            conversation,
            target: event(3),
            by: user(4),
        },
        FeedRow::Failed {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Expired {
            conversation,
            log,
            device,
            seqs: seqs(),
        },
        FeedRow::Own,
        FeedRow::Knock {
            conversation,
            user: user(5),
        },
        FeedRow::PublicRoom {
            room: parlour_crypto::ConversationId::from_bytes([6; 32]),
        },
    ]
}

pub(super) fn tables() -> Vec<Table> {
    let log = logs::LogRow {
        have: seqs(),
        top: Some(event(1)),
        forked: true,
        unordered: false,
    };
    let delivery = logs::DeliveryRow {
        acked: [1, 2].into_iter().collect(),
        sent: seqs(),
    };
    let mark = read_marks::ReadMarkRow {
        clock: 1,
        event: event(2),
        noted: 3,
        arrived: 4,
    };
    let mut read = read_marks::ReadLogRow::default();
    read.add(&seqs(), 5, 64);
    let client = client_ids::ClientIdRow { event: AT, created: 6 };
    let control = outbox::OutboxRow {
        id: [1; 16],
        control: Control::Received { ids: vec![[2; 16]] },
        created: 3,
        envelope: Some(vec![4; 5].into()),
    };
    let place = Position { clock: 9, id: event(9) };
    let entry = TimelineEntry {
        at: place,
        event: AT,
        room_seq: 7,
    };
    let (log_too, delivery_too, read_too, client_too, control_too) =
        (log.clone(), delivery.clone(), read.clone(), client, control.clone());
    vec![
        table(
            "conversations",
            |txn| {
                let (no, made) = conversations::ensure(txn, &conversation().id, ConversationKind::Room, 1).unwrap();
                assert_eq!((no, made), (ROOM, true));
                conversations::put(txn, ROOM, &conversation());
            },
            |store| {
                assert_eq!(conversations::number(store, &conversation().id).unwrap(), Some(ROOM));
                assert_eq!(conversations::id_of(store, ROOM).unwrap(), Some(conversation().id));
                conversations::get(store, ROOM).unwrap() == Some(conversation())
            },
        ),
        table(
            "logs",
            move |txn| {
                logs::put(txn, &LOG, &log_too);
                logs::put_delivery(txn, &LOG, DEVICE, &delivery_too);
            },
            move |store| {
                logs::get(store, &LOG).unwrap() == log && logs::delivery(store, &LOG, DEVICE).unwrap() == delivery
            },
        ),
        table(
            "read marks",
            move |txn| {
                read_marks::put(txn, ROOM, DEVICE, &mark);
                read_marks::put_of_log(txn, &LOG, DEVICE, &read_too);
            },
            move |store| {
                read_marks::get(store, ROOM, DEVICE).unwrap() == Some(mark) && {
                    let found = read_marks::of_log(store, &LOG, DEVICE).unwrap();
                    // A row that was kept has no times.
                    let timeless = found.read_at(1).is_none() && found.seqs == read.seqs && found.noted == read.noted;
                    found == read || timeless
                }
            },
        ),
        table(
            "client ids",
            move |txn| client_ids::put(txn, ROOM, "client", &client_too),
            move |store| client_ids::get(store, ROOM, "client").unwrap().as_ref() == Some(&client),
        ),
        table(
            "outbox",
            move |txn| outbox::put(txn, DEVICE, &control_too),
            move |store| outbox::of_device(store, DEVICE).unwrap() == std::slice::from_ref(&control),
        ),
        table(
            "timeline",
            move |txn| {
                timeline::put(txn, ROOM, &entry);
                timeline::hold(txn, 5, &AT);
                timeline::mark_missing(txn, ROOM, &event(6)).unwrap();
                system::put(txn, &place, &AT);
            },
            move |store| {
                timeline::get(store, ROOM, &place).unwrap() == Some(entry)
                    && timeline::by_room_seq(store, ROOM, 7).unwrap() == Some(place)
                    && timeline::due(store, 5, 9).unwrap() == [(5, AT)]
                    && timeline::missing(store, ROOM, (None, 9)).unwrap() == [event(6)]
                    && system::all(store, ROOM)
                        .map(Result::unwrap)
                        .map(|entry| entry.event)
                        .eq([AT])
            },
        ),
        table(
            "feed",
            |txn| {
                for row in feed_rows() {
                    feed::append(txn, &row).unwrap();
                }
            },
            |store| {
                let rows = feed::after(store, 0, 100).unwrap().into_iter().map(|(_, row)| row);
                feed_rows().iter().all(|wanted| rows.clone().any(|row| row == *wanted))
            },
        ),
        table(
            "counters",
            |txn| meta::set_counter(txn, CounterName::Card, 1_234_567),
            |store| meta::counter(store, CounterName::Card).unwrap() == 1_234_567,
        ),
    ]
}
