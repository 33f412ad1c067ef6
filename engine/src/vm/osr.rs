//! On-stack replacement: out of a baseline frame that is in a loop, into optimised code.
//!
//! # Life of a transfer
//! 1. A loop header takes its cost from a budget or the function's counter. When the counter is
//!    below zero then, the slow path calls the stub of `hot_function`, which saves every register
//!    and calls [`hot_function`].
//! 2. The return address leads to the code's [`OsrMap`]. A site without an entry there is a
//!    function's entry, or a loop whose state was too large to write down: the store hears of a
//!    hot function, and the code goes on as it was.
//! 3. At a loop, the store answers with the loop's OSR body, if there is one. Its frame must fit
//!    between the frame's return address and the true stack limit, as OSR bodies do not check:
//!    otherwise the baseline code goes on, so what overflows does so in the tier that says so.
//! 4. The values of all locals and operands are copied out of the frame and the saved registers
//!    into the buffer of the thread, and an [`OsrTransfer`] is filled with what the registers
//!    were, or would be, right at the function's entry: the caller's frame pointer and
//!    callee-saved registers, and the address of the return area and the vmctx as arguments.
//! 5. The stub loads these registers from it, which takes the frame down like a tail call, and
//!    jumps. The caller's frame, its return address with handlers and stack map, and the stack
//!    arguments are as they were.
//! 6. The entry block of the OSR body reads the buffer and goes to the loop header. Baseline code
//!    counts and then charges the header's block, so at the transfer fuel was charged for all
//!    blocks up to the header's and not for that: the body begins with its charge. That the place
//!    for polls comes by twice does no harm. From there on it is an ordinary frame of the function.
//!
//! The buffer holds raw references, so nothing may collect between 4 and 6: the stub does not
//! come back to the engine, and OSR bodies have no safepoint before the header. Nobody reads the
//! buffer later, so the next transfer, in this activation or in one inside of it, may reuse it.

use super::code_map;
use super::context::ContextCell;
use super::entry::Slot;
use super::instance::InstanceRef;
use super::shims::{SavedRegisters, Thread, run};
use crate::code::{FunctionCode, ModuleCode, OsrBody};
use std::ptr;
use std::sync::atomic::Ordering;
use upshift_abi::code::{OsrEntry, OsrMap, OsrPlace};
use upshift_abi::conv::CALLEE_SAVED;
use upshift_abi::layout::{Instance, OsrTransfer};

/// What a transfer passes on, beside the stack and the registers.
#[derive(Debug, Default)]
pub(super) struct Handover {
    /// What the stub loads.
    transfer: OsrTransfer,
    /// What the OSR body loads.
    values: Vec<OsrValue>,
}

/// A value in the buffer, scalars and references in the first half.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
struct OsrValue(Slot);

/// A frame of baseline code that has called `hot_function`.
#[derive(Clone, Copy)]
struct BaselineFrame<'a> {
    fp: usize,
    registers: &'a SavedRegisters,
    /// Bytes of it below the frame pointer.
    bytes: u32,
}

/// What the stub of the builtin calls: the record of a transfer, or null to go on.
///
/// Safety: as the head of [`super::shims`] says; `registers` are those that the stub has saved of
/// the frame that the context names.
pub(super) extern "C" fn hot_function(
    thread: Thread,
    registers: *mut SavedRegisters,
) -> *const OsrTransfer {
    // SAFETY: `thread` is as the head says.
    let cell = unsafe { ContextCell::of(thread) };
    // SAFETY: `registers` are as the head says, and the stub uses them only afterwards.
    let registers = unsafe { &*registers };
    let (fp, pc) = cell.exit_frame();
    let transfer = code_map::with_module(pc, |module| {
        let function = module.function_at(pc)?;
        let frame = BaselineFrame { fp, registers, bytes: function.tables.frame_bytes };
        // SAFETY: only baseline code calls the builtin, and its frames have the vmctx there.
        let vmctx = unsafe { frame.word(OsrMap::VMCTX_SLOT) };
        let site = Site { function, entry: entry_at(module, function, pc), vmctx };
        let body = site.ask(thread)?;
        // SAFETY: the frame is the one that the entry describes.
        unsafe { site.prepare(cell, frame, body) }
    });
    transfer.flatten().map_or(ptr::null(), <*mut OsrTransfer>::cast_const)
}

fn entry_at<'a>(
    module: &ModuleCode,
    function: &'a FunctionCode,
    return_address: usize,
) -> Option<&'a OsrEntry> {
    let offset = module.text_offset(return_address)? - function.start;
    function.tables.osr.lookup(u32::try_from(offset).ok()?)
}

/// Where a counter went below zero.
struct Site<'a> {
    function: &'a FunctionCode,
    /// The state of the frame, at a loop header.
    entry: Option<&'a OsrEntry>,
    vmctx: u64,
}

