//! Engines that generated programs run in: all of them, or some for each program.

use crate::modes::Mode;
use upshift::Engine;

/// An engine and its mode.
type InMode = (Mode, Engine);

/// See the module head.
#[derive(Clone, Debug)]
pub struct Engines {
    /// Those that start fast: they have no optimizer, or rarely use it.
    fast: Vec<InMode>,
    optimizing: Vec<InMode>,
    /// One program in so many is optimised.
    optimized: u64,
}

impl Engines {
    /// Engines of these modes.
    ///
    /// # Panics
    /// When the machine cannot run the engine.
    #[must_use]
    pub fn of(modes: impl IntoIterator<Item = Mode>, optimized: u64) -> Self {
        let engine = |mode: Mode| {
            let engine = Engine::new(&mode.config).expect("the machine can run the engine");
            (mode, engine)
        };
        let (fast, optimizing): (Vec<Mode>, Vec<Mode>) = modes.into_iter().partition(starts_fast);
        let [fast, optimizing] = [fast, optimizing].map(|m| m.into_iter().map(engine).collect());
        Self { fast, optimizing, optimized }
    }

    /// Runs a check in all of them.
    ///
    /// # Errors
    /// The mode, and what the check says.
    pub fn check_all(&self, check: impl Fn(&Engine) -> Result<(), String>) -> Result<(), String> {
        let mut all = self.fast.iter().chain(&self.optimizing);
        all.try_for_each(|engine| check_in(engine, &check))
    }

    /// Runs a check in one that starts fast, and now and then in one that optimizes, where there are such;
    /// a number says in which. Gives how many modes it were.
    ///
    /// # Errors
    /// As [`Self::check_all`].
    pub fn check_some(
        &self,
        number: u64,
        check: impl Fn(&Engine) -> Result<(), String>,
    ) -> Result<u64, String> {
        let optimized = number.is_multiple_of(self.optimized);
        let optimizing = if optimized { &self.optimizing[..] } else { &[] };
        let chosen = [pick(&self.fast, number), pick(optimizing, number / self.optimized)];
        let chosen = chosen.into_iter().flatten();
        chosen.map(|engine| check_in(engine, &check).map(|()| 1)).sum()
    }
}

/// Whether functions are not optimised from the start.
fn starts_fast(mode: &Mode) -> bool {
    matches!(mode.name, "baseline" | "spill" | "interrupt" | "gc" | "null-collector")
}

fn pick(engines: &[InMode], number: u64) -> Option<&InMode> {
    let count = u64::try_from(engines.len()).expect("a small number");
    let index = number.checked_rem(count)?;
    Some(&engines[usize::try_from(index).expect("below a length")])
}

fn check_in(
    (mode, engine): &InMode,
    check: impl Fn(&Engine) -> Result<(), String>,
) -> Result<(), String> {
    let checked = check(engine).and_then(|()| mode.refusals.check());
    checked.map_err(|difference| format!("{}: {difference}", mode.name))
}
