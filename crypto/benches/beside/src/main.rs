//! A message sealed and opened here and by vodozemac (a direct one by Olm, a room's by Megolm), in turns of a few milliseconds,
//! so that both meet the same machine. Same payloads, in order, sessions that both sides have confirmed. Here the bytes of the
//! envelope are made and read within the measured time; of Olm and Megolm only the cipher is measured, its encoding is not. For a
//! room both sign and verify one signature. Nothing is written to a disk.

use std::hint::black_box;
use std::time::{Duration, Instant};

use parlour_crypto::{
    DeviceCert, DeviceKeys, EnvelopePrefix, FirstFlight, Identity, ListReference, OneTimeSecret, PrekeySecret, Session,
    initiate, parse,
};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use vodozemac::olm::{Account, OlmMessage, SessionConfig};

mod room;

const NOW: u64 = 1_767_225_600_000;
const DAY: u16 = 20_454;
const SIZES: [usize; 2] = [100, 1024];
/// A chain of ours ends at 65 536 messages.
const ROUNDS: usize = 250;
const MESSAGES: usize = 200;
const WARM_UP: usize = 10;
/// What is asked of us: time of ours in times of theirs.
const GOALS: [(&str, f64); 2] = [("encrypt", 1.0), ("decrypt", 2.5)];
const ROOM_GOALS: [(&str, f64); 2] = [("room encrypt", 1.0), ("room decrypt", 1.05)];

/// One side of the comparison.
trait Talk {
    /// The time to seal [`MESSAGES`] messages and the time to open them.
    fn turn(&mut self, payload: &[u8]) -> (Duration, Duration);
}

/// Two sides of a session.
struct Ours {
    from: Session,
    to: Session,
    rng: ChaCha20Rng,
}

struct Theirs {
    from: vodozemac::olm::Session,
    to: vodozemac::olm::Session,
}

/// The times of one turn.
struct Turn {
    ours: Duration,
    theirs: Duration,
}

/// Of one operation on one size, µs a message.
struct Row {
    operation: &'static str,
    size: usize,
    ours: f64,
    theirs: f64,
    ratio: f64,
    goal: f64,
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').take(3).collect::<Vec<_>>();
    let direct = SIZES
        .into_iter()
        .flat_map(|size| measure(size, GOALS, &mut ours(), &mut theirs()));
    let rooms = SIZES
        .into_iter()
        .flat_map(|size| measure(size, ROOM_GOALS, &mut room::Ours::new(), &mut room::Theirs::new()));
    let rows: Vec<Row> = direct.chain(rooms).collect();
    if json {
        let rows: Vec<String> = rows.iter().map(Row::json).collect();
        println!("{{\"load\":[{}],\"rows\":[{}]}}", load.join(","), rows.join(","));
        return;
    }
    println!(
        "load average {}; {ROUNDS} turns of {MESSAGES} messages each, medians\n",
        load.join(" ")
    );
    println!(
        "{:<12} {:>6} {:>11} {:>12} {:>7}  goal",
        "", "bytes", "parlour µs", "vodozemac µs", "ratio"
    );
    for row in &rows {
        let met = if row.ratio <= row.goal { "met" } else { "missed" };
        println!(
            "{:<12} {:>6} {:>11.2} {:>12.2} {:>7.2}  {:.2} {met}",
            row.operation, row.size, row.ours, row.theirs, row.ratio, row.goal
        );
    }
}

impl Row {
    fn of(operation: &'static str, goal: f64, size: usize, turns: &[Turn]) -> Self {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / MESSAGES as f64;
        Self {
            operation,
            size,
            ours: median(turns.iter().map(|turn| each(turn.ours)).collect()),
            theirs: median(turns.iter().map(|turn| each(turn.theirs)).collect()),
            ratio: median(
                turns
                    .iter()
                    .map(|turn| turn.ours.as_secs_f64() / turn.theirs.as_secs_f64())
                    .collect(),
            ),
            goal,
        }
    }

