//! From Cranelift's result to a [`CompiledFunction`].
//!
//! The stack check stands before the code, where no frame exists yet, and its slow path behind it:
//!
//! ```text
//!          cmp rsp, [r15]            frame small:  the headroom below the limit covers it
//!          lea r11, [rsp - frame]    frame large
//!          cmp r11, [r15]
//!          jb slow
//!          nop                       up to the code's alignment
//! code:    push rbp ...
//! slow:    push rbp
//!          mov rbp, rsp              a frame that a stack walk can start from
//!          call [r15 + stack_check]
//!          pop rbp
//!          jmp code
//! ```

use crate::Entry;
use crate::inline::Sources;
use crate::placement::best_phase;
use crate::translate::Translated;
use cranelift_codegen::binemit::Reloc as ClifReloc;
use cranelift_codegen::ir::{ExternalName, Function, InstructionData, Opcode};
use cranelift_codegen::isa::unwind::UnwindInst;
use cranelift_codegen::{CompiledCode, FinalizedMachExceptionHandler, FinalizedRelocTarget};
use std::collections::HashMap;
use std::mem::offset_of;
use upshift_abi::builtin::Builtin;
use upshift_abi::code::{
    CompileError, CompiledFunction, Handler, HandlerMap, HandlerSite, InlineMap, PcMap, Reloc,
    RelocTarget, StackMaps, TrapMap, nops,
};
use upshift_abi::config::FunctionInput;
use upshift_abi::conv::CALLEE_SAVED;
use upshift_abi::index::DefinedFuncIndex;
use upshift_abi::layout::{STACK_HEADROOM_BYTES, ThreadContext};
use upshift_abi::trap::Trap;

/// Alignment of the code behind the check.
const CODE_ALIGN: usize = 16;
/// Largest frame a function may have, as in the baseline tier.
const MAX_FRAME_BYTES: u32 = 1 << 24;
/// Jumps behind each other that are looked at for a loop's place.
const MAX_JUMPS: usize = 32;
/// Most bytes of code of a function, as in the baseline tier.
const MAX_CODE_BYTES: usize = 1 << 28;

const _: () = assert!(offset_of!(ThreadContext, stack_limit) == 0);

/// Gathers code and tables.
pub(crate) fn gather(
    input: &FunctionInput<'_>,
    entry: Entry,
    translated: Translated,
    func: &Function,
    compiled: &CompiledCode,
) -> Result<CompiledFunction, CompileError> {
    let index = input.module.func_index(input.func).0;
    let frame_bytes = compiled.buffer.frame_layout().map_or(0, |f| f.frame_to_fp_offset) + 16;
    if frame_bytes > MAX_FRAME_BYTES {
        let (bytes, limit) = (frame_bytes.into(), MAX_FRAME_BYTES.into());
        return Err(CompileError::FrameTooLarge { func: index, bytes, limit });
    }
    let body = compiled.buffer.data();
    if body.len() > MAX_CODE_BYTES {
        return Err(CompileError::CodeTooLarge { func: index, limit: MAX_CODE_BYTES as u64 });
    }
    let small = frame_bytes <= STACK_HEADROOM_BYTES;
    let checked = entry == Entry::Function && (translated.makes_calls || !small);
    let start = input.module.bodies[input.func.index()].range.start;
    let mut code = Vec::with_capacity(body.len() + 64);
    let jump = checked.then(|| check(&mut code, frame_bytes, small));
    let shift = bounded(code.len());
    code.extend_from_slice(body);
    let slow = bounded(code.len());
    if let Some(jump) = jump {
        let at = jump as usize;
        code[at..at + 4].copy_from_slice(&(slow - (jump + 4)).to_le_bytes());
        slow_path(&mut code, shift);
    }
    let phase = if input.config.slow_jumps {
        // Constants are aligned as the body is.
        best_phase(&code, compiled.buffer.alignment as usize)
    } else {
        0
    };
    let (pcs, inlined) = locations(&translated.sources, compiled, (shift, slow, bounded(start)));
    Ok(CompiledFunction {
        code,
        relocs: relocs(func, compiled, shift),
        traps: TrapMap::from_unsorted(traps(compiled, shift)),
        pcs,
        inlined,
        handlers: handlers(input, &translated, compiled, shift),
        saved: saved(compiled),
        stack_maps: stack_maps(compiled, shift),
        polls: polls(compiled, shift),
        frame_bytes,
        phase,
        ..CompiledFunction::default()
    })
}

