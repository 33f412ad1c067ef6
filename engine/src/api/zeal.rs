//! [`Zeal`]: test modes.

/// Test modes that make rare paths frequent. All are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Zeal {
    /// Leave the baseline compiler two allocatable registers of each class.
    pub spill: bool,
    /// Run the slow path of every stack check and loop poll.
    pub interrupt: bool,
    /// Go through loops, which do not poll, step by step, and interrupt them at each header.
    pub step: bool,
    /// Compile on the program's thread: functions with loops start in the baseline, and every loop
    /// header hands over to optimised code at its first turn; all others are optimised at their
    /// first call. Means something with [`Tier::Auto`](crate::Tier::Auto) only.
    pub tier: bool,
    /// Throw an exception before one call of a function in four, and catch it right there.
    pub exceptions: bool,
    /// Inline as much as the optimising compiler can.
    pub inline: bool,
    /// Compile everything in the optimising compiler with the least effort.
    pub quick: bool,
    /// Collect garbage at every allocation, overwrite what was moved, and check all objects.
    pub gc: bool,
    /// With [`Self::tier`], draw for each function whether it stays in the baseline, is optimised at
    /// its first call, or goes over at its second call or a loop header. With [`Self::exceptions`],
    /// what draws the calls that throw.
    pub seed: Option<u64>,
}

impl Zeal {
    /// No test mode.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            spill: false,
            interrupt: false,
            step: false,
            tier: false,
            exceptions: false,
            inline: false,
            quick: false,
            gc: false,
            seed: None,
        }
    }

    /// The modes of both, with the seed of `other` if it has one.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        let Self { spill, interrupt, step, tier, exceptions, inline, quick, gc, seed } = other;
        Self {
            spill: self.spill | spill,
            interrupt: self.interrupt | interrupt,
            step: self.step | step,
            tier: self.tier | tier,
            exceptions: self.exceptions | exceptions,
            inline: self.inline | inline,
            quick: self.quick | quick,
            gc: self.gc | gc,
            seed: seed.or(self.seed),
        }
    }

    /// Sets the mode called `name`.
    ///
    /// # Errors
    /// When there is no such mode.
    pub fn enable(&mut self, name: &str) -> crate::Result<()> {
        match name {
            "spill" => self.spill = true,
            "interrupt" => self.interrupt = true,
            "step" => self.step = true,
            "tier" => self.tier = true,
            "exceptions" => self.exceptions = true,
            "inline" => self.inline = true,
            "quick" => self.quick = true,
            "gc" => self.gc = true,
            _ => anyhow::bail!(
                "unknown zeal mode `{name}`; known are: {}",
                "spill, interrupt, step, tier, exceptions, inline, quick, gc"
            ),
        }
        Ok(())
    }
}
