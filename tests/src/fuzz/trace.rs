//! What a module did, step by step, and how two accounts of it are compared.

use upshift::{Error, Exception, LinkError, Trap};
use upshift_abi::code::CompileError;

/// See the module head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    steps: Vec<Step>,
    /// Whether the steps from here on depend on more than the module: the stack's size, time.
    pub(super) ended_early: bool,
    /// Exports that were called.
    pub(super) calls: u64,
}

/// Something that can be seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Results of a call, the content of a memory and the like.
    Seen(String),
    /// An end that came from a limit or from imports, before anything ran.
    Refused(&'static str),
    /// A call or a start function trapped.
    Trap(Trap),
    /// Fuel that a call left.
    Fuel(u64),
}

impl Trace {
    pub(super) fn note(&mut self, step: Step) {
        if !self.ended_early {
            self.steps.push(step);
        }
    }

    pub(super) fn see(&mut self, what: impl Into<String>) {
        self.note(Step::Seen(what.into()));
    }

    /// How many steps are known.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Notes an error; one that depends on the stack or on time ends the trace.
    pub(super) fn note_error(&mut self, error: &Error) -> Result<(), String> {
        let trap = error.chain().find_map(|cause| cause.downcast_ref::<Trap>());
        let compiler = error.chain().find_map(|cause| cause.downcast_ref::<CompileError>());
        match (trap, compiler) {
            (Some(Trap::StackOverflow | Trap::Interrupt), _) => self.ended_early = true,
            (Some(trap), _) => self.note(Step::Trap(*trap)),
            (None, Some(CompileError::Malformed { .. })) => return Err(format!("{error:#}")),
            // Frames and code differ in size between configurations.
            (None, Some(_)) => self.ended_early = true,
            (None, None) if error.is::<Exception>() => self.see("exception"),
            (None, None) if error.chain().any(|cause| cause.is::<LinkError>()) => {
                self.note(Step::Refused("link error"));
            }
            (None, None) if is_resource_error(error) => self.note(Step::Refused("limit")),
            (None, None) => return Err(format!("untyped error: {error:#}")),
        }
        Ok(())
    }

    /// Compares two traces as far as both are certain.
    pub(super) fn compare(&self, other: &Self) -> Result<(), String> {
        for (i, (a, b)) in self.steps.iter().zip(&other.steps).enumerate() {
            if a != b {
                return Err(format!("step {i}: `{b:?}`, not `{a:?}`"));
            }
        }
        let (a, b) = (self.steps.len(), other.steps.len());
        let shorter_ended = if a < b { self.ended_early } else { other.ended_early };
        if a != b && !shorter_ended {
            return Err(format!("{b} steps, not {a}"));
        }
        Ok(())
    }

    /// What another engine must do as well. Fuel is ours alone, and so is what comes after a call that had
    /// too little; nothing ran where a limit forbade it; and engines name some traps alike.
    pub(super) fn for_others(&self) -> Self {
        let mut steps = Vec::new();
        for step in &self.steps {
            match step {
                Step::Refused(_) | Step::Trap(Trap::OutOfFuel) => {
                    return Self { steps, ended_early: true, calls: self.calls };
                }
                Step::Trap(Trap::UndefinedElement) => {
                    steps.push(Step::Trap(Trap::TableOutOfBounds));
                }
                Step::Fuel(_) => {}
                Step::Seen(_) | Step::Trap(_) => steps.push(step.clone()),
            }
        }
        Self { steps, ended_early: self.ended_early, calls: self.calls }
    }
}

/// Errors that say that a limit of the store was reached.
pub(super) fn is_resource_error(error: &Error) -> bool {
    let text = format!("{error:#}");
    ["limit", "exceed", "too large", "out of memory", "allocate"]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(steps: &[Step]) -> Trace {
        Trace { steps: steps.to_vec(), ..Trace::default() }
    }

    #[test]
    fn other_engines_are_compared_up_to_where_fuel_ran_out() {
        let seen = || Step::Seen("1".into());
        let out = Step::Trap(Trap::OutOfFuel);
        let ours = trace(&[seen(), Step::Fuel(7), out, Step::Fuel(0), seen()]).for_others();
        assert_eq!(ours.steps, [seen()]);
        assert!(ours.compare(&trace(&[seen(), Step::Seen("2".into())])).is_ok());
        assert!(ours.compare(&trace(&[Step::Seen("2".into())])).is_err());
    }

    #[test]
    fn traces_differ_by_each_step_and_by_their_length() {
        let (one, two) = ([Step::Fuel(1)], [Step::Fuel(2)]);
        assert!(trace(&one).compare(&trace(&one)).is_ok());
        assert!(trace(&one).compare(&trace(&two)).is_err());
        assert!(trace(&[Step::Fuel(1), Step::Fuel(2)]).compare(&trace(&one)).is_err());
    }
}
