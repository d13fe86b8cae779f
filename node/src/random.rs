//! Randomness of the operating system, as the traits of `rand_core`.

use rand_core::{TryCryptoRng, TryRng};

/// The operating system's generator. If it fails there is no safe way on, so the process stops.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemRng;

impl TryRng for SystemRng {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        #[expect(clippy::expect_used, reason = "no key may ever be made from anything but randomness")]
        getrandom::fill(bytes).expect("the operating system gives randomness");
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}
