//! What polls of machine code do: interruption, deadlines, fuel.

use crate::api::interrupt::UpdateDeadline;
use crate::store::AnyStore;
use crate::{Result, Trap};
use std::sync::atomic::Ordering::SeqCst;

/// Somebody rang: leaves when that was asked for, goes on otherwise.
pub(crate) fn interrupted(store: &mut dyn AnyStore) -> Result<()> {
    let inner = store.inner();
    let zeal = inner.engine().config().zeal;
    if zeal.interrupt || zeal.step {
        inner.interrupts().rearm_zeal();
    }
    if inner.interrupts().take_interrupt() {
        return Err(Trap::Interrupt.into());
    }
    if inner.interrupts().deadline_reached() {
        match store.deadline_reached()? {
            UpdateDeadline::Interrupt => return Err(Trap::Interrupt.into()),
            UpdateDeadline::Continue(ticks) => {
                let inner = store.inner();
                let epoch = inner.engine().epoch().load(SeqCst);
                inner.interrupts().set_deadline(epoch.saturating_add(ticks));
            }
        }
    }
    Ok(())
}

/// The counter went below zero: goes on when the store has fuel in reserve.
pub(crate) fn out_of_fuel(store: &mut dyn AnyStore) -> Result<()> {
    let inner = store.inner_mut();
    if inner.refuel() {
        return Ok(());
    }
    inner.set_fuel(0);
    Err(Trap::OutOfFuel.into())
}
