//! Unwinding of host code, which keeps no frame pointers, from a copy of its stack.

use super::MAX_FRAMES;
use super::record::Registers;
use crate::maps;
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};
use memmap2::Mmap;
use object::{Object, ObjectSection, ObjectSegment};
use std::fmt;
use std::fs::File;
use std::ops::{Deref, Range};
use std::sync::Arc;
use upshift::is_machine_code;

/// Knows how to unwind the code that the process had when this was made.
pub(super) struct HostUnwinder {
    unwinder: UnwinderX86_64<Part>,
    /// Where the program and its libraries lie.
    files: Vec<Range<u64>>,
    cache: CacheX86_64,
}

impl fmt::Debug for HostUnwinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostUnwinder").finish_non_exhaustive()
    }
}

impl HostUnwinder {
    /// Reads the tables of the program and of its libraries. Those that cannot be read are left out.
    pub(super) fn new() -> Self {
        let mut unwinder = UnwinderX86_64::new();
        let maps = maps::of_process();
        let mut files = Vec::new();
        for (path, range) in maps::files(&maps) {
            if let Some(module) = read_module(path, range.clone()) {
                unwinder.add_module(module);
                files.push(range);
            }
        }
        Self { unwinder, files, cache: CacheX86_64::new() }
    }

    /// Adds the return addresses of host code, and behind them those of the machine code that called
    /// it. `stack` is a copy of the stack from the stack pointer on.
    pub(super) fn walk(&mut self, start: Registers, stack: &[u8], addresses: &mut Vec<usize>) {
        let mut read = |address: u64| {
            let at = address.checked_sub(start.sp).and_then(|at| usize::try_from(at).ok());
            let word = at.and_then(|at| stack.get(at..)?.first_chunk());
            word.map(|word| u64::from_le_bytes(*word)).ok_or(())
        };
        if !self.files.iter().any(|file| file.contains(&start.ip))
            && let Some((caller, fp)) = caller_of_stub(start, &mut read)
        {
            addresses.push(caller);
            return walk_frames(fp, &mut read, addresses);
        }
        let mut registers = UnwindRegsX86_64::new(start.ip, start.sp, start.bp);
        let mut frame = FrameAddress::from_instruction_pointer(start.ip);
        while addresses.len() < MAX_FRAMES {
            let caller =
                self.unwinder.unwind_frame(frame, &mut registers, &mut self.cache, &mut read);
            let Some(caller) = caller.ok().flatten() else { return };
            let Some(next) = FrameAddress::from_return_address(caller) else { return };
            frame = next;
            let Ok(address) = usize::try_from(caller) else { return };
            addresses.push(address);
            if is_machine_code(address) {
                return walk_frames(registers.bp(), &mut read, addresses);
            }
        }
    }
}

/// The machine code that called a stub of the engine, and that code's frame pointer; none when machine code
/// did not. Stubs have a frame in a part of their code only:
///
/// ```text
/// before: [rsp] return address                          rbp: the caller's frame
/// inside: [rsp] the caller's rbp, [rsp+8] return address, rbp: rsp, or not yet
/// ```
fn caller_of_stub(
    start: Registers,
    read: &mut impl FnMut(u64) -> Result<u64, ()>,
) -> Option<(usize, u64)> {
    let mut machine_code = |place: u64| {
        let address = usize::try_from(read(place).ok()?).ok()?;
        is_machine_code(address).then_some(address)
    };
    if let Some(caller) = machine_code(start.sp) {
        return Some((caller, start.bp));
    }
    let caller = machine_code(start.sp.checked_add(8)?)?;
    let fp = if start.bp == start.sp { read(start.sp).ok()? } else { start.bp };
    Some((caller, fp))
}

/// Adds the return addresses of machine code that frame pointers lead to.
fn walk_frames(
    mut fp: u64,
    read: &mut impl FnMut(u64) -> Result<u64, ()>,
    addresses: &mut Vec<usize>,
) {
    while addresses.len() < MAX_FRAMES {
        let (Ok(next), Ok(caller)) = (read(fp), read(fp.wrapping_add(8))) else { return };
        let address = usize::try_from(caller).unwrap_or(0);
        if !is_machine_code(address) {
            return;
        }
        addresses.push(address);
        if next <= fp {
            return;
        }
        fp = next;
    }
}

/// A part of a file, or none: only what is looked at is read.
#[derive(Default)]
struct Part {
    map: Option<Arc<Mmap>>,
    range: Range<usize>,
}

impl Deref for Part {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.map.as_ref().map_or(&[], |map| &map[self.range.clone()])
    }
}

fn read_module(path: &str, range: Range<u64>) -> Option<Module<Part>> {
    let file = File::open(path).ok()?;
    // SAFETY: as with every program and library that runs, whoever changes its file in place breaks
    // more than this; they are replaced, not changed.
    let map = Arc::new(unsafe { Mmap::map(&file) }.ok()?);
    let file = object::File::parse(&**map).ok()?;
    let place = |name: &str| {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address() + section.size())
    };
    let data = |name: &str| {
        let (start, len) = file.section_by_name(name)?.file_range()?;
        let start = usize::try_from(start).ok()?;
        let range = start..start.checked_add(usize::try_from(len).ok()?)?;
        map.get(range.clone())?;
        Some(Part { map: Some(Arc::clone(&map)), range })
    };
    // The first segment lies where the file begins.
    let first = file.segments().next()?;
    let base = range.start.checked_sub(first.address())?;
    let sections = ExplicitModuleSectionInfo {
        text_svma: place(".text"),
        eh_frame_svma: place(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: place(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..ExplicitModuleSectionInfo::default()
    };
    Some(Module::new(path.to_owned(), range, base, sections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_tables() {
        let maps = maps::of_process();
        let here = this_program_has_tables as *const () as u64;
        let (path, range) = maps::files(&maps)
            .into_iter()
            .find(|file| file.1.contains(&here))
            .expect("it is mapped");
        assert!(read_module(path, range).is_some());
    }

    #[test]
    fn frames_end_where_the_copy_does() {
        let stack = [0x20u64, 1, 0, 0].map(u64::to_le_bytes).concat();
        let mut addresses = Vec::new();
        let mut unwinder = HostUnwinder::new();
        unwinder.walk(Registers { bp: 0x10, sp: 0x10, ip: 1 }, &stack, &mut addresses);
        assert!(addresses.len() <= 2, "{addresses:?}");
        unwinder.walk(Registers { bp: u64::MAX - 3, sp: 0, ip: 1 }, &[], &mut addresses);
    }
}