fn bounded(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("code and modules are below 4 GiB")
}

/// Where code comes from. What comes before all instructions and at the offset `slow` is the function's
/// start.
///
/// Instructions that the optimizer made have no location: they stand where their result is wanted, so they
/// belong to what comes next, or to the one before when nothing does.
fn locations(
    sources: &Sources,
    compiled: &CompiledCode,
    (shift, slow, start): (u32, u32, u32),
) -> (PcMap, InlineMap) {
    let mut pcs: Vec<(u32, u32)> = Vec::new();
    let mut ranges: Vec<(u32, Option<u32>)> = Vec::new();
    let mut add = |at, (offset, frame): (u32, Option<u32>)| {
        if pcs.last().is_none_or(|last| last.1 != offset) {
            pcs.push((at, offset));
        }
        if ranges.last().map_or(frame.is_some(), |last| last.1 != frame) {
            ranges.push((at, frame));
        }
    };
    let locs = compiled.buffer.get_srclocs_sorted().iter().rev();
    let mut next = None;
    let mut places: Vec<_> = locs
        .map(|loc| {
            let own = (!loc.loc.is_default()).then(|| sources.resolve(loc.loc.bits()));
            next = own.or(next);
            (loc.start + shift, next)
        })
        .collect();
    add(0, (start, None));
    let mut before = (start, None);
    while let Some((at, place)) = places.pop() {
        before = place.unwrap_or(before);
        add(at, before);
    }
    add(slow, (start, None));
    (PcMap::from_unsorted(pcs), InlineMap::new(sources.frames.clone(), &ranges))
}

/// Writes the check; the place of the jump's displacement.
fn check(code: &mut Vec<u8>, frame_bytes: u32, small: bool) -> u32 {
    if small {
        code.extend([0x49, 0x3b, 0x27]);
    } else {
        code.extend([0x4c, 0x8d, 0x9c, 0x24]);
        code.extend(frame_bytes.wrapping_neg().to_le_bytes());
        code.extend([0x4d, 0x3b, 0x1f]);
    }
    code.extend([0x0f, 0x82]);
    let jump = bounded(code.len());
    code.extend([0; 4]);
    let gap = code.len().next_multiple_of(CODE_ALIGN) - code.len();
    code.extend(nops(gap));
    jump
}

/// Writes the slow path, which goes back to the code at `body`.
fn slow_path(code: &mut Vec<u8>, body: u32) {
    code.extend([0x55, 0x48, 0x89, 0xe5]);
    let stub = offset_of!(ThreadContext, builtins) + Builtin::stack_check as usize * 8;
    code.extend([0x41, 0xff, 0x97]);
    code.extend(bounded(stub).to_le_bytes());
    code.extend([0x5d, 0xe9]);
    let back = body.wrapping_sub(bounded(code.len()) + 4);
    code.extend(back.to_le_bytes());
}

/// The references to entry slots: Cranelift's global offset table is ours of entry slots.
fn relocs(func: &Function, compiled: &CompiledCode, shift: u32) -> Vec<Reloc> {
    let reloc = |reloc: &cranelift_codegen::FinalizedMachReloc| {
        assert!(
            reloc.kind == ClifReloc::X86GOTPCRel4 && reloc.addend == -4,
            "all calls go through entry slots, and no library function is called: {reloc:?}"
        );
        let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
            panic!("only functions of the module are named: {:?}", reloc.target);
        };
        let index = DefinedFuncIndex(func.params.user_named_funcs()[name].index);
        Reloc { offset: reloc.offset + shift, target: RelocTarget::EntrySlot(index) }
    };
    compiled.buffer.relocs().iter().map(reloc).collect()
}

/// The places of polls. A header without an instruction of its own shares that of what follows.
fn polls(compiled: &CompiledCode, shift: u32) -> Vec<u32> {
    let mut polls: Vec<_> = compiled.buffer.debug_tags().map(|tag| tag.offset + shift).collect();
    polls.sort_unstable();
    polls.dedup();
    polls
}

