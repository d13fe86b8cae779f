//! Handshake suites: 1 is X25519 alone, 2 adds ML-KEM-768 (PROTOCOL.md section 4).

/// A handshake suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// Suite 1: X25519.
    Classic,
    /// Suite 2: X25519 and ML-KEM-768.
    Hybrid,
}

impl Suite {
    /// The suite's number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Classic => 1,
            Self::Hybrid => 2,
        }
    }

    /// The suite with this number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Classic),
            2 => Some(Self::Hybrid),
            _ => None,
        }
    }
}

/// The suites a device takes part in: at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suites(u8);

impl Suites {
    /// Both suites.
    pub const ALL: Self = Self(0b11);
    /// Suite 1 alone.
    pub const CLASSIC: Self = Self(0b01);

    /// Reads the bits of a certificate or bundle: bit 0 = suite 1, bit 1 = suite 2, at least one, no other.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1..=3 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The bits as written.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether `suite` is among them.
    #[must_use]
    pub const fn contains(self, suite: Suite) -> bool {
        self.0 & suite.number() != 0
    }

    /// Whether all of `others` are among them.
    #[must_use]
    pub const fn include(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// The strongest suite both sides take part in.
    #[must_use]
    pub fn common(self, other: Self) -> Option<Suite> {
        [Suite::Hybrid, Suite::Classic]
            .into_iter()
            .find(|suite| self.contains(*suite) && other.contains(*suite))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_common_suite_is_chosen() {
        let hybrid_only = Suites::from_bits(0b10).unwrap();
        assert_eq!(Suites::ALL.common(Suites::ALL), Some(Suite::Hybrid));
        assert_eq!(Suites::ALL.common(Suites::CLASSIC), Some(Suite::Classic));
        assert_eq!(hybrid_only.common(Suites::CLASSIC), None);
    }

    #[test]
    fn suites_include_themselves_and_fewer() {
        let hybrid_only = Suites::from_bits(0b10).unwrap();
        for all in [Suites::ALL, Suites::CLASSIC, hybrid_only] {
            assert!(all.include(all) && Suites::ALL.include(all));
            assert_eq!(all.include(Suites::ALL), all == Suites::ALL);
        }
        assert!(!hybrid_only.include(Suites::CLASSIC) && !Suites::CLASSIC.include(hybrid_only));
    }

    #[test]
    fn no_suite_and_unknown_suites_are_refused() {
        for bits in 0..=255 {
            assert_eq!(Suites::from_bits(bits).is_some(), (1..=3).contains(&bits));
            assert_eq!(
                Suite::from_number(bits).map(Suite::number),
                (1..=2).contains(&bits).then_some(bits)
            );
        }
    }
}
