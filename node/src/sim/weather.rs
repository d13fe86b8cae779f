//! Which faults a run has, and how often. Each seed draws its own mixture: faults that are always all there hide each other.

use super::Sim;

/// What the schedule may do. Chances in 1000: of a message (loss, repeat), of a turn (crash, full, power: of those crashes), of a step
/// of the storm (the others).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) repeat: u64,
    pub(super) max_delay_ms: u64,
    /// The process ends at some point of a turn.
    pub(super) crash: u64,
    /// A crash takes what was not synced along.
    pub(super) power: u64,
    /// A checkpoint is made after the turn, though the journal is short.
    pub(super) checkpoint: u64,
    /// The turn cannot be written.
    pub(super) full: u64,
    /// A pair cannot reach each other, and knows it at once.
    pub(super) cut: u64,
    /// A link carries nothing, in one direction or both, and nobody is told.
    pub(super) silent: u64,
    /// Somebody's clock is set to another time.
    pub(super) jump: u64,
    /// The machine sleeps for hours.
    pub(super) sleep: u64,
    /// An old copy of somebody's data is put back.
    pub(super) restore: u64,
    /// Somebody blocks or unblocks somebody.
    pub(super) block: u64,
    /// The bad contact does something, if there is one.
    pub(super) attack: u64,
}

pub(super) const CALM: Weather = Weather {
    loss: 0,
    repeat: 0,
    max_delay_ms: 20,
    crash: 0,
    power: 0,
    checkpoint: 0,
    full: 0,
    cut: 0,
    silent: 0,
    jump: 0,
    sleep: 0,
    restore: 0,
    block: 0,
    attack: 0,
};

/// What happens to messages and processes in a middling storm.
pub(super) const STORM: Weather = Weather {
    loss: 150,
    repeat: 100,
    max_delay_ms: 400,
    crash: 4,
    ..CALM
};

impl Sim {
    /// The weather of this seed.
    pub(super) fn draw_weather(&mut self) -> Weather {
        let mut some = |in_1000: u64, most: u64| match self.chance(in_1000) {
            true => 1 + self.below(most),
            false => 0,
        };
        Weather {
            loss: some(600, 300),
            repeat: some(500, 200),
            max_delay_ms: 1 + some(800, 500),
            crash: some(600, 8),
            power: some(700, 1_000),
            checkpoint: some(800, 20),
            full: some(250, 8),
            cut: some(600, 200),
            silent: some(500, 150),
            jump: some(350, 80),
            sleep: some(200, 30),
            restore: some(250, 40),
            block: some(300, 120),
            attack: some(400, 600),
        }
    }

    /// The faults of one step of the storm, but for those that happen in turns and on the way.
    pub(super) fn strike(&mut self, honest: usize) {
        let Weather {
            cut,
            silent,
            jump,
            sleep,
            restore,
            block,
            attack,
            ..
        } = self.weather;
        let count = self.nodes.len() as u64;
        let a = self.below(count) as usize;
        let b = (a + 1 + self.below(count - 1) as usize) % self.nodes.len();
        if self.chance(cut) {
            self.note("cut");
            self.cut(a, b);
        }
        if self.chance(silent) {
            self.note("silent link");
            let both = self.chance(300);
            self.silence(a, b);
            if both {
                self.silence(b, a);
            }
        }
        if self.chance(cut.max(silent)) {
            let all = self.chance(200);
            self.mend(a, b);
            if all {
                self.mend_all();
            }
        }
        let who = self.below(honest as u64) as usize;
        if self.chance(jump) {
            self.jump(who);
        }
        if self.chance(sleep) {
            self.note("sleep");
            self.now += super::HOUR * (1 + self.below(20));
        }
        if self.chance(restore) {
            self.copy_or_restore(who);
        }
        if self.chance(block) {
            self.block_or_unblock(who);
        }
        if honest < self.nodes.len() && self.chance(attack) {
            self.attack(honest);
        }
    }

    /// Sets a clock forwards or backwards, by seconds to days.
    fn jump(&mut self, who: usize) {
        let size = match self.below(4) {
            0 => self.below(60 * super::SECOND),
            1 => self.below(20 * super::MINUTE),
            2 => self.below(5 * super::HOUR),
            _ => self.below(3 * super::DAY),
        };
        let back = self.chance(500);
        self.note(if back { "clock set back" } else { "clock set forward" });
        let by = i64::try_from(size).unwrap_or(0);
        let node = &mut self.nodes[who];
        node.ahead += if back { -by } else { by };
        self.schedule_tick(who);
    }
}