impl Site<'_> {
    /// Tells the store, which arms the counter again: the code to go on in.
    fn ask(&self, thread: Thread) -> Option<OsrBody> {
        let index = self.function.index;
        let vmctx = ptr::with_exposed_provenance_mut::<Instance>(address(self.vmctx));
        let instance = InstanceRef::from_ptr(vmctx).expect("code has a vmctx");
        let loop_offset = self.entry.map(|entry| entry.loop_offset);
        run(thread, None, |host| Ok(host.hot_function(instance, index, loop_offset)))
    }

    /// Copies the frame's state and fills the record, if the body's frame fits the stack.
    ///
    /// # Safety
    /// `frame` is a frame of `self.function` in the state of `self.entry`, of the thread that has
    /// the store of `cell`.
    unsafe fn prepare(
        &self,
        cell: &ContextCell,
        frame: BaselineFrame<'_>,
        body: OsrBody,
    ) -> Option<*mut OsrTransfer> {
        let map = &self.function.tables.osr;
        // The stack pointer at the entry of the function: the return address lies there.
        let entry_sp = frame.fp as u64 + 8;
        let lowest = entry_sp.checked_sub(u64::from(body.frame_bytes))?;
        if lowest < cell.true_stack_limit().load(Ordering::SeqCst) {
            return None;
        }
        let handover = cell.osr();
        // SAFETY: what the cell keeps belongs to the thread that has the store, and only this
        // function uses the handover.
        let Handover { transfer, values } = unsafe { &mut *handover };
        // SAFETY: the caller vouches for the frame.
        unsafe { frame.copy_values(map, self.entry?, values) }?;
        cell.set_osr_buffer(values.as_mut_ptr().cast());
        transfer.target = body.address as u64;
        transfer.rsp = entry_sp;
        // SAFETY: the caller's frame pointer is what the frame pointer points to.
        transfer.rbp = unsafe { frame.word(0) };
        (transfer.rdi, transfer.rsi) = (self.vmctx, 0);
        if let Some(slot) = map.return_area {
            // SAFETY: the table says that the frame has it.
            (transfer.rdi, transfer.rsi) = (unsafe { frame.word(slot) }, self.vmctx);
        }
        for (i, register) in CALLEE_SAVED.into_iter().enumerate() {
            transfer.callee_saved[i] = match self.function.tables.saved[i] {
                0 => frame.registers.ints[usize::from(register)],
                // SAFETY: as above.
                slot => unsafe { frame.word(slot) },
            };
        }
        Some(transfer)
    }
}

impl BaselineFrame<'_> {
    /// Copies all locals, then all operands. `None` when there is no memory for them.
    ///
    /// # Safety
    /// The frame is in the state of `entry`, an entry of `map`.
    unsafe fn copy_values(
        self,
        map: &OsrMap,
        entry: &OsrEntry,
        values: &mut Vec<OsrValue>,
    ) -> Option<()> {
        values.clear();
        values.try_reserve(map.local_slots.len() + entry.operands.len()).ok()?;
        let slots = map.local_slots.iter().map(|&slot| OsrPlace::Slot(slot));
        for place in slots.chain(entry.operands.iter().copied()) {
            // SAFETY: the caller vouches for the frame.
            values.push(OsrValue(unsafe { self.value(place) }));
        }
        for &(local, place) in &entry.locals {
            // SAFETY: as above.
            values[local as usize] = OsrValue(unsafe { self.value(place) });
        }
        Some(())
    }

    /// The value in a place.
    ///
    /// # Safety
    /// The frame has the place.
    unsafe fn value(self, place: OsrPlace) -> Slot {
        match place {
            OsrPlace::Slot(slot) => {
                assert!(slot >= 16 && slot <= self.bytes, "a slot lies in its frame");
                let value = ptr::with_exposed_provenance::<Slot>(self.fp - slot as usize);
                // SAFETY: both words lie in the frame, which the caller vouches for; slots are
                // multiples of 8. The second is that of another slot when the first is a scalar.
                unsafe { value.read() }
            }
            OsrPlace::Int(register) => [self.registers.ints[usize::from(register)], 0],
            OsrPlace::Float(register) => self.registers.vectors[usize::from(register)],
            OsrPlace::Const(bits) => [bits, 0],
        }
    }

    /// The word at a distance below the frame pointer.
    ///
    /// # Safety
    /// The frame has a word there.
    unsafe fn word(self, slot: u32) -> u64 {
        let word = ptr::with_exposed_provenance::<u64>(self.fp - slot as usize);
        // SAFETY: the caller vouches for it.
        unsafe { word.read() }
    }
}

fn address(word: u64) -> usize {
    usize::try_from(word).expect("addresses have 64 bits")
}