/// Whether code may go round a loop without passing its place for polls. A header that is but a jump to
/// unlikely code, which stands behind all other code, has no instruction of its own: what jumps to the
/// header jumps there. Other jumps lead to what follows the header, or to other headers.
pub(crate) fn misses_polls(func: &Function) -> bool {
    let is_header = |block| {
        let mut insts = func.layout.block_insts(block);
        insts.any(|inst| func.dfg.insts[inst].opcode() == Opcode::SequencePoint)
    };
    let next = |block| match func.dfg.insts[func.layout.last_inst(block)?] {
        InstructionData::Jump { destination, .. } => Some(destination.block(&func.dfg.value_lists)),
        _ => None,
    };
    func.layout.blocks().filter(|&block| is_header(block)).any(|header| {
        let ways = std::iter::successors(next(header), |&block| next(block));
        let mut ways = ways.take_while(|&block| !is_header(block)).enumerate();
        ways.any(|(step, block)| step == MAX_JUMPS || func.layout.is_cold(block))
    })
}

/// The slots of references at calls. Cranelift counts from the stack pointer up, we from the frame
/// pointer down.
fn stack_maps(compiled: &CompiledCode, shift: u32) -> StackMaps {
    let fp_to_sp = compiled.buffer.frame_layout().map_or(0, |f| f.frame_to_fp_offset);
    let mut maps = StackMaps::default();
    for (return_offset, _, map) in compiled.buffer.user_stack_maps() {
        let slots = map.entries().map(|(_, at)| fp_to_sp - at);
        maps.push(return_offset + shift, slots, 0);
    }
    maps
}

/// Where the frame holds the caller's values of registers that calls preserve.
fn saved(compiled: &CompiledCode) -> [u32; CALLEE_SAVED.len()] {
    let mut saved = [0; CALLEE_SAVED.len()];
    let mut area = 0;
    for (_, inst) in &compiled.buffer.unwind_info {
        match *inst {
            UnwindInst::DefineNewFrame { offset_downward_to_clobbers, .. } => {
                area = offset_downward_to_clobbers;
            }
            UnwindInst::SaveReg { clobber_offset, reg } => {
                let place = CALLEE_SAVED.iter().position(|&saved| saved == reg.hw_enc());
                saved[place.expect("a register that calls preserve")] = area - clobber_offset;
            }
            _ => {}
        }
    }
    saved
}

/// The handlers of calls. Calls with the same ones share a scope.
fn handlers(
    input: &FunctionInput<'_>,
    translated: &Translated,
    compiled: &CompiledCode,
    shift: u32,
) -> HandlerMap {
    let mut sites = Vec::new();
    let mut scopes: HashMap<Vec<Handler>, u32> = HashMap::new();
    let mut map = HandlerMap::default();
    let vmctx_slot = translated.vmctx.map_or(0, |slot| {
        let frame = compiled.buffer.frame_layout().expect("a function with slots has a layout");
        frame.frame_to_fp_offset - frame.stackslots[slot].offset
    });
    for call in compiled.buffer.call_sites() {
        let mut found = Vec::new();
        for handler in call.exception_handlers {
            match *handler {
                FinalizedMachExceptionHandler::Tag(number, at) => {
                    let clause = translated.clauses[number.as_u32() as usize];
                    found.push(Handler {
                        tag: clause.tag.map(|tag| input.layout.tag(tag)),
                        by_ref: clause.by_ref,
                        landing_pad: at + shift,
                    });
                }
                ref other => {
                    panic!("all clauses have numbers: {other:?}")
                }
            }
        }
        if found.is_empty() {
            continue;
        }
        let fp_to_sp = call.frame_offset.expect("frames have a fixed size");
        if map.is_empty() && scopes.is_empty() {
            map = HandlerMap::new(fp_to_sp);
        }
        assert_eq!(map.fp_to_sp(), fp_to_sp, "the stack pointer stays where it is");
        let scope = *scopes
            .entry(found)
            .or_insert_with_key(|found| map.add_scope(None, found.iter().copied()));
        let return_offset = call.ret_addr + shift;
        sites.push(HandlerSite { return_offset, scope, vmctx_slot });
    }
    map.set_sites(sites);
    map
}

fn traps(compiled: &CompiledCode, shift: u32) -> Vec<(u32, Trap)> {
    let trap = |trap: &cranelift_codegen::MachTrap| {
        let code = crate::lower::trap_of(trap.code).expect("only traps of wasm are used");
        (trap.offset + shift, code)
    };
    compiled.buffer.traps().iter().map(trap).collect()
}