    fn json(&self) -> String {
        format!(
            "{{\"operation\":\"{}\",\"bytes\":{},\"parlour_us\":{:.3},\"vodozemac_us\":{:.3},\"ratio\":{:.3},\"goal\":{}}}",
            self.operation, self.size, self.ours, self.theirs, self.ratio, self.goal
        )
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(size: usize, goals: [(&'static str, f64); 2], ours: &mut impl Talk, theirs: &mut impl Talk) -> [Row; 2] {
    let payload = vec![7; size];
    let (mut encrypt, mut decrypt) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM_UP {
        let (ours_sealed, ours_opened) = ours.turn(&payload);
        let (theirs_sealed, theirs_opened) = theirs.turn(&payload);
        if round >= WARM_UP {
            encrypt.push(Turn {
                ours: ours_sealed,
                theirs: theirs_sealed,
            });
            decrypt.push(Turn {
                ours: ours_opened,
                theirs: theirs_opened,
            });
        }
    }
    let [(sealing, seal_goal), (opening, open_goal)] = goals;
    [
        Row::of(sealing, seal_goal, size, &encrypt),
        Row::of(opening, open_goal, size, &decrypt),
    ]
}

impl Talk for Ours {
    fn turn(&mut self, payload: &[u8]) -> (Duration, Duration) {
        let mut sealed = Vec::with_capacity(MESSAGES);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            sealed.push(self.from.seal(&mut self.rng, DAY, black_box(payload)).expect("sealed"));
        }
        let sealing = began.elapsed();
        let began = Instant::now();
        for envelope in &sealed {
            black_box(self.to.open(black_box(envelope), NOW).expect("opened"));
        }
        let opening = began.elapsed();
        // What a node would write; nothing was skipped, so that is the chain at most.
        assert!(self.to.take_changes().len() <= 1, "messages were skipped");
        (sealing, opening)
    }
}

impl Talk for Theirs {
    fn turn(&mut self, payload: &[u8]) -> (Duration, Duration) {
        let mut sealed = Vec::with_capacity(MESSAGES);
        let began = Instant::now();
        for _ in 0..MESSAGES {
            sealed.push(self.from.encrypt(black_box(payload)).expect("sealed"));
        }
        let sealing = began.elapsed();
        assert!(matches!(sealed[0], OlmMessage::Normal(_)), "the session is established");
        let began = Instant::now();
        for message in &sealed {
            black_box(self.to.decrypt(black_box(message)).expect("opened"));
        }
        (sealing, began.elapsed())
    }
}

fn device(seed: u8) -> (DeviceKeys, DeviceCert) {
    let keys = DeviceKeys::generate(&mut ChaCha20Rng::from_seed([seed; 32]));
    let cert = DeviceCert::issue(&Identity::from_entropy(&[seed; 32]), &keys, 1, NOW);
    (keys, cert)
}

fn ours() -> Ours {
    let mut rng = ChaCha20Rng::from_seed([9; 32]);
    let ((a, a_cert), (b, b_cert)) = (device(1), device(2));
    let prekey = PrekeySecret::generate(&mut rng, 1);
    let bundle = prekey.bundle(&b, &b_cert, NOW, NOW + 1_000_000);
    let one_time = OneTimeSecret::generate(&mut rng, 1);
    let list = ListReference {
        version: 1,
        hash: [1; 8],
    };
    let prefix = EnvelopePrefix { day: DAY, tag: [7; 8] };
    let one = one_time.public();
    let flight = initiate(&mut rng, &a, &a_cert, list, &b_cert, &bundle, Some(&one), NOW).expect("begun");
    let (mut from, envelope) = flight.seal(&mut rng, &prefix, b"hello").expect("sealed");
    let (prefix, body) = parse(&envelope).expect("an envelope");
    let flight = FirstFlight::parse(body).expect("a first flight");
    let opened = flight.open(
        &prefix,
        &b,
        &b_cert,
        &prekey,
        bundle.hash(),
        Some(&one_time),
        |_| None,
        NOW,
    );
    let mut to = opened.expect("answered").session;
    let answer = to.seal(&mut rng, DAY, b"hello").expect("sealed");
    from.open(&answer, NOW).expect("opened");
    Ours { from, to, rng }
}

fn theirs() -> Theirs {
    let (a, mut b) = (Account::new(), Account::new());
    b.generate_one_time_keys(1);
    let one_time = *b.one_time_keys().values().next().expect("a key");
    let config = SessionConfig::version_1();
    let mut from = a
        .create_outbound_session(config, b.curve25519_key(), one_time)
        .expect("begun");
    let OlmMessage::PreKey(first) = from.encrypt(b"hello").expect("sealed") else {
        unreachable!("the first message is one")
    };
    let mut to = b
        .create_inbound_session(config, a.curve25519_key(), &first)
        .expect("answered")
        .session;
    let answer = to.encrypt(b"hello").expect("sealed");
    from.decrypt(&answer).expect("opened");
    Theirs { from, to }
}
